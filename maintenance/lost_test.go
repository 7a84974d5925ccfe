package maintenance_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// What is lost while it is being moved is not copied any more, and waited for by
// nobody: the action says so within moments and does the rest.
func TestRangeThatIsLostMeanwhile(t *testing.T) {
	lose := func(w *world) {
		w.goesDown(w.board.Instances[w.board.Ranges[cluster.RangeID{Database: 1}].Master].Node)
		w.apply(cluster.LoseRange{Range: cluster.RangeID{Database: 1}, Reason: "gone"})
	}
	t.Run("off", func(t *testing.T) {
		w, _ := single(t)
		w.carry()
		w.rate = mega // it takes a while
		off := w.enqueue(cluster.MaintenanceOff, 2, cluster.MaintenanceOptions{}, "")
		w.carryFor(5 * time.Second)
		if len(w.board.InstancesOn(2)) != 1 {
			t.Fatalf("nothing is being copied\n%s", w)
		}
		lose(w)
		if !w.carryFor(30 * time.Second) {
			t.Fatalf("still at work: %+v", w.board.Actions[off].Moves)
		}
		a := w.board.Actions[off]
		if a.Status != cluster.ActionCompleted || a.Proof == nil || !slices.Contains(a.Proof.Differences, "redis:1 (db:1 a) is on node:1: it is lost until restored") {
			t.Errorf("%s: %v, %+v", a.Status, a.Error, a.Proof)
		}
	})
	t.Run("on", func(t *testing.T) {
		w, on := single(t)
		w.rate = mega
		w.carryFor(5 * time.Second)
		w.apply(cluster.LoseRange{Range: cluster.RangeID{Database: 1}, Reason: "gone"})
		if !w.carryFor(30 * time.Second) {
			t.Fatalf("still at work: %+v", w.board.Actions[on].Moves)
		}
		if a := w.board.Actions[on]; a.Status != cluster.ActionFailed || len(a.Left) != 1 || !strings.HasSuffix(a.Left[0], ": its slots are lost until restored") {
			t.Errorf("%s: %v, left %q", a.Status, a.Error, a.Left)
		}
	})
	t.Run("migrate", func(t *testing.T) {
		w, _ := single(t)
		w.carry()
		w.rate = mega
		id := w.enqueue(cluster.MigrateShards, 3, cluster.MaintenanceOptions{Shards: []int{1}}, "")
		w.carryFor(5 * time.Second)
		lose(w)
		if !w.carryFor(30 * time.Second) {
			t.Fatalf("still at work: %+v", w.board.Actions[id].Moves)
		}
		if a := w.board.Actions[id]; a.Status != cluster.ActionFailed || cluster.CodeOf(a.Error) != cluster.CodeShardLost {
			t.Errorf("%s: %v", a.Status, a.Error)
		}
	})
}

// Nobody waits for a source whose host is down.
func TestCopyFromAHostThatIsDown(t *testing.T) {
	w, on := pair(t)
	w.carry()
	if a := w.board.Actions[on]; a.Status != cluster.ActionCompleted {
		t.Fatalf("%s: %v", a.Status, a.Error)
	}
	away := w.board.NodeOf(w.board.Shards[w.board.Snapshots[cluster.SnapshotID{Node: 2, Name: w.board.Nodes[2].Maintenance.Snapshot}].Shards[0].Shard])
	w.goesDown(away)
	off := w.enqueue(cluster.MaintenanceOff, 2, cluster.MaintenanceOptions{}, "")
	w.carryFor(10 * time.Second)
	a := w.board.Actions[off]
	if len(a.Moves) == 0 || a.Moves[0].Instance.IsZero() {
		t.Errorf("%s: no copy was begun: %+v, %v\n%s", a.Status, a.Moves, a.Error, w)
	}
}

// An explanation tells of what failed as long as somebody has to see to it, and no
// longer.
func TestExplanationForgetsWhatIsOver(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.tick()
	w.addDatabase(cluster.Database{Name: "alone", MemorySize: 100 * mega, ShardsCount: 1}, cluster.Placement{Masters: []int{2}, Endpoint: 1})
	w.goesDown(2)
	w.enqueue(cluster.VacateNode, 2, cluster.MaintenanceOptions{}, "")
	w.carryFor(20 * time.Second)
	w.apply(cluster.LoseRange{Range: cluster.RangeID{Database: 1}, Reason: "gone"})
	w.carry()
	waits := func() (codes []string) {
		for _, r := range maintenance.ExplainNode(w.view(), w.board.Nodes[2]).Waits {
			codes = append(codes, string(r.Code))
		}
		return codes
	}
	if got := waits(); !slices.Equal(got, []string{string(cluster.CodeShardLost)}) {
		t.Errorf("down, with the only copy: waits for %q", got)
	}
	w.hosts[2].up = true
	w.apply(cluster.NoteDown{At: w.now, Node: 2})
	w.tick()
	if got := waits(); len(got) > 0 {
		t.Errorf("back: waits for %q", got)
	}
}
