package recovery

import (
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Barrier reports whether the generation before an unplanned hand-over is
// closed everywhere, and which nodes are waited for if not: each proxy in the
// cluster has applied the routes of the given board revision, or later ones, or
// was down on that board, or its host's lease has ended, and with it the
// proxy's right to send anything by it, or it is known to have gone with its host.
// What a proxy may send without a lease it may only while the new master's host has
// promised not to promote it: the old master's host must know that it is to be
// asked. A planned hand-over needs no barrier: the demoted master itself refuses.
func Barrier(v cluster.View, h *cluster.Handover, since int64) (closed bool, waiting []int) {
	if h == nil || !h.Unplanned {
		return true, nil
	}
	if from := v.Instances[h.From]; !v.Considered(from, v.Instances[h.To]) {
		waiting = append(waiting, from.Node)
	}
	for _, n := range cluster.Sorted(v.Nodes) {
		r, heard := v.Reports[n.ID]
		down := heard && r.Revision >= since && !r.Proxy.Up
		if v.Serving(n.ID) && !slices.Contains(waiting, n.ID) && !down && (!heard || r.Proxy.Revision < since) {
			waiting = append(waiting, n.ID)
		}
	}
	return len(waiting) == 0, waiting
}
