package controller

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

var moved = cluster.InstanceID{Shard: 1, Incarnation: 2}

// moving is an office in which redis:1 is being switched from node 1 to node 2;
// node 2's daemon is gone, and so far no executor has said what became of it.
func moving(t *testing.T, answer func(n int, o cluster.Order) (cluster.Outcome, error)) *office {
	o := newOffice(t, answer)
	o.report(nil)
	if err := o.Submit(t.Context(), switchOver{}); err != nil {
		t.Fatal(err)
	}
	o.kill(2)
	return o
}

// switchOver puts the second instance on the board and opens the hand-over to it.
type switchOver struct{}

func (switchOver) Apply(b *cluster.Board) (cluster.Change, error) {
	second := cluster.Change{Put: []cluster.Object{cluster.Instance{ID: moved, Range: rng, Node: 2, Port: 20001, Seed: one, Started: true}}}
	change, err := cluster.OpenHandover{At: time.Now(), ID: "h", To: moved}.Apply(b.With(b.Revision, second))
	change.Put = append(change.Put, second.Put...)
	return change, err
}

// demoted shows the source as a replica.
func demoted(r *cluster.Report) {
	if r.Node == 1 {
		r.Instances[one] = cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "first", EverLinked: true}
	}
}

// A host without a daemon may have an engine that serves: the executor is asked
// for as long as it might find that.
func TestTargetWithoutItsDaemonIsStillLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := moving(t, func(int, cluster.Order) (cluster.Outcome, error) {
			if time.Since(began) < 3*orderTTL {
				return cluster.Outcome{}, errors.New("no answer")
			}
			return cluster.Outcome{Result: cluster.Moved, ReplID: "second"}, nil
		})
		defer o.resign()
		for range 40 {
			time.Sleep(time.Second)
			o.report(demoted)
		}
		if r := o.quorum.Board().Ranges[rng]; r.Master != moved || r.LastReplID != "second" {
			t.Errorf("range %+v", r)
		}
	})
}

// A source that may have been replaced serves again only when no proxy can send to
// its silent successor any more.
func TestSourceTakesItsRangeBackBehindABarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := moving(t, func(_ int, o cluster.Order) (cluster.Outcome, error) {
			if !o.Unplanned {
				return cluster.Outcome{Result: cluster.Unknown, TargetSilent: true}, nil
			}
			return cluster.Outcome{Result: cluster.Moved, ReplID: "third"}, nil
		})
		defer o.resign()
		late := func(r *cluster.Report) {
			demoted(r)
			if r.Node == 3 {
				r.Proxy.Revision = 1
			}
		}
		for range 30 {
			time.Sleep(time.Second)
			o.report(late)
		}
		r := o.quorum.Board().Ranges[rng]
		if h := r.Handover; h == nil || !h.Unplanned || h.From != moved || h.To != one || r.Generation <= 2 || h.Generation <= r.Generation {
			t.Fatalf("range %+v, hand-over %+v", r, r.Handover)
		}
		if orders, _ := o.got(); orders[len(orders)-1].Unplanned {
			t.Fatal("ordered while the proxy of node 3 may still send to the new place")
		}
		for range 3 {
			time.Sleep(time.Second)
			o.report(demoted)
		}
		orders, nodes := o.got()
		if last := len(orders) - 1; !orders[last].Unplanned || nodes[last] != 1 {
			t.Errorf("orders %+v to %v", orders, nodes)
		}
		b := o.quorum.Board()
		if r := b.Ranges[rng]; r.Handover != nil || r.Master != one || b.Shards[1].Instance != one {
			t.Errorf("range %+v", r)
		}
	})
}

// A source that still serves was never replaced.
func TestSourceThatServesKeepsItsRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := moving(t, func(int, cluster.Order) (cluster.Outcome, error) {
			return cluster.Outcome{Result: cluster.Unknown, TargetSilent: true}, nil
		})
		defer o.resign()
		for range 30 {
			time.Sleep(time.Second)
			o.report(func(r *cluster.Report) {
				if r.Node == 1 {
					r.Instances[one] = cluster.Observed{State: cluster.Up, Role: cluster.Master, Serving: true, ReplicationID: "first"}
				}
			})
		}
		if r := o.quorum.Board().Ranges[rng]; r.Handover != nil || r.Master != one || r.Generation != 3 {
			t.Errorf("range %+v", r)
		}
	})
}
