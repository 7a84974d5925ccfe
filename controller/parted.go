package controller

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// partedFor is how long executors may get no answer from a target that answers its own
// host: clients of the range wait meanwhile.
const partedFor = 5 * time.Second

// parted decides about a planned hand-over whose executor does not reach the target, though
// this leader hears both hosts, as when packets are lost between the two alone. What the
// target shows some time after the last executor has ended is what was made of it: a master
// has taken over; with any other nobody serves by it, and the source takes the range back.
// It reports whether the order is not to be sent again for now.
func (t *term) parted(v cluster.View, r cluster.SlotRange, o *order) bool {
	h := *r.Handover
	to, _ := v.Observed(h.To)
	node := v.Instances[h.To].Node
	switch {
	case !o.silent || t.since(o.unheard) < partedFor || o.ended.IsZero():
		return false
	case to.State != cluster.Up || !v.Heard(node) || !v.Heard(v.Instances[h.From].Node):
		return false
	case v.HeardAt[node].Sub(o.ended) < shown: // something may be on its way to it
	case to.Role == cluster.Master:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, ReplID: to.ReplicationID})
	default:
		t.deserted(v, r, o)
	}
	return true
}
