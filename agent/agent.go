// Package agent is the hands of one host: it makes the host look like the board
// says, carries hand-over orders out, feeds the proxy and reports what it sees.
package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/proxy"
)

// Board is where the agent reads what shall be.
type Board interface {
	Board() *cluster.Board
	Subscribe(ctx context.Context) <-chan *cluster.Board
	// Sync returns a board that shows everything committed before the call.
	Sync(ctx context.Context) (*cluster.Board, error)
	// ServeUntil is the instant of the boot-time clock, in nanoseconds, until
	// which this host's proxy may serve.
	ServeUntil() int64
	// ServeSince is the instant at which the lease was taken that gives this right.
	ServeSince() int64
	// Current reports whether the board is at least as new as any that this host was
	// ever shown.
	Current() bool
	// Alive returns the nodes whose lease stands.
	Alive() map[int]bool
}

// Peers reaches the other daemons.
type Peers interface {
	// Call sends in to a path of the node's daemon and decodes the answer into out.
	Call(ctx context.Context, node int, path string, in, out any) error
}

// Config is what an Agent is made of.
type Config struct {
	Node   int
	BootID string        // changes with each start of the daemon
	Shards string        // folder that holds the instances' folders
	Binary engine.Binary // of new processes; what takes its place later is noticed
	Board  Board
	Peers  Peers
	Proxy  *proxy.Client
	// ProxySocket is the proxy's control socket.
	ProxySocket string
	// StartProxy starts this host's proxy process, detached.
	StartProxy func(ctx context.Context) error
	// Report hands an observation to the leader.
	Report func(ctx context.Context, r cluster.Report) error
	// Drained tells this host's discovery what others are told by PathDrained.
	Drained func(Drained)
	Logger  *slog.Logger
}

// The times of the loop.
const (
	lookEvery   = 250 * time.Millisecond
	lookOften   = 40 * time.Millisecond  // while something here is on the move
	lookFor     = 600 * time.Millisecond // one process's answer
	actFor      = 3 * time.Second        // one act on one process
	turnFor     = 4 * time.Second        // what is told of the others waits for one that takes longer
	firstWait   = 100 * time.Millisecond // after an act that failed
	lastWait    = 5 * time.Second        // after many in a row
	reportFor   = time.Second
	feedEvery   = 300 * time.Millisecond
	proxyAnswer = 2 * time.Second
)

// Agent is one host's. Safe for concurrent use.
type Agent struct {
	cfg    Config
	engine *engine.Installed
	orders orders
	kick   chan struct{} // has the loop look now

	converging sync.WaitGroup // for what is being done beside the loop
	scan       func(shards string) ([]string, error)
	disk       errand[onDisk]
	onDisk     *onDisk // nil: not seen yet; the loop's
	writing    errand[error]
	asking     errand[cluster.ProxyReport]
	setAside   errand[[]cluster.FormerFiles]
	formerLeft []cluster.FormerFiles // the loop's

	issued   issued
	promises *Promises
	alone    alone

	departures departures
	applying   sync.Mutex // held while the proxy gets routes, so that newer ones come later

	proxyAgain     time.Time           // when it may be started again; of who asks it, as the next
	proxyWait      time.Duration       // since the last start that came to nothing
	silentSince    time.Time           // when the living proxy stopped to answer
	fedCertificate cluster.Certificate // with the last routes
	// former are the files set aside, by name, as they were measured; of who measures them.
	former map[string]cluster.FormerFiles

	mu        sync.Mutex // guards everything that follows
	processes map[cluster.InstanceID]*process
	sequence  int64
	routes    int64 // board revision whose routes the proxy applied; 0: feed it
}

// New returns an Agent that does nothing until Run.
func New(cfg Config) *Agent {
	return &Agent{
		cfg:       cfg,
		engine:    engine.Watch(cfg.Binary),
		scan:      engine.Scan,
		processes: map[cluster.InstanceID]*process{},
		orders:    orders{known: map[string]*running{}},
		kick:      make(chan struct{}, 1),
		promises:  NewPromises(bootTime()),
	}
}

// Run converges and reports until ctx ends. Engines and the proxy go on
// without it: the next Run finds and adopts them.
func (a *Agent) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.converge(ctx) })
	group.Go(func() error { return a.feed(ctx) })
	group.Go(func() error { return a.serveAlone(ctx) })
	group.Go(func() error { return a.watchDrains(ctx) })
	err := group.Wait()
	a.orders.wait.Wait()
	a.converging.Wait()
	a.release()
	return err
}

// converge is the wheel on this host: look at the board, act, observe, report.
func (a *Agent) converge(ctx context.Context) error {
	boards := a.cfg.Board.Subscribe(ctx)
	next := time.NewTimer(lookEvery)
	defer next.Stop()
	var last *cluster.Board
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-boards:
		case <-a.kick:
		case <-next.C:
		}
		again := time.Now().Add(lookEvery)
		next.Reset(lookEvery)
		board := a.cfg.Board.Board()
		if board.Cluster.ID == "" || !a.lookAtDisk(ctx) {
			continue
		}
		moving, some := onTheMove(board, a.cfg.Node)
		if some {
			again = time.Now().Add(lookOften)
		}
		touched := touches(last, board)
		last = board
		report, due := a.turn(ctx, board, func(p *process) bool { return !moving[p.id] && !touched(p.id) && p.justSeen() })
		next.Reset(max(0, min(time.Until(again), time.Until(due))))
		reportCtx, cancel := context.WithTimeout(ctx, reportFor)
		if err := a.cfg.Report(reportCtx, report); err != nil && ctx.Err() == nil {
			a.cfg.Logger.Debug("report not taken", "error", err)
		}
		cancel()
	}
}

// onTheMove returns the instances of which somebody waits for what this host will
// show: a copy, or the master that shall feed it, a hand-over; and whether there are
// any, or an endpoint that comes or goes.
func onTheMove(b *cluster.Board, node int) (moving map[cluster.InstanceID]bool, some bool) {
	moving = map[cluster.InstanceID]bool{}
	feeds := map[cluster.InstanceID]bool{}
	for _, i := range b.Instances {
		if isCopy(b, i) && i.Seed.IsZero() {
			feeds[b.Ranges[i.Range].Master] = true
		}
	}
	for _, i := range b.InstancesOn(node) {
		if isCopy(b, i) || b.Leaves(i) || feeds[i.ID] || !i.Started || b.Ranges[i.Range].Handover != nil {
			moving[i.ID], some = true, true
		}
	}
	for _, e := range b.Endpoints {
		some = some || e.ServedBy(node) && len(e.Opening)+len(e.Draining) > 0
	}
	return moving, some
}

// turn makes the host look like the board and tells what it then sees, and of the
// processes that rest, what it has just seen; and when the first of all is to be asked
// again, at the latest.
func (a *Agent) turn(ctx context.Context, board *cluster.Board, rests func(*process) bool) (r cluster.Report, due time.Time) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnFor)
	defer cancel()
	proxyReport := cluster.ProxyReport{Up: true, Silent: true} // of one with which something takes long
	var wait sync.WaitGroup
	wait.Go(func() {
		if r, over := a.asking.run(limit, &a.converging, func() cluster.ProxyReport { return a.convergeProxy(ctx, board) }); over {
			proxyReport = r
		}
	})
	wait.Go(func() {
		if left, over := a.setAside.run(limit, &a.converging, func() []cluster.FormerFiles { return a.convergeFormer(board) }); over {
			a.formerLeft = left
		}
	})
	instances, due := a.convergeInstances(ctx, limit, board, rests)
	wait.Wait()

	a.mu.Lock()
	a.sequence++
	sequence := a.sequence
	a.mu.Unlock()
	return cluster.Report{
		Node: a.cfg.Node, Sequence: sequence, Revision: board.Revision, BootID: a.cfg.BootID, Incarnation: board.Cluster.Incarnation,
		Bound: a.promises.Bound(board, bootTime()), Alone: a.Alone(), AloneCounts: a.aloneCounts(),
		Instances: instances, Proxy: proxyReport, FreeMemory: min(freeMemory(), board.Nodes[a.cfg.Node].TotalMemory),
		Engine: cluster.Engine{Flavour: a.onDisk.program.Flavour, Version: a.onDisk.program.Version},
		Host:   a.onDisk.host, FormerFiles: a.formerLeft, Troubles: a.troubles(),
	}, due
}

// program is the engine that a process started now would run.
func (a *Agent) program() engine.Binary {
	b, _ := a.engine.Now() // what is wrong with it the next start will say
	return b
}

// feed keeps telling the proxy until when it may serve.
func (a *Agent) feed(ctx context.Context) error {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	var fed right
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := right{until: a.cfg.Board.ServeUntil()}
		now.since = a.cfg.Board.ServeSince() // of that lease, or a newer one
		next, ok := fed.next(now, bootTime(), a.routesApplied() >= a.cfg.Board.Board().Revision)
		if !ok {
			continue
		}
		feedCtx, cancel := context.WithTimeout(ctx, feedEvery)
		if a.cfg.Proxy.ServeUntil(feedCtx, next.until) == nil {
			fed = next
		}
		cancel()
	}
}

// right is a right to serve: until when, and since when there is the lease behind it.
// Instants are of the boot-time clock; zero: there is none.
type right struct{ until, since int64 }

// next is what the proxy is told next, that was told of this right, if anything. After a
// time without the right it comes back only with the routes of now: while this host
// counted as gone, others may have been promoted. So it does with another lease, and what
// the proxy has of the last one ends meanwhile. What it has from the daemon before stays.
func (fed right) next(held right, now int64, routed bool) (right, bool) {
	another := fed.since != 0 && held.since != fed.since
	switch {
	case held.until == 0:
		return fed, false
	case routed || now <= fed.until && !another:
		return held, true
	case another && fed.until > now:
		return right{now, fed.since}, true
	}
	return fed, false
}

func (a *Agent) routesApplied() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.routes
}

func (a *Agent) setRoutes(revision int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.routes = revision
}
