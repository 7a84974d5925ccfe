package maintenance_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// A host that does not answer is vacated without it: the graceful step is skipped,
// and the end names what could not be saved.
func TestVacateWithoutTheHost(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.tick()
	w.addDatabase(cluster.Database{Name: "pair", MemorySize: 100 * mega, ShardsCount: 1, Replication: true}, cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	w.addDatabase(cluster.Database{Name: "alone", MemorySize: 100 * mega, ShardsCount: 1}, cluster.Placement{Masters: []int{2}, Endpoint: 1})
	w.goesDown(2)
	id := w.enqueue(cluster.VacateNode, 2, cluster.MaintenanceOptions{}, "")
	w.carryFor(20 * time.Second)
	a := w.board.Actions[id]
	if a.Skipped != cluster.NotGraceful || !slices.Contains(w.trace, cluster.NotGraceful) || w.board.Nodes[2].Vacating != id || len(a.Moves) > 0 {
		t.Fatalf("%+v\n%s", a, strings.Join(w.trace, "\n"))
	}
	want := []string{"redis:2 (db:1 pair) to be rebuilt", "redis:3 (db:2 alone) to be taken over by another copy"}
	if !slices.Equal(a.Left, want) {
		t.Fatalf("left: %q", a.Left)
	}
	// What the recovery room does about them.
	w.apply(cluster.LoseRange{Range: cluster.RangeID{Database: 2}, Reason: "gone"})
	w.apply(cluster.RebuildReplica{At: w.now, Shard: 2, Node: 3})
	w.carryFor(10 * time.Minute) // a copy in progress has deadlines of its own
	if a := w.board.Actions[id]; a.Status != cluster.ActionRunning {
		t.Fatalf("%s: %v", a.Status, a.Error)
	}
	w.apply(cluster.EndRebuild{At: w.now, Instance: cluster.InstanceID{Shard: 2, Incarnation: 2}, Done: true})
	w.carry()
	a = w.board.Actions[id]
	if a.Status != cluster.ActionFailed || cluster.CodeOf(a.Error) != cluster.CodeShardLost ||
		!slices.Equal(a.Left, []string{"redis:3 (db:2 alone) is lost until restored: slots 0-16383"}) || w.board.Nodes[2].Vacating != "" {
		t.Errorf("%s: %v, left %q", a.Status, a.Error, a.Left)
	}
}

func TestVacateWithoutTheHostEnds(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(w *world)
		status  cluster.ActionStatus
		code    cluster.Code
	}{
		"nothing happens": {func(*world) {}, cluster.ActionFailed, cluster.CodeDeadline},
		"it has nowhere to go": {func(w *world) {
			w.apply(cluster.NoteRebuild{At: w.now, Shard: 2, Reason: "no room"})
		}, cluster.ActionFailed, cluster.CodeInsufficientResources},
		"its database is deleted":             {func(w *world) { w.apply(cluster.DeleteDatabase{At: w.now, Database: 1}) }, cluster.ActionCompleted, ""},
		"the host is back, and moves as well": {func(w *world) { w.hosts[2].up = true }, cluster.ActionCompleted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, on := pair(t)
			w.apply(cluster.CancelAction{At: w.now, Action: on})
			w.goesDown(2)
			id := w.enqueue(cluster.VacateNode, 2, cluster.MaintenanceOptions{}, "")
			w.carryFor(15 * time.Second)
			test.happens(w)
			w.carry()
			a := w.board.Actions[id]
			if a.Status != test.status || test.code != "" && cluster.CodeOf(a.Error) != test.code {
				t.Errorf("%s: %v, left %q", a.Status, a.Error, a.Left)
			}
			if a.Status == cluster.ActionCompleted && len(w.board.Carried(2)) > 0 {
				t.Errorf("it carries %v", w.board.Carried(2))
			}
		})
	}
}

// One that began by itself ends when the host returns: what is there may stay.
func TestVacateByItselfEndsWithTheReturn(t *testing.T) {
	w, on := pair(t)
	w.apply(cluster.CancelAction{At: w.now, Action: on})
	w.goesDown(2)
	w.apply(cluster.VacateLost{At: w.now, ID: "lost", Node: 2})
	w.carryFor(15 * time.Second)
	if a := w.board.Actions["lost"]; a.By != cluster.System || a.Cause != "host_lost" || a.Skipped == "" {
		t.Fatalf("%+v", a)
	}
	w.hosts[2].up = true
	w.carry()
	if a := w.board.Actions["lost"]; a.Status != cluster.ActionCancelled || a.Error.Message != "node:2 is back" || len(w.board.ShardsOn(2)) != 1 {
		t.Errorf("%s: %v", a.Status, a.Error)
	}
}

// goesDown lets a host go down, as the leader then writes down.
func (w *world) goesDown(node int) {
	w.hosts[node].up = false
	w.apply(cluster.NoteDown{At: w.now, Node: node, Down: true})
}

// A daemon that is being started again is given a moment before its host is vacated
// without it.
func TestVacateGivesADaemonTheTimeToReturn(t *testing.T) {
	w, on := pair(t)
	w.apply(cluster.CancelAction{At: w.now, Action: on})
	w.goesDown(2)
	id := w.enqueue(cluster.VacateNode, 2, cluster.MaintenanceOptions{}, "")
	w.carryFor(5 * time.Second)
	if a := w.board.Actions[id]; a.Status != cluster.ActionRunning || a.Skipped != "" {
		t.Fatalf("%s, skipped %q", a.Status, a.Skipped)
	}
	w.carryFor(10 * time.Second)
	if a := w.board.Actions[id]; a.Skipped != cluster.NotGraceful {
		t.Errorf("%s, skipped %q", a.Status, a.Skipped)
	}
}
