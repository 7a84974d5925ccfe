package controller

import (
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// deciding is how long, after the time of all orders, hosts may take to show what the
// orders left; then it is tried again.
const deciding = 2 * shown

// mute reports whether the order's executor has let all its time pass without an
// answer, a moment ago.
func (o *order) mute(now time.Time) bool {
	return !o.sent.IsZero() && !o.inFlight && o.ended.IsZero() && !now.Before(o.until) && now.Sub(o.until) < deciding
}

// unreached decides about a planned hand-over whose executor's host lives and does not
// answer, as when packets are lost in one direction. The time of every order is over, so
// what both sides show from then on is what is left. It reports whether the order is not
// to be sent again for now.
func (t *term) unreached(v cluster.View, r cluster.SlotRange, o *order) bool {
	h := *r.Handover
	since := func(i cluster.InstanceID) time.Duration { return v.HeardAt[v.Instances[i].Node].Sub(o.until) }
	heard := func(i cluster.InstanceID) bool { return v.Heard(v.Instances[i].Node) }
	from, _ := v.Observed(h.From)
	to, seen := v.Observed(h.To)
	gone := !seen || to.State == cluster.Absent
	serves := heard(h.From) && from.State == cluster.Up && from.Role == cluster.Master && from.Serving
	close := cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: "the host that was to carry it out does not answer"}
	switch {
	case h.Unplanned || !heard(h.To) || !gone && to.State != cluster.Up:
		return false
	case to.Role == cluster.Master:
		close.Moved, close.ReplID, close.Reason = true, to.ReplicationID, ""
		t.close(close)
	case serves && since(h.From) < shown, !heard(h.From) && since(h.To) < shown:
	case serves, !heard(h.From):
		t.close(close)
	case recovery.Foremost(v, r, h.To):
		t.finish(r.ID, cluster.TakeOver{
			At: v.Now, Range: r.ID, ID: h.ID, NewID: h.ID + "-on", To: h.To, Reason: "the host of its old master does not answer",
		})
	default:
		return false
	}
	return true
}
