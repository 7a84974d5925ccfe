package agent

import (
	"context"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/proxy"
)

// drainCap is how long a proxy waits for connections of an endpoint that moved
// away before it cuts them.
const drainCap = 60 * time.Second

// proxyPatience is how many looks in a row may go unanswered before the proxy
// is taken for gone and started again. A start next to a living one is refused
// by the proxy itself.
const proxyPatience = 3

// convergeProxy has the host's proxy process running with the board's routes.
func (a *Agent) convergeProxy(ctx context.Context, board *cluster.Board) cluster.ProxyReport {
	ctx, cancel := context.WithTimeout(ctx, proxyAnswer)
	defer cancel()
	if a.routesApplied() != board.Revision {
		if err := a.cfg.Proxy.Apply(ctx, Routes(board, a.cfg.Node)); err != nil {
			return a.proxyMissing(ctx, err)
		}
		a.setRoutes(board.Revision)
	}
	stats, err := a.cfg.Proxy.Stats(ctx)
	if err != nil {
		return a.proxyMissing(ctx, err)
	}
	if stats.Revision < board.Revision {
		a.setRoutes(0) // another process than the one that was fed
	}
	a.proxyDown = 0
	return stats.Report()
}

func (a *Agent) proxyMissing(ctx context.Context, err error) cluster.ProxyReport {
	a.setRoutes(0)
	if a.proxyDown++; a.proxyDown%proxyPatience == 1 {
		a.cfg.Logger.Info("starting the proxy", "reason", err)
		if err := a.cfg.StartProxy(ctx); err != nil {
			a.cfg.Logger.Error("the proxy did not start", "error", err)
		}
	}
	return cluster.ProxyReport{}
}

// Routes is what the board asks of one node's proxy.
func Routes(board *cluster.Board, node int) proxy.Routes {
	routes := proxy.Routes{Revision: board.Revision}
	for _, d := range cluster.Sorted(board.Databases) {
		for _, e := range board.EndpointsOf(d.ID) {
			if !e.ServedBy(node) {
				continue
			}
			draining := slices.Contains(e.Draining, node)
			secrets := board.Secrets[d.ID]
			routes.Endpoints = append(routes.Endpoints, proxy.EndpointRoute{
				ID: e.ID, Database: d.Name, Address: board.Nodes[node].Address, Port: e.Port,
				Listen: true, Drain: draining, DrainCap: drainCap,
				Password: secrets.Client, ProxyPassword: secrets.Proxy,
				Ranges: rangeRoutes(board, d.ID),
			})
		}
	}
	return routes
}

// rangeRoutes says where each range of a database is served. While nobody may
// serve - never seen up, or a promotion waits for the old generation to close -
// the address is empty and proxies hold.
func rangeRoutes(board *cluster.Board, database int) []proxy.RangeRoute {
	var list []proxy.RangeRoute
	for _, r := range board.RangesOf(database) {
		route := proxy.RangeRoute{ID: r.ID, First: r.First, Last: r.Last, Generation: r.Generation, Lost: r.Lost}
		master, ok := board.Instances[r.Master]
		closed := r.Handover != nil && r.Handover.Unplanned
		if ok && master.Started && !closed {
			route.Address = source(board, master).String()
		}
		list = append(list, route)
	}
	return list
}
