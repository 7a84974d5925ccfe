package cluster

import (
	"slices"
	"time"
)

// ActionName is what an operator asked for.
type ActionName string

// The actions.
const (
	MaintenanceOn  ActionName = "maintenance_on"
	MaintenanceOff ActionName = "maintenance_off"
	// SnapshotRestore brings back to a node in service what a snapshot saw on it.
	SnapshotRestore ActionName = "snapshot_restore"
	// ShardFailover makes the replicas of named masters of one database masters.
	ShardFailover ActionName = "shard_failover"
	// MigrateShards brings named shards to the action's node.
	MigrateShards ActionName = "migrate_shards"
	// RemoveNode takes a node that carries nothing out of the cluster for good.
	RemoveNode ActionName = "remove_node"
	// EnslaveNode makes the masters on a node slaves and moves its endpoints away;
	// its shards stay.
	EnslaveNode ActionName = "enslave_node"
	// VacateNode moves everything off a node, with its help or without it.
	VacateNode ActionName = "vacate"
)

// ActionStatus is where an action is in its life.
type ActionStatus string

// The action statuses. Legal successions stand in actionNext.
const (
	ActionQueued    ActionStatus = "queued"
	ActionRunning   ActionStatus = "running"
	ActionCompleted ActionStatus = "completed"
	ActionFailed    ActionStatus = "failed"
	ActionCancelled ActionStatus = "cancelled"
)

var actionNext = map[ActionStatus][]ActionStatus{
	"":            {ActionQueued},
	ActionQueued:  {ActionRunning, ActionFailed, ActionCancelled},
	ActionRunning: {ActionCompleted, ActionFailed, ActionCancelled},
}

// Ended reports whether the status is final.
func (s ActionStatus) Ended() bool { return len(actionNext[s]) == 0 }

// MayBecome reports whether next is a legal successor of s.
func (s ActionStatus) MayBecome(next ActionStatus) bool { return slices.Contains(actionNext[s], next) }

// MoveStatus is where a move is in its life.
type MoveStatus string

// The move statuses. Legal successions stand in moveNext.
const (
	MoveWaiting   MoveStatus = "waiting"
	MoveRunning   MoveStatus = "running"
	MoveDone      MoveStatus = "done"
	MoveFailed    MoveStatus = "failed"
	MoveAbandoned MoveStatus = "abandoned"
)

var moveNext = map[MoveStatus][]MoveStatus{
	"":          {MoveWaiting},
	MoveWaiting: {MoveRunning, MoveAbandoned},
	MoveRunning: {MoveDone, MoveFailed, MoveAbandoned, MoveWaiting}, // back to waiting: a further attempt
}

// Ended reports whether the status is final.
func (s MoveStatus) Ended() bool { return len(moveNext[s]) == 0 }

// MayBecome reports whether next is a legal successor of s.
func (s MoveStatus) MayBecome(next MoveStatus) bool { return slices.Contains(moveNext[s], next) }

// MoveKind is what a move does.
type MoveKind string

// The kinds of moves.
const (
	// Migrate brings a shard to another node: copy, catch up, switch, remove the old.
	Migrate MoveKind = "migrate"
	// Failover makes a slave shard the master of its range, without a copy.
	Failover MoveKind = "failover"
	// Rebind binds an endpoint to other nodes and drains the old ones.
	Rebind MoveKind = "rebind"
)

// Move is one step of placement inside an action.
type Move struct {
	ID       int        `json:"id"` // position in the plan, from 1
	Kind     MoveKind   `json:"kind"`
	Shard    int        `json:"shard,omitempty"`   // migrate: the shard; failover: the shard that becomes master
	Old      int        `json:"old,omitempty"`     // failover: the shard that is master until then
	Endpoint EndpointID `json:"endpoint,omitzero"` // rebind
	From     int        `json:"from,omitempty"`    // node
	To       int        `json:"to,omitempty"`      // node
	After    []int      `json:"after,omitempty"`   // moves that must be done first
	Bytes    int64      `json:"bytes,omitempty"`   // expected to be copied
	// OverrideRack is the action's waiver of the zone rule.
	OverrideRack bool   `json:"override_rack_policy,omitempty"`
	Reason       string `json:"reason"`

	Status  MoveStatus `json:"status"`
	Attempt int        `json:"attempt,omitempty"`
	Started time.Time  `json:"started,omitzero"` // of the attempt
	Ended   time.Time  `json:"ended,omitzero"`   // of the attempt
	// Instance is the second instance a migrate made; Handover the order a
	// failover or the switch of a migrate opened. Both are how the next leader
	// finds what was begun.
	Instance InstanceID `json:"instance,omitzero"`
	Handover string     `json:"handover,omitempty"`
	// Moved counts client connections a rebind drained, Cut those closed by the cap.
	Moved int    `json:"connections_moved,omitempty"`
	Cut   int    `json:"connections_cut,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// Check is one line of the checks before an action.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Waived bool   `json:"waived,omitempty"`
	Text   string `json:"description"`
	Error  *Error `json:"error,omitempty"` // why it did not pass
}

// MaintenanceOptions are the options of actions; which mean
// something for which is the maintenance room's to check.
type MaintenanceOptions struct {
	KeepSlaveShards   bool     `json:"keep_slave_shards,omitempty"`
	DemoteNode        bool     `json:"demote_node,omitempty"`
	OverwriteSnapshot bool     `json:"overwrite_snapshot,omitempty"`
	IgnoreChecks      []string `json:"ignore_check,omitempty"`
	SnapshotName      string   `json:"snapshot_name,omitempty"`
	SkipShardsRestore bool     `json:"skip_shards_restore,omitempty"`
	MaxConcurrent     int      `json:"max_concurrent_actions,omitempty"`
	// EvictDatabases are those whose slaves leave even if slaves are to be kept.
	EvictDatabases []int `json:"evict_dbs,omitempty"`
	// Shards are those that an action on shards is about.
	Shards []int `json:"shard_uids,omitempty"`
	// PreserveRoles has masters that migrate be masters again.
	PreserveRoles bool `json:"preserve_roles,omitempty"`
	// OverrideRack lets copies of the same slots share a zone.
	OverrideRack bool `json:"override_rack_policy,omitempty"`
	// EndpointsOnly and ShardsOnly narrow an enslave_node.
	EndpointsOnly bool `json:"endpoints_only,omitempty"`
	ShardsOnly    bool `json:"shards_only,omitempty"`
}

// KeepsSlaves reports whether slaves of the database stay on the node. Masters
// never do: they are handed over or moved.
func (o MaintenanceOptions) KeepsSlaves(database int) bool {
	return o.KeepSlaveShards && !slices.Contains(o.EvictDatabases, database)
}

// Action is an operator's request carried out by the control plane. Stored are
// its status, its plan and what each move has reached; phase, percent and what
// it waits for are computed from facts.
type Action struct {
	ID       string             `json:"task_id"`
	Name     ActionName         `json:"name"`
	Node     int                `json:"node_uid"`
	Database int                `json:"bdb_uid,omitempty"` // of an action on a database; Node is 0 then
	Status   ActionStatus       `json:"status"`
	Options  MaintenanceOptions `json:"options"`
	By       string             `json:"by"`
	Cause    string             `json:"cause,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	// Idempotency names the request: asked again, it is the same one.
	Idempotency string    `json:"idempotency_key,omitempty"`
	Until       time.Time `json:"until,omitzero"` // of a maintenance_on: the planned end of its hold
	Created     time.Time `json:"created"`
	Started     time.Time `json:"started,omitzero"`
	Ended       time.Time `json:"ended,omitzero"`
	Checks      []Check   `json:"checks,omitempty"`
	Snapshot    string    `json:"snapshot,omitempty"`
	// SnapshotReused says that the snapshot is an earlier one, kept.
	SnapshotReused bool   `json:"snapshot_reused,omitempty"`
	Marked         bool   `json:"marked,omitempty"` // the hold, the return or the removal stands on the node
	Planned        bool   `json:"planned,omitempty"`
	Moves          []Move `json:"moves,omitempty"`
	// Cancel is set once somebody asked to cancel it.
	Cancel *Cancel `json:"cancel,omitempty"`
	// Skipped is the step that was left out, in the words of the activity.
	Skipped string `json:"skipped,omitempty"`
	// Left names what could not be moved, or, of a vacate, is still to be; LeftAt is
	// when that last changed.
	Left   []string  `json:"left,omitempty"`
	LeftAt time.Time `json:"left_at,omitzero"`
	Error  *Error    `json:"error,omitempty"`
	// Proof is the comparison that ends a maintenance_off.
	Proof *Proof `json:"proof,omitempty"`
}

// Key implements Object.
func (a Action) Key() Key { return Key{KindAction, a.ID} }

// Cancel is the wish that an action should end, and how far that is.
type Cancel struct {
	At time.Time `json:"at"`
	By string    `json:"by"`
	// Planned says that the way back is planned: it is the moves from the index Back on.
	Planned bool `json:"planned,omitempty"`
	Back    int  `json:"back,omitempty"`
}

// Proof compares a node with its snapshot after the return.
type Proof struct {
	Exact       bool     `json:"restored_exactly"`
	Compared    int      `json:"compared"` // shards, endpoints and limits looked at
	Differences []string `json:"differences,omitempty"`
}

// MovesEnded reports whether no move is left to start or to finish.
func (a Action) MovesEnded() bool {
	return !slices.ContainsFunc(a.Moves, func(m Move) bool { return !m.Status.Ended() })
}

// Move returns the move with the id, and whether there is one.
func (a Action) Move(id int) (Move, bool) {
	if id < 1 || id > len(a.Moves) {
		return Move{}, false
	}
	return a.Moves[id-1], true
}
