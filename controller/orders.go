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
	// orderTTL is how long executors may act on an order after it first went out,
	// and after each time that one is known to have ended; orderLeast what must be
	// left of that for it to go out again.
	orderTTL   = 10 * time.Second
	orderLeast = time.Second
	// orderAgain is the pause before an order of unknown outcome is sent again.
	orderAgain = 500 * time.Millisecond
	// shown is how long after the end of an order a report must have come to show
	// what it left: what a report tells was seen up to as long before.
	shown = 5 * time.Second
)

// order is a hand-over that this leader looks after.
type order struct {
	since    int64     // board revision from which proxies must have applied an unplanned one
	until    time.Time // when the time of all orders is over that may have come to an executor
	inFlight bool      // an executor has it
	silent   bool      // the last executor got no answer from the target
	unheard  time.Time // since when none of them did; zero if the last one got one
	sent     time.Time // last
	asked    time.Time // first, without an answer since
	ended    time.Time // when the last executor told that it had ended; zero while one may be at work
}

// allowance is how long an executor may act on the order if it goes out now, 0 if it
// should not. What is carried again because no answer came ends with what was carried
// first: so whoever waits for its end, because the executor's host is gone, does not
// wait for longer the more often it was tried.
func (o *order) allowance(now time.Time) time.Duration {
	if !o.ended.IsZero() || !now.Before(o.until) {
		o.until, o.ended = now.Add(orderTTL), time.Time{}
	}
	if left := o.until.Sub(now); left >= orderLeast {
		return left
	}
	return 0
}

// sendOrders gives every open hand-over to its executor. Executors answer into
// the serial loop, so that outcomes are committed like anything else.
func (t *term) sendOrders(v cluster.View) {
	open := map[string]bool{}
	for _, r := range handovers(v) {
		open[r.Handover.ID] = true
		o := t.orders[r.Handover.ID]
		if o == nil {
			o = &order{until: t.now().Add(orderTTL), since: v.Revision} // a former leader may have sent it just now
			t.orders[r.Handover.ID] = o
		}
		switch {
		case v.Gone(v.Instances[r.Handover.Executor()]):
			t.orphaned(v, r, o)
		case !o.inFlight && t.since(o.sent) > orderAgain:
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
	if closed, waiting := recovery.Barrier(v, &h, o.since); !closed {
		t.cfg.Logger.Debug("waiting for proxies to close a generation", "range", r.ID, "nodes", waiting)
		return
	}
	switch {
	case h.Unplanned && targetGone(v, h):
		t.vanished(v, r, "its process ended, or does not answer")
		return
	case !h.Unplanned && o.silent && (!v.Alive[v.Instances[h.To].Node] || recovery.Hung(v, h.To)):
		t.deserted(v, r, o)
		return
	case !h.Unplanned && !o.ended.IsZero() && recovery.Hung(v, h.From):
		t.replaced(v, r, o)
		return
	case o.mute(t.now()) && t.unreached(v, r, o):
		return
	case !h.Unplanned && t.parted(v, r, o):
		return
	}
	executor := v.Instances[h.Executor()].Node
	ttl := o.allowance(t.now())
	if ttl == 0 {
		return
	}
	o.inFlight, o.sent, o.silent = true, t.now(), false
	if o.asked.IsZero() {
		o.asked = o.sent
	}
	msg := cluster.Order{
		ID: h.ID, Epoch: t.epoch, Range: r.ID, From: h.From, To: h.To,
		Generation: h.Generation, Unplanned: h.Unplanned, TTL: ttl,
	}
	t.beside(func() {
		ctx, cancel := context.WithTimeout(t.ctx, orderTTL+time.Second)
		outcome, err := t.cfg.Executor.Handover(ctx, executor, msg)
		cancel()
		if err != nil {
			outcome = cluster.Outcome{Result: cluster.Unknown, Reason: err.Error()}
		}
		t.settle(h.ID, r.ID, outcome, err == nil)
	})
}

// settle brings an outcome into the serial loop. An unknown one stays open: the
// order goes out again and is continued from where it stands. One that was decided
// about meanwhile, because the executor's host was gone, changes nothing any more.
func (t *term) settle(id string, r cluster.RangeID, outcome cluster.Outcome, answered bool) {
	err := t.tell(func(v cluster.View) (cluster.Command, error) {
		if o := t.orders[id]; o != nil {
			o.inFlight, o.silent = false, outcome.TargetSilent
			if answered {
				o.ended, o.asked = t.now(), time.Time{}
			}
			if !outcome.TargetSilent {
				o.unheard = time.Time{}
			} else if o.unheard.IsZero() {
				o.unheard = t.now()
			}
		}
		t.cfg.Logger.Info("hand-over", append([]any{"range", r}, outcome.Told()...)...)
		h := v.Ranges[r].Handover
		if outcome.Result == cluster.Unknown || h == nil || h.ID != id {
			return nothing{}, nil
		}
		return cluster.CloseHandover{
			At: v.Now, Range: r, ID: id, Moved: outcome.Result == cluster.Moved,
			ReplID: outcome.ReplID, Reason: outcome.Reason, Pause: outcome.Pause, Loss: t.loss(v, *h, outcome),
		}, nil
	})
	if err != nil && t.ctx.Err() == nil {
		t.cfg.Logger.Error("outcome of a hand-over not committed; the order goes out again", "range", r, "error", err)
	}
}

// targetGone reports whether the process that was to become master was seen gone
// on this very board, or has not answered for as long as recovery waits for a master.
func targetGone(v cluster.View, h cluster.Handover) bool {
	to, seen := v.Observed(h.To)
	return v.Heard(v.Instances[h.To].Node) && (!seen || to.State == cluster.Absent) || recovery.Hung(v, h.To)
}

func (t *term) close(cmd cluster.CloseHandover) { t.finish(cmd.Range, cmd) }

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
