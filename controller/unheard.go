package controller

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// unheardFor is how long a living host may not have reported to this leader, or not
// have answered it, while clients of a range wait for that.
const unheardFor = 20 * time.Second

// makeWay hands the office on when a range has no master until a host is heard that
// lives and is not: its packets may reach another leader.
func (t *term) makeWay(v cluster.View) {
	if slices.ContainsFunc(handovers(v), func(r cluster.SlotRange) bool { return t.waitsInVain(v, r) }) {
		t.leave(0, "clients wait for a host that this leader does not hear")
	}
}

func (t *term) waitsInVain(v cluster.View, r cluster.SlotRange) bool {
	o := t.orders[r.Handover.ID]
	if o == nil || !r.Handover.Unplanned {
		return false
	}
	if !o.asked.IsZero() && t.since(o.asked) > unheardFor {
		return v.Alive[v.Instances[r.Handover.Executor()].Node]
	}
	_, waiting := recovery.Barrier(v, r.Handover, o.since)
	return slices.ContainsFunc(waiting, func(node int) bool {
		last := v.HeardAt[node]
		if last.Before(t.began) {
			last = t.began
		}
		return v.Alive[node] && t.since(last) > unheardFor
	})
}
