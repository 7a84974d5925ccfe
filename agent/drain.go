package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
)

// What the daemon of a node says to all others while an endpoint leaves it.
const (
	PathSeen    = "/seen"    // answered when that host has the board of now
	PathDrained = "/drained" // Drained
)

// Drained says that the endpoint's connections on the node that tells it are
// closed, but for those that wait without end.
type Drained struct {
	Endpoint cluster.EndpointID `json:"endpoint"`
	Since    time.Time          `json:"since"` // when the draining began, as on the board
}

const (
	// drainLook is the pause between two looks at a proxy that drains: clients that
	// have been sent away wait for the end of it.
	drainLook = 3 * time.Millisecond
	// othersFor bounds how long the other daemons are waited for. Without them it
	// goes on: the board tells them, too, only later.
	othersFor = 300 * time.Millisecond
)

// departures are the endpoints that may be drained: those of which every host
// knows that they leave this one. A client that is closed comes back to where
// discovery says. An old answer would lead it here once more, and when the move
// is announced it would drop that connection with what is in flight.
type departures struct {
	mu    sync.Mutex
	since map[cluster.EndpointID]time.Time
}

func (d *departures) known(e cluster.Endpoint) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, known := d.since[e.ID]
	return known && since.Equal(e.Since)
}

func (d *departures) keep(list []cluster.Endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = map[cluster.EndpointID]time.Time{}
	for _, e := range list {
		d.since[e.ID] = e.Since
	}
}

// watchDrains lets endpoints that leave this host drain as soon as all hosts know
// of it. When no connection is left but those that wait without end, it tells the
// others and has the loop look at once.
func (a *Agent) watchDrains(ctx context.Context) error {
	boards := a.cfg.Board.Subscribe(ctx)
	look := time.NewTicker(drainLook)
	look.Stop()
	defer look.Stop()
	var open []cluster.Endpoint
	for {
		select {
		case <-ctx.Done():
			return nil
		case b, more := <-boards:
			if !more {
				return nil
			}
			open = drainingOn(b, a.cfg.Node)
			if a.depart(ctx, b, open); len(open) > 0 {
				look.Reset(drainLook)
			}
		case <-look.C:
			var drained []cluster.Endpoint
			if open, drained = a.undrained(ctx, open); len(open) == 0 {
				look.Stop()
				a.wake()
			}
			a.tellDrained(ctx, drained)
		}
	}
}

func drainingOn(b *cluster.Board, node int) []cluster.Endpoint {
	var list []cluster.Endpoint
	for _, e := range b.Endpoints {
		if slices.Contains(e.Draining, node) {
			list = append(list, e)
		}
	}
	return list
}

// depart has the endpoints drained, after all other hosts have heard of it.
func (a *Agent) depart(ctx context.Context, b *cluster.Board, leaving []cluster.Endpoint) {
	known := !slices.ContainsFunc(leaving, func(e cluster.Endpoint) bool { return !a.departures.known(e) })
	if !known {
		a.tellOthers(ctx, PathSeen, nil)
	}
	a.departures.keep(leaving)
	if known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, proxyAnswer)
	defer cancel()
	if err := a.applyRoutes(ctx, b); err != nil {
		a.cfg.Logger.Debug("the loop tells the proxy to drain", "error", err)
	}
}

// undrained tells those of the endpoints whose connections are still being closed
// from the others. A proxy that does not answer is left to the loop.
func (a *Agent) undrained(ctx context.Context, list []cluster.Endpoint) (open, drained []cluster.Endpoint) {
	ctx, cancel := context.WithTimeout(ctx, proxyAnswer)
	defer cancel()
	stats, err := a.cfg.Proxy.Stats(ctx)
	if err != nil {
		return nil, nil
	}
	seen := stats.Report().Endpoints
	for _, e := range list {
		if seen[e.ID].Connections > seen[e.ID].Waiting {
			open = append(open, e)
		} else {
			drained = append(drained, e)
		}
	}
	return open, drained
}

// tellDrained has discovery answer at once on every host, not only when the leader
// has announced the move. Of one that is announced there is nothing to tell.
func (a *Agent) tellDrained(ctx context.Context, list []cluster.Endpoint) {
	for _, e := range list {
		if e.Announced == e.Nodes[0] {
			continue
		}
		d := Drained{e.ID, e.Since}
		a.cfg.Drained(d)
		a.tellOthers(ctx, PathDrained, d)
	}
}

// tellOthers says the same to all other live daemons at once, and waits for their
// answers, but not for long.
func (a *Agent) tellOthers(ctx context.Context, path string, message any) {
	ctx, cancel := context.WithTimeout(ctx, othersFor)
	defer cancel()
	var all sync.WaitGroup
	for node, alive := range a.cfg.Board.Alive() {
		if !alive || node == a.cfg.Node {
			continue
		}
		all.Go(func() {
			if err := a.cfg.Peers.Call(ctx, node, path, message, nil); err != nil {
				a.cfg.Logger.Debug("a host was not told", "node", node, "path", path, "error", err)
			}
		})
	}
	all.Wait()
}

// wake has the converging loop look now.
func (a *Agent) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}
