package sim

import (
	"slices"
	"time"

	"github.com/haulout/haulout/agent"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/proxy"
)

// door is a host's proxy process.
type door struct {
	w          *World
	revision   int64
	routes     map[cluster.RangeID]proxy.RangeRoute
	held       map[cluster.RangeID]hold
	endpoints  map[cluster.EndpointID]*cluster.EndpointState
	serveUntil time.Time
	extended   map[cluster.RangeID]proxy.Extension // beside it, without a lease
	stopped    time.Time                           // it stands still until then

	unconfirmed []unconfirmed
}

type hold struct {
	generation int64
	until      time.Time
}

const (
	drainCap      = time.Minute
	proxyPatience = 3 * time.Second
)

// keepProxy has the proxy running with the board's routes.
func (d *daemon) keepProxy(h *host, board *cluster.Board) cluster.ProxyReport {
	p := h.proxy
	switch {
	case p == nil:
		d.silent = time.Time{}
		h.proxy = &door{w: d.w, routes: map[cluster.RangeID]proxy.RangeRoute{}, held: map[cluster.RangeID]hold{}, endpoints: map[cluster.EndpointID]*cluster.EndpointState{}}
		return cluster.ProxyReport{}
	case d.w.now.Before(p.stopped):
		if d.silent.IsZero() {
			d.silent = d.w.now
		} else if d.w.now.Sub(d.silent) > proxyPatience {
			h.proxy, d.silent = nil, time.Time{}
			return cluster.ProxyReport{}
		}
		return cluster.ProxyReport{Up: true, Silent: true}
	}
	d.silent = time.Time{}
	if p.revision < board.Revision {
		p.apply(agent.Routes(board, d.node, cluster.Certificate{}))
	}
	if p.revision == board.Revision { // it refuses older routes
		p.drain(board, d.node)
	}
	r := cluster.ProxyReport{Up: true, Revision: p.revision, Endpoints: map[cluster.EndpointID]cluster.EndpointState{}}
	for id, e := range p.endpoints {
		r.Endpoints[id] = *e
	}
	return r
}

// apply takes routes over; of each range the highest generation known holds.
func (p *door) apply(r proxy.Routes) {
	p.revision = r.Revision
	known, listed := p.routes, map[cluster.EndpointID]bool{}
	p.routes = map[cluster.RangeID]proxy.RangeRoute{}
	for _, e := range r.Endpoints {
		listed[e.ID] = true
		if p.endpoints[e.ID] == nil {
			p.endpoints[e.ID] = &cluster.EndpointState{Listening: true}
		}
		for _, rr := range e.Ranges {
			if k, ok := known[rr.ID]; ok && k.Generation > rr.Generation {
				rr.Generation, rr.Address, rr.Lost = k.Generation, k.Address, k.Lost
			}
			p.rerouted(rr.ID, known[rr.ID].Address, rr.Address, rr.Lost)
			p.routes[rr.ID] = rr
			if rr.Generation >= p.held[rr.ID].generation {
				delete(p.held, rr.ID)
			}
		}
	}
	for id := range p.endpoints {
		if !listed[id] {
			delete(p.endpoints, id)
		}
	}
}

// drain closes half of the connections of an endpoint that leaves in each turn.
func (p *door) drain(b *cluster.Board, node int) {
	for id, s := range p.endpoints {
		if slices.Contains(b.Endpoints[id].Draining, node) {
			gone := (s.Connections + 1) / 2
			s.Connections, s.Drained = s.Connections-gone, s.Drained+gone
		} else {
			s.Connections, s.Drained = 8, 0
		}
	}
}

// feed tells the proxy until when it may serve: after a time without that right
// only with the routes of now.
func (d *daemon) feed(h *host) {
	p := h.proxy
	if p == nil || d.w.now.Before(p.stopped) || d.w.now.After(d.fed) && p.revision < d.board.Revision {
		return
	}
	p.serveUntil, d.fed = d.serveUntil, d.serveUntil
}

// call is an executor's word to a proxy; it reports whether it was taken.
func (w *World) call(from, node int, do func(p *door) bool) bool {
	h := w.hosts[node]
	if !w.reaches(from, node) || h.daemon == nil || h.daemon.frozen() || h.proxy == nil || w.now.Before(h.proxy.stopped) {
		return false
	}
	return do(h.proxy)
}

func (p *door) hold(r cluster.RangeID, generation int64, until time.Time) bool {
	k, ok := p.routes[r]
	if !ok || generation <= k.Generation {
		return false
	}
	p.held[r] = hold{generation, until}
	return true
}

func (p *door) aim(r cluster.RangeID, generation int64, to string) bool {
	k, ok := p.routes[r]
	if ok && generation > k.Generation {
		p.rerouted(r, k.Address, to, false)
		k.Generation, k.Address, k.Lost = generation, to, false
		p.routes[r] = k
		delete(p.held, r)
	}
	return ok
}

func (p *door) release(r cluster.RangeID, generation int64) bool {
	if p.held[r].generation == generation {
		delete(p.held, r)
	}
	return true
}
