package apitest

import "github.com/haulout/haulout/cluster"

// Script plays the controller: it takes an action from step to step.
type Script struct {
	d      *Daemon
	action cluster.Action
}

// Begin takes up the newest action of the name on the node.
func (d *Daemon) Begin(node int, name cluster.ActionName) *Script {
	s := &Script{d: d}
	for _, a := range d.View().ActionsByAge() {
		if a.Node == node && a.Name == name {
			s.action = a
		}
	}
	if s.action.ID == "" {
		panic("apitest: there is no such action")
	}
	return s
}

// Checks records the checks; the action runs from then on.
func (s *Script) Checks() {
	checks := []cluster.Check{{Name: "quorum", Passed: true, Text: "a majority of the voting nodes stays in service"}}
	s.d.Apply(cluster.RecordChecks{At: s.d.View().Now, Action: s.action.ID, Checks: checks})
}

// Snapshot saves what stands on the node.
func (s *Script) Snapshot(name string) {
	v := s.d.View()
	n := v.Nodes[s.action.Node]
	snapshot := cluster.Snapshot{
		ID: cluster.SnapshotID{Node: n.ID, Name: name}, Created: v.Now, Maintenance: true,
		MaxShards: n.MaxShards, MaxListeners: n.MaxListeners, QuorumOnly: n.QuorumOnly,
	}
	for _, shard := range v.ShardsOn(n.ID) {
		snapshot.Shards = append(snapshot.Shards, cluster.Placed{Shard: shard.ID, Range: shard.Range, Role: v.RoleOf(shard)})
	}
	s.d.Apply(cluster.SaveSnapshot{Action: s.action.ID, Snapshot: snapshot})
}

// Keep lets the action return to an earlier snapshot.
func (s *Script) Keep(name string) {
	s.d.Apply(cluster.KeepSnapshot{Action: s.action.ID, Snapshot: name})
}

// Close marks the node; Open begins its return.
func (s *Script) Close() { s.d.Apply(cluster.Mark{At: s.d.View().Now, Action: s.action.ID}) }

// Open begins the node's return.
func (s *Script) Open() { s.d.Apply(cluster.BeginReturn{At: s.d.View().Now, Action: s.action.ID}) }

// Plan writes the moves down.
func (s *Script) Plan(moves ...cluster.Move) {
	s.d.Apply(cluster.AttachPlan{At: s.d.View().Now, Action: s.action.ID, Moves: moves})
}

// Start starts a move.
func (s *Script) Start(move int) {
	s.d.Apply(cluster.StartMove{At: s.d.View().Now, Action: s.action.ID, Move: move})
}

// Finish ends a move as f says.
func (s *Script) Finish(move int, f cluster.FinishMove) {
	f.At, f.Action, f.Move = s.d.View().Now, s.action.ID, move
	s.d.Apply(f)
}

// Rebind takes an endpoint to the node, as the running move says, and counts its
// connections.
func (s *Script) Rebind(move int, e cluster.EndpointID, to, moved, cut int) {
	at := s.d.View().Now
	s.d.Apply(
		cluster.Bind{At: at, Endpoint: e, Step: cluster.BindOpen, Nodes: []int{to}},
		cluster.Bind{At: at, Endpoint: e, Step: cluster.BindSwitch},
		cluster.Bind{At: at, Endpoint: e, Step: cluster.BindClose, Action: s.action.ID, Move: move, Moved: moved, Cut: cut},
	)
}

// CompleteOn ends a maintenance_on well.
func (s *Script) CompleteOn() {
	s.d.Apply(cluster.CompleteOn{At: s.d.View().Now, Action: s.action.ID})
}

// CompleteOff ends a maintenance_off well.
func (s *Script) CompleteOff(p cluster.Proof) {
	s.d.Apply(cluster.CompleteOff{At: s.d.View().Now, Action: s.action.ID, Proof: p})
}

// CompleteRestore ends a snapshot_restore well.
func (s *Script) CompleteRestore(p cluster.Proof) {
	s.d.Apply(cluster.CompleteRestore{At: s.d.View().Now, Action: s.action.ID, Proof: p})
}

// CompleteShards ends an action on shards well.
func (s *Script) CompleteShards() {
	s.d.Apply(cluster.CompleteShards{At: s.d.View().Now, Action: s.action.ID})
}

// Remove takes the node off the board.
func (s *Script) Remove() {
	at := s.d.View().Now
	s.d.Apply(cluster.BeginRemoval{At: at, Action: s.action.ID}, cluster.CompleteRemoval{At: at, Action: s.action.ID})
}

// EndCancel ends an action that was cancelled, with all of it back.
func (s *Script) EndCancel(p cluster.Proof) {
	s.d.Apply(cluster.EndCancel{At: s.d.View().Now, Action: s.action.ID, Proof: &p})
}

// Fail ends the action badly.
func (s *Script) Fail(e *cluster.Error, left ...string) {
	s.d.Apply(cluster.FailAction{At: s.d.View().Now, Action: s.action.ID, Status: cluster.ActionFailed, Error: e, Left: left})
}

// Vacate begins a vacate, without the host's help if that is gone.
func (s *Script) Vacate(gone bool) {
	s.d.Apply(cluster.BeginVacate{At: s.d.View().Now, Action: s.action.ID})
	if gone {
		s.d.Apply(cluster.SkipGraceful{At: s.d.View().Now, Action: s.action.ID})
	}
}
