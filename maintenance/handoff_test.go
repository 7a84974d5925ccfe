package maintenance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Between the notice to clients and the failover lies the time that operators
// set, and no more.
func TestFailoverWaitsForClients(t *testing.T) {
	for _, delay := range []int{0, 3000} {
		w := newWorld(t)
		for range 3 {
			w.addNode(1000*mega, "", cluster.Voter)
		}
		w.tick()
		w.addDatabase(cluster.Database{Name: "a", MemorySize: 100 * mega, ShardsCount: 1, Replication: true}, cluster.Placement{Masters: []int{2}, Replicas: []int{1}, Endpoint: 1})
		w.apply(cluster.TuneCluster{At: w.now, HandoffDelay: &delay})
		on := w.enqueue(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{}, "")
		w.before(on, "OpenHandover")
		i := slices.IndexFunc(w.board.Actions[on].Moves, func(m cluster.Move) bool { return m.Kind == cluster.Failover })
		m, want := w.board.Actions[on].Moves[i], time.Duration(delay)*time.Millisecond
		if waited := w.now.Sub(m.Started); m.Status != cluster.MoveRunning || waited < want || waited > want+2*time.Second {
			t.Errorf("%d ms: the failover is %s and has waited %s", delay, m.Status, waited)
		}
		w.carry()
		if a := w.board.Actions[on]; a.Status != cluster.ActionCompleted {
			t.Errorf("%d ms: %s %v", delay, a.Status, a.Error)
		}
	}
}
