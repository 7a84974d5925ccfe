package controller

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

// shows has the target of the hand-over seen as what it is given.
func shows(o cluster.Observed) func(*cluster.Report) {
	return func(r *cluster.Report) {
		if r.Node == 2 {
			r.Instances[two] = o
		}
	}
}

// A target that was promoted is master, and one that recovery would choose takes over:
// neither waits for the time of an order that the lost host may still be at.
func TestHandoverWhoseExecutorIsGoneGoesOn(t *testing.T) {
	for _, promoted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var o *office
			o = newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
				o.kill(1)
				time.Sleep(orderTTL) // nobody answers
				return cluster.Outcome{}, errors.New("the host is gone")
			})
			defer o.resign()
			target := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "first", EverLinked: true}
			if promoted {
				target = cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "second", ReplicationID2: "first", EverLinked: true}
			}
			o.report(nil)
			o.open()
			o.report(shows(target))
			time.Sleep(turnEvery)
			synctest.Wait()
			r := o.quorum.Board().Ranges[rng]
			if promoted && (r.Master != two || r.Handover != nil || r.LastReplID != "second") {
				t.Errorf("a promotion that was seen: range %+v", r)
			}
			if h := r.Handover; !promoted && (h == nil || !h.Unplanned || h.From != one || h.To != two || h.Generation != 4 || r.Master != one) {
				t.Errorf("the target that may take over does not: range %+v, hand-over %+v", r, h)
			}
		})
	}
}

// What became of a target that can not take over is decided when the time of every
// order is over. That begins with the first: carried again and again to a host that
// does not answer, an order gets no new time.
func TestOrdersThatAreNotAnsweredEndWithTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last cluster.Order
		o := newOffice(t, func(_ int, order cluster.Order) (cluster.Outcome, error) {
			last = order
			return cluster.Outcome{}, errors.New("the connection was refused")
		})
		defer o.resign()
		late := shows(cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "first", Syncing: true})
		o.report(late)
		o.open()
		began := time.Now()
		time.Sleep(8 * time.Second)
		o.kill(1)
		o.report(late)
		if sent, left := o.got(); len(sent) < 10 || last.TTL > orderTTL-7*time.Second {
			t.Fatalf("%d orders to %v, the last with %v", len(sent), left, last.TTL)
		}
		for o.quorum.Board().Ranges[rng].Handover != nil && time.Since(began) < 3*orderTTL {
			time.Sleep(turnEvery)
			o.report(late)
		}
		if took := time.Since(began); took < orderTTL || took > orderTTL+time.Second {
			t.Errorf("decided after %v", took)
		}
	})
}

// Another copy that has more than the target is what recovery would take; but the lost
// host may have the target promoted as long as its order allows, with what clients then
// write there.
func TestTargetThatIsNotForemostIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o *office
		o = newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
			o.kill(1)
			return cluster.Outcome{}, errors.New("the host is gone")
		})
		defer o.resign()
		third := cluster.InstanceID{Shard: 3, Incarnation: 1}
		ahead := func(r *cluster.Report) {
			if r.Node == 3 {
				r.Instances[third] = cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "first", EverLinked: true, Offset: 11}
			}
		}
		if err := o.Submit(t.Context(), thirdCopy{third}); err != nil {
			t.Fatal(err)
		}
		o.report(ahead)
		o.open()
		o.report(ahead)
		time.Sleep(orderTTL - time.Second)
		o.report(ahead)
		if h := o.quorum.Board().Ranges[rng].Handover; h == nil || h.Unplanned {
			t.Fatalf("decided before the order's time was over: %+v", h)
		}
		for range 3 {
			time.Sleep(time.Second)
			o.report(ahead)
		}
		if orders, _ := o.got(); orders[len(orders)-1].To != third {
			t.Errorf("the copy that has most does not take over: %+v", orders)
		}
	})
}

// thirdCopy puts one more copy of the range on node 3.
type thirdCopy struct{ id cluster.InstanceID }

func (c thirdCopy) Apply(*cluster.Board) (cluster.Change, error) {
	return cluster.Change{Put: []cluster.Object{
		cluster.Shard{ID: c.id.Shard, Range: rng, Instance: c.id, NextIncarnation: 2},
		cluster.Instance{ID: c.id, Range: rng, Node: 3, Port: 20000, Started: true},
	}}, nil
}
