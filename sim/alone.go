package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/haulout/haulout/agent"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/proxy"
)

// The times of serving without a lease are the agent's.
const (
	aloneFor    = 2 * time.Second
	aloneBefore = 3 * time.Second
	firstLease  = 2 * time.Second
)

// nanos is what the boot-time clock of every host shows.
func (w *World) nanos() int64 { return w.now.UnixNano() }

// serveAlone is the agent's: a host whose lease is not renewed asks everybody with a
// copy before its proxy goes on.
func (d *daemon) serveAlone(h *host) {
	w, p := d.w, h.proxy
	switch {
	case p == nil || w.now.Before(p.stopped):
		return
	case d.serveUntil.Sub(w.now) > aloneBefore:
		p.extended = nil
		return
	case !d.current || p.revision < d.board.Revision:
		return
	case d.serveUntil.IsZero() && w.now.Sub(d.started) < firstLease:
		return
	}
	claims := agent.Claims(d.board, d.node)
	for _, r := range slices.SortedFunc(maps.Keys(claims.Stands), rangesByID) {
		promised := true
		for _, node := range claims.Hosts[r] {
			promised = d.ask(node, r, claims.Stands[r]) && promised
		}
		if !promised {
			continue // what was promised before holds until its end
		}
		if p.extended == nil {
			p.extended = map[cluster.RangeID]proxy.Extension{}
		}
		p.extended[r] = proxy.Extension{Range: r, Generation: d.board.Ranges[r].Generation, Until: w.now.Add(aloneFor).UnixNano()}
	}
}

// ask asks one host for a promise. Its answer may be lost: then it is bound, and
// nobody serves by it.
func (d *daemon) ask(node int, r cluster.RangeID, stand string) bool {
	w := d.w
	h := w.hosts[node]
	if h == nil || h.daemon == nil || !w.sends(d.node, node) || h.daemon.frozen() || !h.daemon.current {
		return false
	}
	if _, known := h.daemon.board.Nodes[d.node]; !known {
		return false
	}
	why := h.daemon.promises.Give(func() *cluster.Board { return h.daemon.board }, r, stand, w.nanos())
	return why == "" && w.sends(node, d.node)
}

// serves reports whether the proxy may send to the master of its route now.
func (p *door) serves(w *World, r cluster.RangeID) bool {
	if w.now.Before(p.serveUntil) {
		return true
	}
	e, extended := p.extended[r]
	return extended && w.nanos() < e.Until && e.Generation == p.routes[r].Generation
}
