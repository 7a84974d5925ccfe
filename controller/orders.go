package controller

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// Times of orders.
const (
	// orderTTL is how long an executor may act on an order after it came.
	orderTTL = 10 * time.Second
	// orderAgain is the pause before an order of unknown outcome is sent again.
	orderAgain = 500 * time.Millisecond
	// orderLost is when, after its time, an order without an outcome is sent anew.
	orderLost = 20 * time.Second
)

// order is a hand-over that this leader looks after.
type order struct {
	first    time.Time // when this leader first saw it
	since    int64     // board revision from which proxies must have applied an unplanned one
	inFlight bool      // an executor has it
	silent   bool      // the last executor got no answer from the target
	sent     time.Time // last
}

// sendOrders gives every open hand-over to its executor. Executors answer into
// the serial loop, so that outcomes are committed like anything else.
func (t *term) sendOrders(v cluster.View) {
	open := map[string]bool{}
	for _, r := range handovers(v) {
		open[r.Handover.ID] = true
		o := t.orders[r.Handover.ID]
		if o == nil {
			o = &order{first: t.now(), since: v.Revision}
			t.orders[r.Handover.ID] = o
		}
		// An outcome that did not reach the loop is asked for again: executors keep it.
		if lost := t.since(o.sent) > orderTTL+orderLost; lost || !o.inFlight && t.since(o.sent) > orderAgain {
			t.carry(v, r, o)
		}
	}
	for id := range t.orders {
		if !open[id] {
			delete(t.orders, id)
		}
	}
}

// handovers returns the ranges with an open one, in the order of their ids.
func handovers(v cluster.View) []cluster.SlotRange {
	var list []cluster.SlotRange
	for _, r := range v.Ranges {
		if r.Handover != nil {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b cluster.SlotRange) int {
		return cmp.Or(cmp.Compare(a.ID.Database, b.ID.Database), cmp.Compare(a.ID.Index, b.ID.Index))
	})
	return list
}

// carry sends one order, when it may be sent.
func (t *term) carry(v cluster.View, r cluster.SlotRange, o *order) {
	h := *r.Handover
	executor := v.Instances[h.From].Node
	if h.Unplanned {
		executor = v.Instances[h.To].Node
		if closed, waiting := recovery.Barrier(v, &h, o.since); !closed {
			t.cfg.Logger.Debug("waiting for proxies to close a generation", "range", r.ID, "nodes", waiting)
			return
		}
	}
	switch {
	case !v.Alive[executor]:
		t.orphaned(v, r, h)
		return
	case h.Unplanned && targetGone(v, h):
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: "its process ended"})
		return
	case !h.Unplanned && o.silent && !v.Alive[v.Instances[h.To].Node]:
		t.deserted(v, r, h)
		return
	}
	o.inFlight, o.sent, o.silent = true, t.now(), false
	msg := cluster.Order{
		ID: h.ID, Epoch: t.epoch, Range: r.ID, From: h.From, To: h.To,
		Generation: h.Generation, Unplanned: h.Unplanned, TTL: orderTTL,
	}
	t.beside(func() {
		ctx, cancel := context.WithTimeout(t.ctx, orderTTL+time.Second)
		outcome, err := t.cfg.Executor.Handover(ctx, executor, msg)
		cancel()
		if err != nil {
			outcome = cluster.Outcome{Result: cluster.Unknown, Reason: err.Error()}
		}
		t.settle(h.ID, r.ID, outcome)
	})
}

// settle brings an outcome into the serial loop. An unknown one stays open: the
// order goes out again and is continued from where it stands.
func (t *term) settle(id string, r cluster.RangeID, outcome cluster.Outcome) {
	err := t.Decide(t.ctx, func(v cluster.View) (cluster.Command, error) {
		if o := t.orders[id]; o != nil {
			o.inFlight, o.silent = false, outcome.TargetSilent
		}
		t.cfg.Logger.Info("hand-over", "range", r, "result", outcome.Result, "pause", outcome.Pause, "reason", outcome.Reason)
		if outcome.Result == cluster.Unknown {
			return nothing{}, nil
		}
		return cluster.CloseHandover{
			At: v.Now, Range: r, ID: id, Moved: outcome.Result == cluster.Moved,
			ReplID: outcome.ReplID, Reason: outcome.Reason,
		}, nil
	})
	if err != nil && t.ctx.Err() == nil {
		t.cfg.Logger.Error("outcome of a hand-over not committed; the order goes out again", "range", r, "error", err)
	}
}

// targetGone reports whether the process that was to become master was seen gone
// on this very board.
func targetGone(v cluster.View, h cluster.Handover) bool {
	to, seen := v.Observed(h.To)
	return v.Heard(v.Instances[h.To].Node) && (!seen || to.State == cluster.Absent)
}

// deserted decides about a planned hand-over whose target's host is gone and whose
// target did not answer the executor either, once the time of every order is over.
// A source that still serves was never replaced. Otherwise the target may have
// been promoted and proxies aimed at it: then nobody serves before they
// have left it. Either the target is master as far as anybody knows, and recovery
// takes the range from it as from any master whose host is gone; or, as that would
// drop a source that is the same shard, the source takes the range back.
func (t *term) deserted(v cluster.View, r cluster.SlotRange, h cluster.Handover) {
	from, seen := v.Observed(h.From)
	if o := t.orders[h.ID]; t.since(o.first) < orderTTL || t.since(o.sent) < orderTTL || !v.Heard(v.Instances[h.From].Node) {
		return
	}
	gone := "its host is gone"
	switch {
	case !seen || from.State == cluster.Absent, from.State == cluster.Up && from.Role == cluster.Master && from.Serving:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: gone})
	case from.State != cluster.Up: // what became of it must be seen
	case from.Role == cluster.Slave && h.From.Shard != h.To.Shard:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, Reason: gone})
	default:
		t.finish(r.ID, cluster.TakeBack{
			At: v.Now, Range: r.ID, ID: h.ID, NewID: h.ID + "-back",
			Reason: fmt.Sprintf("the host of its new place, node:%d, is gone", v.Instances[h.To].Node),
		})
	}
}

// orphaned decides about a hand-over whose executor's host is gone, once the
// time of every order that may have been sent is over: then nothing can be added
// to what the other side shows.
func (t *term) orphaned(v cluster.View, r cluster.SlotRange, h cluster.Handover) {
	if o := t.orders[h.ID]; t.since(o.first) < orderTTL || t.since(o.sent) < orderTTL {
		return
	}
	to, seen := v.Observed(h.To)
	node := v.Instances[h.To].Node
	if !h.Unplanned && !v.Alive[node] && alone(v, r, h) {
		return // the target may serve: whoever of the two returns shows it
	}
	if !h.Unplanned && v.Alive[node] && (!v.Heard(node) || seen && to.State != cluster.Up && to.State != cluster.Absent) {
		return // what became of it must be seen
	}
	if !h.Unplanned && seen && v.Alive[node] && to.State == cluster.Up && to.Role == cluster.Master {
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, ReplID: to.ReplicationID})
		return
	}
	t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: "the host that was to carry it out is gone"})
}

func (t *term) close(cmd cluster.CloseHandover) { t.finish(cmd.Range, cmd) }

// alone reports whether nothing of the range is anywhere but on the two sides of the
// hand-over, on hosts that are still expected.
func alone(v cluster.View, r cluster.SlotRange, h cluster.Handover) bool {
	for _, i := range v.Instances {
		if i.Range == r.ID && i.ID != h.From && i.ID != h.To && v.Alive[i.Node] {
			return false
		}
	}
	return !v.WrittenOff(v.Instances[h.From].Node) || !v.WrittenOff(v.Instances[h.To].Node)
}

// finish ends an open hand-over of the range.
func (t *term) finish(r cluster.RangeID, cmd cluster.Command) {
	err := t.commit(func(cluster.View) (cluster.Command, error) { return cmd, nil })
	if err != nil {
		t.cfg.Logger.Error("hand-over not closed", "range", r, "error", err)
	}
}

// nothing is a decision to change nothing.
type nothing struct{}

func (nothing) Apply(*cluster.Board) (cluster.Change, error) { return cluster.Change{}, nil }

// secret makes a password of 32 hexadecimal digits.
func secret() string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails on the systems we run on
	}
	return hex.EncodeToString(b)
}
