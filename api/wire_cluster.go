package api

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// Cluster describes the cluster as a whole.
type Cluster struct {
	Name               string    `json:"name"`
	Created            time.Time `json:"created_time"`
	RackAware          bool      `json:"rack_aware"`
	ConcurrentMoves    int       `json:"default_concurrent_restore_actions"`
	PasswordLength     int       `json:"password_min_length"` // characters of a new password
	PasswordComplexity bool      `json:"password_complexity"`
	Notices            bool      `json:"client_maint_notifications"` // clients that ask for it are told of planned work
	ID                 string    `json:"id"`
	Master             NumberID  `json:"master_node_uid"` // 0: there is none
	CAHash             string    `json:"ca_hash,omitempty"`
	Incarnation        int64     `json:"incarnation,omitempty"` // raised by each recovery
	// NoQuorum says that this is what one node saw last, and why nothing can be changed.
	NoQuorum *cluster.Error `json:"no_quorum,omitempty"`
	// Backups are the saved states of the cluster that its hosts keep.
	Backups []NodeBackups `json:"state_backups,omitempty"`
	// AuthorityUntil is when the cluster's authority ends, and all certificates with it.
	AuthorityUntil time.Time `json:"ca_until,omitzero"`
	// Troubles are what is amiss with the cluster as a whole.
	Troubles []*cluster.Error `json:"troubles,omitempty"`
}

// NodeBackups are the saved states of the cluster on one host.
type NodeBackups struct {
	Node     NumberID  `json:"node_uid"`
	Count    int       `json:"count"`
	Newest   time.Time `json:"newest,omitzero"` // absent: there is none
	Revision int64     `json:"revision"`
	Failed   string    `json:"error,omitempty"`
}

// ChangeCluster is the body of PUT /v1/cluster. Nil leaves a setting alone.
type ChangeCluster struct {
	PasswordLength     *int  `json:"password_min_length,omitempty"`
	PasswordComplexity *bool `json:"password_complexity,omitempty"`
	Notices            *bool `json:"client_maint_notifications,omitempty"`
}

// ClusterPolicy is what operators set for the cluster as a whole, and, from
// Placement on, what can not be set otherwise here.
type ClusterPolicy struct {
	// ReplicaGrace is how many seconds a node may be down before its replicas are
	// rebuilt on others.
	ReplicaGrace    int `json:"slave_ha_grace_period"`
	ConcurrentMoves int `json:"default_concurrent_restore_actions"` // 0: one for every two cores of the node, and one more while one is nearly done
	// HandoffDelay is how many milliseconds a planned failover waits after clients were told of it.
	HandoffDelay     int `json:"state_machine_smart_client_handoffs_delay_ms"`
	LockoutThreshold int `json:"login_lockout_threshold"`           // failed logins in a row; 0: never
	LockoutDuration  int `json:"login_lockout_duration"`            // seconds
	LockoutForgotten int `json:"login_lockout_counter_reset_after"` // seconds

	Placement        string `json:"default_shards_placement"`
	ProxyPolicy      string `json:"default_non_sharded_proxy_policy"`
	ShardedPolicy    string `json:"default_sharded_proxy_policy"`
	RackAware        bool   `json:"rack_aware"`
	ReplicaHA        bool   `json:"slave_ha"`
	Overbooking      bool   `json:"shards_overbooking"`
	AwaitPersistence bool   `json:"persistent_node_removal"`
}

// ChangePolicy is the body of PUT /v1/cluster/policy. Nil leaves a setting
// alone; the others are refused unless they say what is so anyway.
type ChangePolicy struct {
	ReplicaGrace     *int `json:"slave_ha_grace_period,omitempty"`
	ConcurrentMoves  *int `json:"default_concurrent_restore_actions,omitempty"`
	HandoffDelay     *int `json:"state_machine_smart_client_handoffs_delay_ms,omitempty"`
	LockoutThreshold *int `json:"login_lockout_threshold,omitempty"`
	LockoutDuration  *int `json:"login_lockout_duration,omitempty"`
	LockoutForgotten *int `json:"login_lockout_counter_reset_after,omitempty"`

	Placement        string `json:"default_shards_placement,omitempty"`
	ProxyPolicy      string `json:"default_non_sharded_proxy_policy,omitempty"`
	ShardedPolicy    string `json:"default_sharded_proxy_policy,omitempty"`
	RackAware        *bool  `json:"rack_aware,omitempty"`
	ReplicaHA        *bool  `json:"slave_ha,omitempty"`
	Overbooking      *bool  `json:"shards_overbooking,omitempty"`
	AwaitPersistence *bool  `json:"persistent_node_removal,omitempty"`
}

// ChangeMaster is the body of change_master.
type ChangeMaster struct {
	Node TextID `json:"node_uid"`
}

// SnapshotRequest is the body that makes a node snapshot.
type SnapshotRequest struct {
	Name string `json:"name"`
}

// FailoverRequest is the body of failover. Shards are given where the path names
// none; of the others, only what changes nothing is accepted.
type FailoverRequest struct {
	Shards      []TextID `json:"shard_uids,omitempty"`
	DryRun      bool     `json:"dry_run,omitempty"`
	ForceRebind bool     `json:"force_rebind,omitempty"`
	DeadNodes   []TextID `json:"dead_nodes,omitempty"`
	DeadShards  []TextID `json:"dead_uids,omitempty"`
}
