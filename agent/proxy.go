package agent

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/proxy"
)

// drainCap is how long a proxy waits for connections of an endpoint that moved
// away before it cuts them.
const drainCap = 60 * time.Second

// proxyPatience is how long a living proxy may not answer before it is ended.
const proxyPatience = 3 * time.Second

// silentAnswer bounds each look at a proxy that was silent at the last: what the
// same turn saw of the host's shards would be told that much later.
const silentAnswer = 200 * time.Millisecond

// convergeProxy has the host's proxy process running with the board's routes. Whether it
// lives is only asked where it does not answer: the disk that knows may not answer either.
func (a *Agent) convergeProxy(ctx context.Context, board *cluster.Board) cluster.ProxyReport {
	report, err := a.askProxy(ctx, board)
	if err == nil {
		a.silentSince, a.proxyWait = time.Time{}, 0
		return report
	}
	if ctx.Err() != nil { // this daemon ends, and not the proxy
		return cluster.ProxyReport{Up: true, Silent: true}
	}
	if pid, alive := proxy.Alive(a.cfg.ProxySocket); alive {
		return a.proxySilent(pid, err)
	}
	return a.proxyGone(ctx)
}

// askProxy gives the proxy the routes, if it has not got them, and says what it does.
func (a *Agent) askProxy(ctx context.Context, board *cluster.Board) (cluster.ProxyReport, error) {
	answer := proxyAnswer
	if !a.silentSince.IsZero() {
		answer = silentAnswer
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	if shown := a.shown(board); shown != a.fedCertificate || a.routesApplied() != board.Revision {
		err := a.applyRoutes(ctx, board)
		var refused *cluster.Error
		switch {
		case errors.As(err, &refused): // it answers: what it has applied, its statistics tell
			a.cfg.Logger.Warn("the proxy refuses the routes", "revision", board.Revision, "error", err)
		case err != nil:
			return cluster.ProxyReport{}, err
		default:
			a.setRoutes(board.Revision)
			a.fedCertificate = shown
		}
	}
	stats, err := a.cfg.Proxy.Stats(ctx)
	if err != nil {
		return cluster.ProxyReport{}, err
	}
	if stats.Revision < board.Revision {
		a.setRoutes(0) // another process than the one that was fed
	}
	return stats.Report(), nil
}

// applyRoutes has the proxy follow the board. No endpoint drains before every host
// knows that it leaves.
func (a *Agent) applyRoutes(ctx context.Context, board *cluster.Board) error {
	a.applying.Lock()
	defer a.applying.Unlock()
	routes := Routes(board, a.cfg.Node, a.shown(board))
	for i := range routes.Endpoints {
		if e := &routes.Endpoints[i]; e.Drain && !a.departures.known(board.Endpoints[e.ID]) {
			e.Drain, e.MovedTo, e.MovedOutside = false, "", ""
		}
	}
	return a.cfg.Proxy.Apply(ctx, routes)
}

// proxySilent reports a proxy that lives and does not answer. It may still send
// by whatever routes it has, so it is up, and has applied none that are known. After a
// while it is ended.
func (a *Agent) proxySilent(pid int, err error) cluster.ProxyReport {
	a.setRoutes(0)
	switch {
	case a.silentSince.IsZero():
		a.silentSince = time.Now()
		a.cfg.Logger.Warn("the proxy does not answer", "error", err)
	case time.Since(a.silentSince) > proxyPatience:
		a.silentSince = time.Time{}
		a.cfg.Logger.Error("the proxy lives and does not answer: it is ended", "pid", pid)
		if err := proxy.End(a.cfg.ProxySocket); err != nil {
			a.cfg.Logger.Error("the proxy was not ended", "pid", pid, "error", err)
		}
	}
	return cluster.ProxyReport{Up: true, Silent: true}
}

// proxyGone starts the proxy. None lives: its lock is free. One that ends again before it
// has answered is started less and less often.
func (a *Agent) proxyGone(ctx context.Context) cluster.ProxyReport {
	a.setRoutes(0)
	a.silentSince = time.Time{}
	if time.Now().Before(a.proxyAgain) {
		return cluster.ProxyReport{}
	}
	a.proxyWait = min(2*max(a.proxyWait, firstWait), lastWait)
	a.proxyAgain = time.Now().Add(a.proxyWait)
	a.cfg.Logger.Info("starting the proxy")
	if err := a.cfg.StartProxy(ctx); err != nil {
		a.cfg.Logger.Error("the proxy did not start", "error", err)
	}
	return cluster.ProxyReport{}
}

// Routes is what the board asks of one node's proxy; endpoints that speak TLS show
// the certificate. An endpoint without a
// listener has no clients either: others conclude from the one to the other.
func Routes(board *cluster.Board, node int, shown cluster.Certificate) proxy.Routes {
	routes := proxy.Routes{Revision: board.Revision}
	copies := copying(board)
	for _, d := range cluster.Sorted(board.Databases) {
		for _, e := range board.EndpointsOf(d.ID) {
			if !e.ServedBy(node) {
				continue
			}
			draining := slices.Contains(e.Draining, node)
			secrets := board.Secrets[d.ID]
			route := proxy.EndpointRoute{
				ID: e.ID, Database: d.Name, Address: board.Nodes[node].Address, Port: e.Port,
				Listen: true, Drain: draining, DrainCap: drainCap, Notices: !board.Cluster.NoNotices,
				Password: secrets.Client, NoDefault: secrets.NoDefault, Users: userRoutes(secrets), ProxyPassword: secrets.Proxy, MinReplicas: d.MinReplicas,
				Settings: settings(d),
				TLS:      tlsRoute(d.TLS, shown), Ranges: rangeRoutes(board, d.ID, copies),
			}
			if draining {
				route.MovedTo, route.MovedOutside = whereTo(board.Nodes[e.Nodes[0]], e.Port)
			}
			routes.Endpoints = append(routes.Endpoints, route)
		}
	}
	return routes
}

// settings are what clients of the database may ask of its engines' settings.
func settings(d cluster.Database) map[string]string {
	aof := "no"
	if d.Persistence == "aof" {
		aof = "yes"
	}
	return map[string]string{
		"maxmemory": strconv.FormatInt(d.MemorySize, 10), "maxmemory-policy": d.Eviction, "notify-keyspace-events": d.Events,
		"appendonly": aof, "save": "", "databases": "1",
	}
}

// whereTo is the address of an endpoint on a node, and the one that clients
// outside know; empty if there is none.
func whereTo(n cluster.Node, port int) (inside, outside string) {
	at := func(ip string) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }
	if len(n.ExternalAddresses) > 0 {
		outside = at(n.ExternalAddresses[0])
	}
	return at(n.Address), outside
}

func tlsRoute(t cluster.TLS, shown cluster.Certificate) *proxy.TLSRoute {
	if !t.Enabled() {
		return nil
	}
	return &proxy.TLSRoute{Certificate: shown.CertificatePEM, Key: shown.KeyPEM, Authenticate: t.Authenticate, Clients: t.Clients}
}

// rangeRoutes says where each range of a database is served. While nobody may
// serve - never seen up, or a promotion waits for the old generation to close -
// the address is empty and proxies hold.
func rangeRoutes(board *cluster.Board, database int, copies map[cluster.RangeID][]int) []proxy.RangeRoute {
	var list []proxy.RangeRoute
	failing := failingOver(board)
	for _, r := range board.RangesOf(database) {
		route := proxy.RangeRoute{ID: r.ID, First: r.First, Last: r.Last, Generation: r.Generation, Lost: r.Lost}
		master, ok := board.Instances[r.Master]
		closed := r.Handover != nil && r.Handover.Unplanned
		if ok && master.Started && !closed && r.Unsettled == "" {
			route.Address = source(board, master).String()
		}
		route.Migrating = copies[r.ID]
		switch {
		case r.Handover != nil:
			route.FailingOver = []int{r.Handover.From.Shard}
		case failing[r.ID] == r.Master.Shard:
			route.FailingOver = []int{r.Master.Shard}
		}
		list = append(list, route)
	}
	return list
}

// failingOver names the master of each range whose failover has begun, also while
// it waits for clients to hear of it.
func failingOver(board *cluster.Board) map[cluster.RangeID]int {
	list := map[cluster.RangeID]int{}
	for _, a := range board.Actions {
		for _, m := range a.Moves {
			if m.Kind == cluster.Failover && m.Status == cluster.MoveRunning && !a.Status.Ended() {
				list[board.Shards[m.Shard].Range] = m.Old
			}
		}
	}
	return list
}

// copying names the shards of each range that are being copied to another place.
func copying(board *cluster.Board) map[cluster.RangeID][]int {
	list := map[cluster.RangeID][]int{}
	for _, i := range board.Instances {
		if isCopy(board, i) {
			list[i.Range] = append(list[i.Range], i.ID.Shard)
		}
	}
	return list
}

// isCopy reports whether the instance is a shard's second one, made by a move, and not one
// that leaves.
func isCopy(b *cluster.Board, i cluster.Instance) bool {
	return b.Shards[i.ID.Shard].Instance != i.ID && !b.Leaves(i)
}
