package cluster_test

import (
	"slices"
	"testing"

	"github.com/haulout/haulout/cluster"
)

var first = cluster.RangeID{Database: 1}

func TestMigrateASlave(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, true) // redis:1 master on 1, redis:2 slave on 2
	s.running("on", cluster.MaintenanceOn, 2, cluster.Move{Kind: cluster.Migrate, Shard: 2, From: 2, To: 3})
	s.must(cluster.StartMove{At: at, Action: "on", Move: 1})
	s.must(cluster.AddInstance{Action: "on", Move: 1, Seed: id(2, 1)})
	if s.try(cluster.AddInstance{Action: "on", Move: 1}) == nil {
		t.Error("a third instance")
	}
	if i := s.board.Instances[id(2, 2)]; i.Node != 3 || i.Seed != id(2, 1) || i.Started || s.board.Actions["on"].Moves[0].Instance != i.ID {
		t.Errorf("%+v", i)
	}
	s.must(cluster.Repoint{Instance: id(2, 2)})
	s.must(cluster.SwitchInstance{Instance: id(2, 2)})
	s.must(cluster.SwitchInstance{Instance: id(2, 2)}) // is it already so?
	if _, old := s.board.Instances[id(2, 1)]; old || s.board.NodeOf(s.board.Shards[2]) != 3 || !s.board.Instances[id(2, 2)].Seed.IsZero() {
		t.Error("not switched")
	}
	s.must(cluster.FinishMove{At: at, Action: "on", Move: 1, Status: cluster.MoveDone})
	if m := s.board.Actions["on"].Moves[0]; m.Status != cluster.MoveDone || !m.Ended.Equal(at) {
		t.Errorf("%+v", m)
	}
	if err := broken(s.board); err != nil {
		t.Error(err)
	}
}

func TestAnInstanceInUseStays(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, true)
	s.running("on", cluster.MaintenanceOn, 1, cluster.Move{Kind: cluster.Migrate, Shard: 1, From: 1, To: 3})
	s.must(cluster.StartMove{Action: "on", Move: 1})
	s.must(cluster.AddInstance{Action: "on", Move: 1})
	if s.try(cluster.DropInstance{Instance: id(1, 1)}) == nil || s.try(cluster.DropInstance{Instance: id(2, 1)}) == nil {
		t.Error("the master or the only instance of a shard was dropped")
	}
	if s.try(cluster.SwitchInstance{Instance: id(1, 2)}) == nil {
		t.Error("the master was switched away without a hand-over")
	}
	s.must(cluster.OpenHandover{ID: "h", To: id(1, 2), Action: "on", Move: 1})
	if s.try(cluster.DropInstance{Instance: id(1, 2)}) == nil {
		t.Error("the target of a hand-over was dropped")
	}
	if s.try(cluster.FinishMove{Action: "on", Move: 1, Status: cluster.MoveDone}) == nil {
		t.Error("a move ended with its hand-over open")
	}
	s.must(cluster.CloseHandover{At: at, Range: first, ID: "h", Reason: "it fell behind"})
	s.must(cluster.DropInstance{Instance: id(1, 2)})
	s.must(cluster.DropInstance{Instance: id(1, 2)}) // is it already so?
	s.must(cluster.FinishMove{At: at, Action: "on", Move: 1, Status: cluster.MoveWaiting, Error: cluster.Refuse("x", "", "x")})
	if m := s.board.Actions["on"].Moves[0]; !m.Instance.IsZero() || m.Handover != "" || m.Error == nil {
		t.Errorf("%+v", m)
	}
	s.must(cluster.StartMove{Action: "on", Move: 1})
	s.must(cluster.AddInstance{Action: "on", Move: 1, Pass: 1})
	if i, ok := s.board.Instances[id(1, 3)]; !ok || i.Port != 20001 || s.board.Actions["on"].Moves[0].Attempt != 2 {
		t.Errorf("an incarnation was used twice, or the port was not: %v", s.board.Instances)
	}
}

// A copy that is there serves the next attempt.
func TestAFurtherAttemptKeepsTheCopy(t *testing.T) {
	s := begin(t, 2)
	s.database("a", 1, false)
	s.running("on", cluster.MaintenanceOn, 1, cluster.Move{Kind: cluster.Migrate, Shard: 1, From: 1, To: 2})
	s.must(cluster.StartMove{Action: "on", Move: 1})
	s.must(cluster.AddInstance{Action: "on", Move: 1})
	s.must(cluster.OpenHandover{ID: "h", To: id(1, 2), Action: "on", Move: 1})
	s.must(cluster.CloseHandover{Range: first, ID: "h"})
	s.must(cluster.FinishMove{At: at, Action: "on", Move: 1, Status: cluster.MoveWaiting, Error: cluster.Refuse("x", "", "x")})
	if m := s.board.Actions["on"].Moves[0]; m.Instance != id(1, 2) || m.Handover != "" || !m.Ended.Equal(at) {
		t.Errorf("%+v", m)
	}
	s.must(cluster.StartMove{Action: "on", Move: 1})
	if m := s.board.Actions["on"].Moves[0]; !m.Ended.IsZero() {
		t.Errorf("%+v", m)
	}
}

func TestHandover(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, true)
	s.must(cluster.NoteReplication{IDs: map[cluster.RangeID]string{first: "x"}})
	if s.try(cluster.OpenHandover{ID: "h", To: id(1, 1)}) == nil || s.try(cluster.OpenHandover{ID: "h", To: id(7, 1)}) == nil {
		t.Error("to the master itself, or to nobody")
	}
	s.must(cluster.OpenHandover{At: at, ID: "h", To: id(2, 1)})
	if r := s.board.Ranges[first]; r.Master != id(1, 1) || r.Generation != 1 || r.Handover.Generation != 2 || r.Handover.From != id(1, 1) {
		t.Errorf("%+v", r)
	}
	if s.try(cluster.OpenHandover{ID: "i", To: id(2, 1)}) == nil {
		t.Error("a second one was opened")
	}
	if s.try(cluster.CloseHandover{Range: first, ID: "i", Moved: true}) == nil {
		t.Error("another one's outcome was taken")
	}
	s.must(cluster.CloseHandover{At: at, Range: first, ID: "h", Reason: "no"})
	if r := s.board.Ranges[first]; r.Master != id(1, 1) || r.Generation != 3 || r.Handover != nil {
		t.Errorf("the generation that was promised may come back: %+v", r)
	}
	s.must(cluster.OpenHandover{At: at, ID: "k", To: id(2, 1), Unplanned: true})
	s.must(cluster.CloseHandover{At: at, Range: first, ID: "k", Moved: true, ReplID: "y"})
	r := s.board.Ranges[first]
	if r.Master != id(2, 1) || r.Generation != 4 || r.LastReplID != "y" || r.PrevReplID != "x" || !r.MasterSince.Equal(at) {
		t.Errorf("%+v", r)
	}
	if s.board.RoleOf(s.board.Shards[1]) != cluster.Slave || s.board.RoleOf(s.board.Shards[2]) != cluster.Master {
		t.Error("roles")
	}
	s.must(cluster.OpenHandover{At: at, ID: "l", To: id(1, 1), Unplanned: true})
	change, err := cluster.CloseHandover{At: at, Range: first, ID: "l", Moved: true, Reason: "its host is gone"}.Apply(s.board)
	if err != nil || len(change.Log) != 1 || change.Log[0].Type != "shard_failover_unclear" || change.Log[0].Severity != "WARNING" {
		t.Errorf("one of which it is not known whether it served: %v %+v", err, change.Log)
	}
}

func TestHandoverToASecondInstance(t *testing.T) {
	s := begin(t, 2)
	s.database("a", 1, false)
	s.running("on", cluster.MaintenanceOn, 1, cluster.Move{Kind: cluster.Migrate, Shard: 1, From: 1, To: 2})
	s.must(cluster.StartMove{Action: "on", Move: 1})
	s.must(cluster.AddInstance{Action: "on", Move: 1})
	s.must(cluster.OpenHandover{ID: "h", To: id(1, 2), Action: "on", Move: 1})
	s.must(cluster.CloseHandover{Range: first, ID: "h", Moved: true})
	if i, ok := s.board.Instances[id(1, 1)]; ok || s.board.Shards[1].Instance != id(1, 2) || !s.board.Instances[id(1, 2)].Started {
		t.Errorf("%+v", i)
	}
	if err := broken(s.board); err != nil {
		t.Error(err)
	}
}

func TestLostAndFound(t *testing.T) {
	s := begin(t, 2)
	s.database("a", 1, true)
	s.must(cluster.LoseRange{Range: first, Reason: "all gone"})
	s.must(cluster.LoseRange{Range: first, Reason: "all gone"})
	if r := s.board.Ranges[first]; !r.Lost || r.Generation != 2 {
		t.Errorf("%+v", r)
	}
	s.must(cluster.OpenHandover{ID: "h", To: id(2, 1), Unplanned: true})
	s.must(cluster.CloseHandover{Range: first, ID: "h", Moved: true})
	if s.board.Ranges[first].Lost {
		t.Error("still lost")
	}
	s.must(cluster.OpenHandover{ID: "i", To: id(1, 1)})
	if s.try(cluster.LoseRange{Range: first}) == nil {
		t.Error("a range was lost while it was being handed over")
	}
}

func TestClaims(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, true)
	e := cluster.EndpointID{Database: 1, Index: 1}
	s.running("x", cluster.MaintenanceOn, 1, cluster.Move{Kind: cluster.Failover, Shard: 2, Old: 1}, cluster.Move{Kind: cluster.Rebind, Endpoint: e, From: 1, To: 3})
	s.running("y", cluster.MaintenanceOn, 2, cluster.Move{Kind: cluster.Migrate, Shard: 2, To: 3}, cluster.Move{Kind: cluster.Rebind, Endpoint: e, From: 1, To: 2})
	s.must(cluster.StartMove{Action: "x", Move: 1})
	s.refused(cluster.StartMove{Action: "y", Move: 1}, cluster.CodeBusy)
	s.must(cluster.StartMove{Action: "x", Move: 2})
	s.refused(cluster.StartMove{Action: "y", Move: 2}, cluster.CodeBusy)
	s.must(cluster.FinishMove{Action: "x", Move: 1, Status: cluster.MoveDone})
	s.must(cluster.OpenHandover{ID: "h", To: id(2, 1), Unplanned: true})
	s.refused(cluster.StartMove{Action: "y", Move: 1}, cluster.CodeBusy)
}

func TestRebind(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, false)
	e := cluster.EndpointID{Database: 1, Index: 1}
	s.running("on", cluster.MaintenanceOn, 1, cluster.Move{Kind: cluster.Rebind, Endpoint: e, From: 1, To: 3})
	s.must(cluster.StartMove{Action: "on", Move: 1})
	state := func(nodes, opening, draining []int, announced int) {
		t.Helper()
		got := s.board.Endpoints[e]
		if !slices.Equal(got.Nodes, nodes) || !slices.Equal(got.Opening, opening) || !slices.Equal(got.Draining, draining) || got.Announced != announced {
			t.Errorf("%+v", got)
		}
	}
	bind := func(step cluster.BindStep, nodes ...int) cluster.Bind {
		return cluster.Bind{At: at, Endpoint: e, Step: step, Nodes: nodes}
	}
	if s.try(bind(cluster.BindOpen)) == nil || s.try(bind(cluster.BindSwitch)) == nil || s.try(bind("sink")) == nil {
		t.Error("an illegal step was taken")
	}
	s.must(bind(cluster.BindOpen, 3))
	state([]int{1}, []int{3}, nil, 1)
	s.must(bind(cluster.BindUndo))
	state([]int{1}, nil, nil, 1)
	s.must(bind(cluster.BindOpen, 3))
	s.must(bind(cluster.BindSwitch))
	state([]int{3}, nil, []int{1}, 1)
	if !s.board.Endpoints[e].ServedBy(1) || !s.board.Endpoints[e].ServedBy(3) || s.board.Endpoints[e].ServedBy(2) {
		t.Error("who serves while it drains")
	}
	s.must(bind(cluster.BindAnnounce))
	state([]int{3}, nil, []int{1}, 3)
	last := bind(cluster.BindClose)
	last.Action, last.Move, last.Moved, last.Cut = "on", 1, 7, 2
	s.must(last)
	state([]int{3}, nil, nil, 3)
	s.must(cluster.FinishMove{Action: "on", Move: 1, Status: cluster.MoveDone})
	if m := s.board.Actions["on"].Moves[0]; m.Moved != 7 || m.Cut != 2 {
		t.Errorf("%+v", m)
	}
	s.refused(cluster.Bind{Endpoint: cluster.EndpointID{Database: 9, Index: 1}}, cluster.CodeEndpointNotFound)
}
