package controller

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
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
	switch old := t.since(o.first) > orderTTL; {
	case !v.Alive[executor]:
		t.orphaned(v, r, h)
		return
	case h.Unplanned && targetGone(v, h):
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: "its process ended"})
		return
	case !h.Unplanned && old && !v.Alive[v.Instances[h.To].Node]:
		t.deserted(v, r, h)
		return
	}
	o.inFlight, o.sent = true, t.now()
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
			o.inFlight = false
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

// deserted decides about a planned hand-over whose target's host is gone, once the
// time of every order is over. A source that is still master was never replaced
// and serves again. One that was demoted may have been: then the target is master
// as far as anybody knows, proxies may have been aimed at it, and recovery
// takes the range back from it as from any master whose host is gone.
func (t *term) deserted(v cluster.View, r cluster.SlotRange, h cluster.Handover) {
	from, seen := v.Observed(h.From)
	if t.since(t.orders[h.ID].sent) < orderTTL || !v.Heard(v.Instances[h.From].Node) || !seen {
		return
	}
	// A copy of the same shard would take the place of what is left of it.
	replaced := from.State == cluster.Up && from.Role == cluster.Slave && h.From.Shard != h.To.Shard
	t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: replaced, Reason: "its host is gone"})
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
	if !h.Unplanned && v.Alive[node] && (!v.Heard(node) || seen && to.State != cluster.Up && to.State != cluster.Absent) {
		return // what became of it must be seen
	}
	if !h.Unplanned && seen && v.Alive[node] && to.State == cluster.Up && to.Role == cluster.Master {
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, ReplID: to.ReplicationID})
		return
	}
	t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: "the host that was to carry it out is gone"})
}

func (t *term) close(cmd cluster.CloseHandover) {
	err := t.commit(func(cluster.View) (cluster.Command, error) { return cmd, nil })
	if err != nil {
		t.cfg.Logger.Error("hand-over not closed", "range", cmd.Range, "error", err)
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
