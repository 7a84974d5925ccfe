package maintenance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
	"github.com/haulout/haulout/plan"
)

// Cancelled after any number of its decisions, and with the leader crashing
// after any of those that follow, an on brings everything back.
func TestCancelledAtAnyMoment(t *testing.T) {
	for after := 1; ; after++ {
		for _, quota := range []int{-1, 1, 3} {
			w := cancelWorld(t)
			before := w.place()
			id := w.enqueue(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{}, "")
			if w.decideUpTo(id, after) < after {
				if after < 20 {
					t.Errorf("the on took only %d decisions", after)
				}
				return // it had ended before
			}
			w.apply(cluster.CancelAction{At: w.now, Action: id, By: "ben"})
			w.quota = quota
			w.carry()
			w.quota = -1
			a := w.board.Actions[id]
			if a.Status != cluster.ActionCancelled || a.Error.Code != cluster.CodeCancelled || len(a.Left) > 0 {
				t.Fatalf("after %d: %s %v %v", after, a.Status, a.Error, a.Left)
			}
			if got := w.place(); got != before {
				t.Fatalf("after %d it was\n%swas\n%s", after, got, before)
			}
			if len(w.board.Snapshots) > 0 {
				t.Fatalf("after %d a snapshot is left: %v", after, w.board.Snapshots)
			}
		}
	}
}

// However little there is to bring back, clients are sent on only once they have
// arrived: the world sees to that.
func TestEndpointGoesBackOnceClientsHaveArrived(t *testing.T) {
	for after := 1; ; after++ {
		w, id := bound(t)
		if w.decideUpTo(id, after) < after {
			if after < 10 {
				t.Errorf("the on took only %d decisions", after)
			}
			break
		}
		w.apply(cluster.CancelAction{At: w.now, Action: id, By: "ben"})
		w.carry()
		if e := w.board.Endpoints[cluster.EndpointID{Database: 1, Index: 1}]; !slices.Equal(e.Nodes, []int{2}) {
			t.Fatalf("cancelled after %d decisions it is on %v", after, e.Nodes)
		}
	}
	w, _ := bound(t)
	w.carry()
	if a, err := w.request(cluster.MaintenanceOff, 2, cluster.MaintenanceOptions{}, ""); err != nil || !a.Proof.Exact {
		t.Errorf("off after on: %+v, %v", a.Proof, err)
	}
}

// cancelWorld has something of everything on node 2: a master, a slave, a
// master without a replica, an endpoint with clients that do not leave at once.
func cancelWorld(t *testing.T) *world {
	w := newWorld(t)
	for range 3 {
		w.addNode(5000*mega, "", cluster.Voter)
	}
	w.addDatabase(cluster.Database{Name: "cache", MemorySize: 400 * mega, ShardsCount: 2, Replication: true},
		cluster.Placement{Masters: []int{2, 1}, Replicas: []int{1, 2}, Endpoint: 2})
	w.addDatabase(cluster.Database{Name: "queue", MemorySize: 300 * mega, ShardsCount: 1}, cluster.Placement{Masters: []int{2}, Endpoint: 3})
	w.clients["1:1"] = 2
	return w
}

// decideUpTo lets the leader take so many decisions about the action, and returns
// how many it took before the action ended.
func (w *world) decideUpTo(id string, decisions int) int {
	taken := 0
	for taken < decisions {
		a := w.board.Actions[id]
		if a.Status.Ended() {
			return taken
		}
		commands := maintenance.Next(w.view(), a, w.newID)
		if len(commands) == 0 {
			w.tick()
			continue
		}
		for _, c := range commands {
			if w.board.Actions[id].Status == cluster.ActionRunning && taken == decisions {
				return taken
			}
			w.apply(c)
			taken++
		}
	}
	if w.board.Actions[id].Status.Ended() {
		return -1
	}
	return taken
}

func TestCancelIsRefusedAfterTheEnd(t *testing.T) {
	w := cancelWorld(t)
	a, err := w.request(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (cluster.CancelAction{At: w.now, Action: a.ID}).Apply(w.board); cluster.CodeOf(err) != cluster.CodeStale {
		t.Errorf("%v", err)
	}
}

// What fails on the way back stays where it is, and is named.
func TestWayBackThatFails(t *testing.T) {
	w := cancelWorld(t)
	id := w.enqueue(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{}, "")
	w.before(id, "CompleteOn")
	w.wedged[2] = true
	w.apply(cluster.CancelAction{At: w.now, Action: id, By: "ben"})
	w.apply(cluster.CancelAction{At: w.now, Action: id, By: "ben"}) // the same request sent twice
	w.carry()
	a := w.board.Actions[id]
	if a.Status != cluster.ActionCancelled || len(a.Left) == 0 || a.Proof != nil || a.Error.Hint == "" {
		t.Errorf("%s %v %v", a.Status, a.Error, a.Left)
	}
	if n := w.board.Nodes[2]; n.Maintenance != nil {
		t.Errorf("node:2 is out: %+v", n.Maintenance)
	}
	w.wedged[2] = false
	r, err := w.request(cluster.SnapshotRestore, 2, cluster.MaintenanceOptions{SnapshotName: a.Snapshot}, "")
	if err != nil || r.Proof == nil || !r.Proof.Exact {
		t.Errorf("restored later: %+v, %v", r, err)
	}
}

// Cancelled while hosts die and come back and leaders crash, an on ends all the
// same with the node in service; what did not come back its snapshot brings.
func TestCancelledInTheMidstOfMisfortune(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		count := rapid.IntRange(3, 5).Draw(t, "nodes")
		for range count {
			w.addNode(2000*mega, "", cluster.Voter)
		}
		w.tick()
		for i := range rapid.IntRange(1, 3).Draw(t, "databases") {
			d := cluster.Database{Name: fmt.Sprint("db", i), MemorySize: 400 * mega, ShardsCount: rapid.IntRange(1, 2).Draw(t, "shards"), Replication: true}
			if p, err := plan.Place(w.view(), sized(d)); err == nil {
				w.addDatabase(d, p)
			}
		}
		before, node := w.places(), rapid.IntRange(1, count).Draw(t, "node")
		id := w.enqueue(cluster.MaintenanceOn, node, anyOptions(t), "")
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			w.event(t)
			w.tick()
			w.decideUpTo(id, rapid.IntRange(1, 12).Draw(t, "decisions"))
		}
		cancelled := !w.board.Actions[id].Status.Ended()
		if cancelled {
			w.quota = -1
			w.apply(cluster.CancelAction{At: w.now, Action: id, By: "ben"})
		}
		w.suffer(t)
		a := w.board.Actions[id]
		if cancelled && (a.Status != cluster.ActionCancelled || w.board.Nodes[node].Maintenance != nil) {
			t.Fatalf("%s: %v\n%s", a.Status, a.Error, w)
		}
		if len(a.Left) > 0 && cancelled {
			w.enqueue(cluster.SnapshotRestore, node, cluster.MaintenanceOptions{SnapshotName: a.Snapshot}, "")
			w.calm()
		}
		if w.board.Nodes[node].Maintenance != nil {
			w.enqueue(cluster.MaintenanceOff, node, cluster.MaintenanceOptions{}, "")
			w.calm()
		}
		if after := w.places(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s\n%s", before, after, strings.Join(w.trace, "\n"))
		}
	})
}
