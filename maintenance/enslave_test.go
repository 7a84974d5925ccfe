package maintenance_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestEnslavingGoesOnAfterACrashBehindEveryCommand(t *testing.T) {
	for quota := 0; ; quota++ {
		w := whole(t)
		id := w.enqueue(cluster.EnslaveNode, 1, cluster.MaintenanceOptions{}, "")
		w.quota = quota
		w.carry()
		if a := w.board.Actions[id]; a.Status != cluster.ActionCompleted || len(w.board.EndpointsOn(1)) > 0 {
			t.Fatalf("crash behind %d commands: %+v\n%s", quota, a, w)
		}
		for _, s := range w.board.ShardsOn(1) {
			if w.board.RoleOf(s) == cluster.Master {
				t.Fatalf("crash behind %d commands: redis:%d is master\n%s", quota, s.ID, w)
			}
		}
		if len(w.board.ShardsOn(1)) != 2 {
			t.Fatalf("crash behind %d commands: the shards are to stay\n%s", quota, w)
		}
		if w.crashes == 0 {
			return
		}
	}
}

// Cancelled at any moment, enslaving ends, with nothing half done.
func TestEnslavingIsCancelledAtAnyMoment(t *testing.T) {
	for quota := 0; ; quota++ {
		w := whole(t)
		id := w.enqueue(cluster.EnslaveNode, 1, cluster.MaintenanceOptions{}, "")
		w.quota = quota
		for w.crashes == 0 && !w.board.Actions[id].Status.Ended() {
			w.carryFor(1)
		}
		if w.crashes == 0 {
			return
		}
		if w.board.Actions[id].Status.Ended() {
			continue // it was done before anybody could
		}
		w.apply(cluster.CancelAction{At: w.now, Action: id, By: "ben"})
		w.carry()
		a := w.board.Actions[id]
		if !a.Status.Ended() || !a.MovesEnded() {
			t.Fatalf("cancelled behind %d commands: %+v\n%s", quota, a, w)
		}
		for _, r := range w.board.Ranges {
			if r.Handover != nil || r.Master.IsZero() {
				t.Fatalf("cancelled behind %d commands: %+v\n%s", quota, r, w)
			}
		}
		for _, e := range w.board.Endpoints {
			if len(e.Nodes) != 1 || len(e.Opening)+len(e.Draining) > 0 {
				t.Fatalf("cancelled behind %d commands: %+v\n%s", quota, e, w)
			}
		}
	}
}
