package cli

import (
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func noNode(node int) error {
	return cluster.Refuse(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", node)
}

func infoNode(s *session, w words) error {
	n, err := s.client.Node(s.ctx, w.number("node"))
	if err != nil || s.print(n) {
		return err
	}
	external := "N/A"
	if len(n.ExternalAddresses) > 0 {
		external = strings.Join(n.ExternalAddresses, ",")
	}
	s.say("Command Output: node:%d", n.UID)
	s.say("    address: %s", n.Address)
	s.say("    external addresses: %s", external)
	s.say("    recovery path: N/A")
	s.say("    quorum only: %s", onOff(!n.AcceptServers))
	s.say("    max redis servers: %d", n.MaxShards)
	s.say("    max listeners: %d", n.MaxListeners)
	if n.MaxRedisForks != cluster.Unset {
		s.say("    max redis forks: %d", n.MaxRedisForks)
	}
	if n.MaxSlaveFullSyncs != cluster.Unset {
		s.say("    max slave full syncs: %d", n.MaxSlaveFullSyncs)
	}
	if !n.CertificateUntil.IsZero() {
		s.say("    certificate until: %s", n.CertificateUntil.UTC().Format(time.RFC3339))
	}
	for _, trouble := range n.Troubles {
		s.say("    trouble: %s", trouble)
	}
	if m := n.Maintenance; m != nil {
		s.say("    in maintenance: since %s, snapshot %s", m.Since.UTC().Format(time.RFC3339), m.Snapshot)
		for _, h := range m.Holds {
			s.say("    held out by: %s", holdText(h))
		}
		return s.shutdown(int(n.UID))
	}
	return nil
}

// shutdown says whether a node that is out may be shut down.
func (s *session) shutdown(node int) error {
	statuses, err := s.client.NodeStatuses(s.ctx)
	if err != nil {
		return err
	}
	blockers := statuses[node].ShutdownBlockers
	s.say("    safe to shut down: %s", map[bool]string{true: "yes", false: "no"}[len(blockers) == 0])
	for _, b := range blockers {
		s.say("        %s", b)
	}
	return nil
}

func holdText(h api.Hold) string {
	text := h.Owner + " since " + h.Since.UTC().Format(time.RFC3339)
	if h.Cause != "" {
		text += ", " + h.Cause
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	switch {
	case h.Overdue:
		text += ", overdue since " + h.Until.UTC().Format(time.RFC3339)
	case !h.Until.IsZero():
		text += ", until " + h.Until.UTC().Format(time.RFC3339)
	}
	return text
}

func tuneCluster(s *session, w words) error {
	number := func(name string) *int {
		if !w.has(name) {
			return nil
		}
		n := w.number(name)
		return &n
	}
	policy := api.ChangePolicy{
		ReplicaGrace: number("slave_ha_grace_period"), ConcurrentMoves: number("default_concurrent_restore_actions"),
		HandoffDelay:     number("state_machine_smart_client_handoffs_delay_ms"),
		LockoutThreshold: number("login_lockout_threshold"), LockoutDuration: number("login_lockout_duration"),
		LockoutForgotten: number("login_lockout_counter_reset_after"),
	}
	if w.text("default_concurrent_restore_actions") == "all" {
		*policy.ConcurrentMoves = 0
	}
	change := api.ChangeCluster{
		PasswordLength: number("password_min_length"), PasswordComplexity: choice(w, "password_complexity"), Notices: choice(w, "client_maint_notifications"),
	}
	if policy == (api.ChangePolicy{}) && change == (api.ChangeCluster{}) {
		return misuse("give a setting and its value", nil, "there is nothing to change")
	}
	changed, err := s.tuneCluster(policy, change)
	if err == nil && !s.print(changed) {
		s.say("Finished successfully")
	}
	return err
}

// tuneCluster changes what is given of two objects, and returns those for --json. The one
// that can be tried is tried first, so that a refusal leaves both alone.
func (s *session) tuneCluster(policy api.ChangePolicy, change api.ChangeCluster) (any, error) {
	if policy == (api.ChangePolicy{}) {
		return s.client.ChangeCluster(s.ctx, change, false)
	}
	if change != (api.ChangeCluster{}) {
		if _, err := s.client.ChangeCluster(s.ctx, change, true); err != nil {
			return nil, err
		}
	}
	if err := s.client.TuneCluster(s.ctx, policy); err != nil {
		return nil, err
	}
	var c api.Cluster
	if change != (api.ChangeCluster{}) {
		var err error
		if c, err = s.client.ChangeCluster(s.ctx, change, false); err != nil {
			return nil, err
		}
	}
	if !s.flags.json {
		return nil, nil
	}
	p, err := s.client.Policy(s.ctx)
	if change == (api.ChangeCluster{}) {
		return p, err
	}
	return map[string]any{"cluster": c, "policy": p}, err
}

// printNode prints the node; all of them, if it is 0.
func (s *session) printNode(node int) error {
	if node == 0 {
		list, err := s.client.Nodes(s.ctx)
		s.print(list)
		return err
	}
	n, err := s.client.Node(s.ctx, node)
	s.print(n)
	return err
}

func tuneNode(s *session, w words) error {
	var t api.TuneNode
	number := func(name string) *int {
		if !w.has(name) {
			return nil
		}
		n := w.number(name)
		return &n
	}
	t.MaxListeners, t.MaxShards = number("max_listeners"), number("max_redis_servers")
	t.MaxForks, t.MaxFullSyncs = number("max_redis_forks"), number("max_slave_full_syncs")
	if quorumOnly := choice(w, "quorum_only"); quorumOnly != nil {
		accept := !*quorumOnly
		t.AcceptServers = &accept
	}
	if t == (api.TuneNode{}) {
		return misuse("give max_listeners, max_redis_servers, max_redis_forks, max_slave_full_syncs or quorum_only", nil, "there is nothing to change")
	}
	node := w.number("node|all") // 0 for all
	if err := s.client.TuneNode(s.ctx, node, t); err != nil {
		return err
	}
	if s.flags.json {
		return s.printNode(node)
	}
	s.say("Finished successfully")
	return nil
}
