package cluster

import (
	"fmt"
	"strings"
	"time"
)

// LoginLockout says when failed logins lock a user out, and for how long.
type LoginLockout struct {
	Threshold int `json:"threshold"` // failures in a row; 0: nobody is locked out
	Duration  int `json:"duration"`  // seconds
	Forgotten int `json:"forgotten"` // seconds after which earlier failures no longer count
}

// LoginLockout is when failed logins lock a user out.
func (c Cluster) LoginLockout() LoginLockout {
	if c.Lockout == nil {
		return LoginLockout{Threshold: 5, Duration: 1800, Forgotten: 900}
	}
	return *c.Lockout
}

// MinPassword is the least length of a new password, in characters.
func (c Cluster) MinPassword() int {
	if c.PasswordLength == 0 {
		return 8
	}
	return c.PasswordLength
}

// Handoff is how long a planned failover waits between the notice to clients and the act.
func (c Cluster) Handoff() time.Duration { return time.Duration(c.HandoffDelay) * time.Millisecond }

// TuneCluster changes settings of the cluster as a whole. Nil leaves a setting alone.
type TuneCluster struct {
	At                 time.Time
	ReplicaGrace       *int // seconds
	ConcurrentMoves    *int // 0: one for every two cores of the node, and one more while one is nearly done
	HandoffDelay       *int // milliseconds; 0: none
	LockoutThreshold   *int
	LockoutDuration    *int // seconds
	LockoutForgotten   *int // seconds
	PasswordLength     *int
	PasswordComplexity *bool
	Notices            *bool // whether proxies tell clients of planned work
	By                 string
}

// maxHandoffDelay is less than what a failover may wait for its replica.
const maxHandoffDelay = 10_000

// maxSetting bounds counts and seconds: a year.
const maxSetting = 366 * 24 * 3600

// Apply implements Command. All faults are told at once.
func (c TuneCluster) Apply(b *Board) (Change, error) {
	state, lockout := b.Cluster, b.Cluster.LoginLockout()
	var faults Refusals
	var said []string
	set := func(name string, value, into *int, least, most int) {
		switch {
		case value == nil:
		case *value < least || *value > most:
			faults = append(faults, Refuse(CodeBadRequest, fmt.Sprintf("give a number from %d to %d", least, most), "%s can not be %d", name, *value))
		default:
			*into = *value
			said = append(said, fmt.Sprintf("%s %d", name, *value))
		}
	}
	set("slave_ha_grace_period", c.ReplicaGrace, &state.ReplicaGrace, 1, maxSetting)
	set("default_concurrent_restore_actions", c.ConcurrentMoves, &state.ConcurrentMoves, 0, 1000)
	set("state_machine_smart_client_handoffs_delay_ms", c.HandoffDelay, &state.HandoffDelay, 0, maxHandoffDelay)
	set("login_lockout_threshold", c.LockoutThreshold, &lockout.Threshold, 0, 1000)
	set("login_lockout_duration", c.LockoutDuration, &lockout.Duration, 1, maxSetting)
	set("login_lockout_counter_reset_after", c.LockoutForgotten, &lockout.Forgotten, 1, maxSetting)
	set("password_min_length", c.PasswordLength, &state.PasswordLength, 1, 72)
	if len(faults) > 0 {
		return Change{}, faults
	}
	if lockout != b.Cluster.LoginLockout() {
		state.Lockout = &lockout
	}
	if c.PasswordComplexity != nil {
		state.PasswordComplexity = *c.PasswordComplexity
		said = append(said, fmt.Sprintf("password_complexity %t", *c.PasswordComplexity))
	}
	if c.Notices != nil {
		state.NoNotices = !*c.Notices
		said = append(said, fmt.Sprintf("client_maint_notifications %t", *c.Notices))
	}
	if len(said) == 0 {
		return Change{}, nil
	}
	return Change{Put: []Object{state}, Log: []Entry{{Time: c.At, Type: "cluster_policy_updated", Severity: "INFO", By: c.By,
		Text: "cluster tuned: " + strings.Join(said, ", ")}}}, nil
}
