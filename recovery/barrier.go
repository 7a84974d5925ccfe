package recovery

import "github.com/haulout/haulout/cluster"

// Barrier reports whether the generation before an unplanned hand-over is
// closed everywhere, and which nodes are waited for if not: each proxy in the
// cluster has applied the routes of the given board revision, or later ones, or
// was down on that board, or its host's lease has ended, and with it the
// proxy's right to send anything, or it is known to have gone with its host. A planned hand-over needs no barrier: the
// demoted master itself refuses.
func Barrier(v cluster.View, h *cluster.Handover, since int64) (closed bool, waiting []int) {
	if h == nil || !h.Unplanned {
		return true, nil
	}
	for _, n := range cluster.Sorted(v.Nodes) {
		r, heard := v.Reports[n.ID]
		down := heard && r.Revision >= since && !r.Proxy.Up
		if v.Serving(n.ID) && !down && (!heard || r.Proxy.Revision < since) {
			waiting = append(waiting, n.ID)
		}
	}
	return len(waiting) == 0, waiting
}
