package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/proxy"
)

// The paths on which daemons talk about hand-overs.
const (
	PathHandover = "/handover" // leader -> executor: cluster.Order -> cluster.Outcome
	PathHold     = "/hold"     // executor -> hosts with proxies: RangeCall
	PathAim      = "/aim"
	PathRelease  = "/release"
)

// Times of a hand-over. A hold ends by itself if the executor dies.
const (
	promoteFor = 3 * time.Second
	// catchUpFor bounds how long clients are held up for a target that turns out
	// to be late; the hand-over is then given up and tried again.
	catchUpFor = 60 * time.Millisecond
	holdFor    = 5 * time.Second
	// predecessorAnswer is how long a host that is believed gone may take to show
	// that its engine lives; catchUpAlone how long its successor may take to get
	// the rest of its data, while nobody is served.
	predecessorAnswer = 500 * time.Millisecond
	catchUpAlone      = 2 * time.Second
	holdAnswer        = 30 * time.Millisecond
	aimAnswer         = 300 * time.Millisecond
	keepOrders        = 64
)

// RangeCall is what an executor asks of the proxies about one range.
type RangeCall struct {
	Range      cluster.RangeID `json:"range"`
	Generation int64           `json:"generation"`
	Address    string          `json:"address,omitempty"`
	For        time.Duration   `json:"for,omitempty"`
}

// orders remembers what this host was ordered to carry out.
type orders struct {
	wait sync.WaitGroup

	mu    sync.Mutex // guards everything that follows
	epoch int64      // highest seen
	known map[string]*running
	age   []string
}

// running is an order that is being carried out, or its outcome.
type running struct {
	done    chan struct{}
	outcome cluster.Outcome
}

// Handover carries an order out and returns the outcome. The same order again
// joins the one under way, or gets its outcome; one of unknown outcome is
// continued from what the engines show.
func (a *Agent) Handover(ctx context.Context, o cluster.Order) (cluster.Outcome, error) {
	r, err := a.admit(o)
	if err != nil {
		return cluster.Outcome{}, err
	}
	select {
	case <-r.done:
		return r.outcome, nil
	case <-ctx.Done():
		return cluster.Outcome{Result: cluster.Unknown, Reason: "the hand-over is still under way"}, nil
	}
}

func (a *Agent) admit(o cluster.Order) (*running, error) {
	a.orders.mu.Lock()
	defer a.orders.mu.Unlock()
	if o.Epoch < a.orders.epoch {
		return nil, cluster.Refuse(cluster.CodeStale, "", "order %s is of epoch %d, this host has seen %d", o.ID, o.Epoch, a.orders.epoch)
	}
	a.orders.epoch = o.Epoch
	if r, known := a.orders.known[o.ID]; known {
		select {
		case <-r.done:
			if r.outcome.Result != cluster.Unknown {
				return r, nil
			}
		default:
			return r, nil
		}
	} else if a.orders.age = append(a.orders.age, o.ID); len(a.orders.age) > keepOrders {
		delete(a.orders.known, a.orders.age[0])
		a.orders.age = a.orders.age[1:]
	}
	r := &running{done: make(chan struct{})}
	a.orders.known[o.ID] = r
	deadline := bootTime() + o.TTL.Nanoseconds()
	a.orders.wait.Go(func() {
		defer close(r.done)
		// The order outlives the call that brought it: its own time bounds it.
		ctx, cancel := context.WithTimeout(context.Background(), o.TTL)
		defer cancel()
		r.outcome = a.carryOut(ctx, o, deadline)
		a.cfg.Logger.Info("order carried out", append([]any{"order", o.ID, "range", o.Range, "from", o.From, "to", o.To}, r.outcome.Told()...)...)
	})
	return r, nil
}

// bootTime reads the clock that goes on counting while the host sleeps, in
// nanoseconds.
func bootTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // the clock exists on every Linux we run on
	}
	return t.Nano()
}

func (a *Agent) carryOut(ctx context.Context, o cluster.Order, deadline int64) cluster.Outcome {
	board, err := a.cfg.Board.Sync(ctx)
	if err != nil {
		return cluster.Outcome{Result: cluster.Unknown, Reason: "the board can not be read: " + err.Error()}
	}
	from, fromOK := board.Instances[o.From]
	to, toOK := board.Instances[o.To]
	if !toOK || (!fromOK && !o.Unplanned) {
		return cluster.Outcome{Result: cluster.Unmoved, Reason: "one of the two instances is not on the board"}
	}
	if h := board.Ranges[o.Range].Handover; h == nil || h.ID != o.ID {
		return cluster.Outcome{Result: cluster.Unmoved, Reason: "the hand-over is not open any more"}
	}
	release, free := a.claim(ctx, o.From, o.To)
	if !free {
		return cluster.Outcome{Result: cluster.Unknown, Reason: "one of the two instances is being worked on"}
	}
	defer release()
	nodes := hostsOf(board, o.Range.Database, a.cfg.Board.Alive())
	aim := RangeCall{Range: o.Range, Generation: o.Generation, Address: source(board, to).String()}
	if o.Unplanned {
		return a.takeOver(ctx, board, from, to, nodes, aim, deadline)
	}
	hold := RangeCall{Range: o.Range, Generation: o.Generation, For: holdFor}
	out := engine.Handover{
		Source: instance(board, from), Target: instance(board, to),
		CatchUpFor: catchUpFor,
		Allowed:    func() bool { return bootTime() < deadline },
		Hold:       func(ctx context.Context) bool { return a.tell(ctx, nodes, PathHold, hold, holdAnswer) == nil },
		Aim:        func(ctx context.Context) error { return a.tell(ctx, nodes, PathAim, aim, aimAnswer) },
		Release:    func(ctx context.Context) { _ = a.tell(ctx, nodes, PathRelease, hold, aimAnswer) }, // holds end by themselves
	}.Run(ctx)
	return outcome(out)
}

func outcome(out engine.Outcome) cluster.Outcome {
	return cluster.Outcome{
		Result: cluster.Result(out.Result), ReplID: out.ReplID, Offset: out.FinalOffset, Reason: out.Reason, Pause: out.Pause,
		TargetSilent: out.TargetSilent, Whole: out.Result == engine.Moved,
	}
}

// takeOver makes an instance of this host master in place of one that is gone or
// not to be trusted. The leader orders it only when the old generation is closed
// everywhere. A predecessor that still answers, because only its daemon died, is
// handed over from like any other: the last writes it acknowledged may not have
// come here yet, and as long as that is so nobody is promoted. So it is while this
// host has promised to others, who serve without a lease, not to.
func (a *Agent) takeOver(ctx context.Context, board *cluster.Board, from, to cluster.Instance, nodes []int, aim RangeCall, deadline int64) cluster.Outcome {
	if a.promises.Forbids(to.Range, to.ID, bootTime()) {
		return cluster.Outcome{Result: cluster.Unknown, Reason: "this host has promised for a while not to promote it"}
	}
	if from.ID == (cluster.InstanceID{}) {
		return a.promote(ctx, board, from.ID, to, nodes, aim)
	}
	predecessor, successor := instance(board, from), instance(board, to)
	out := engine.Handover{
		Source: predecessor, Target: successor,
		AnswerFor: predecessorAnswer, CatchUpFor: catchUpAlone,
		Allowed: func() bool { return bootTime() < deadline },
		Aim:     func(ctx context.Context) error { return a.tell(ctx, nodes, PathAim, aim, aimAnswer) },
	}.Run(ctx)
	switch {
	case out.Result == engine.Moved:
		return outcome(out)
	case out.SourceSilent: // another look would find no more
		return a.promote(ctx, board, from.ID, to, nodes, aim)
	}
	look, cancel := context.WithTimeout(ctx, predecessorAnswer)
	defer cancel()
	p := predecessor.Observe(look)
	if p.Blind {
		return cluster.Outcome{Result: cluster.Unknown, Reason: "whether its predecessor lives could not be asked: " + p.Reason}
	}
	if p.State != engine.Up || p.Role != engine.Master {
		return a.promote(ctx, board, from.ID, to, nodes, aim)
	}
	reason := "its predecessor lives and may have more: " + out.Reason
	// A copy is made from another replica as long as there is one: it is led to the master.
	if s := successor.Observe(ctx); s.Role == engine.Slave && s.Source != source(board, from) && s.ContinuesFrom(p) {
		if err := successor.Follow(ctx, source(board, from)); err != nil {
			reason += "; it can not be followed: " + err.Error()
		}
	}
	return cluster.Outcome{Result: cluster.Unknown, Reason: reason}
}

// promote makes an instance of this host master without its predecessor's help.
func (a *Agent) promote(ctx context.Context, board *cluster.Board, from cluster.InstanceID, to cluster.Instance, nodes []int, aim RangeCall) cluster.Outcome {
	ctx, cancel := context.WithTimeout(ctx, promoteFor)
	defer cancel()
	if why := a.lacking(ctx, board, from, to); why != "" {
		return cluster.Outcome{Result: cluster.Unmoved, Reason: why}
	}
	r := board.Ranges[to.Range]
	promotion, err := instance(board, to).ServeAfterLoss(ctx, r.LastReplID, r.PrevReplID)
	if err != nil {
		return cluster.Outcome{Result: cluster.Unknown, Reason: err.Error()}
	}
	if err := a.tell(ctx, nodes, PathAim, aim, aimAnswer); err != nil {
		a.cfg.Logger.Debug("proxies learn of the promotion from the board", "error", err)
	}
	return cluster.Outcome{Result: cluster.Moved, ReplID: promotion.ReplID, Offset: promotion.Offset}
}

// claim keeps the converging loop away from this host's side of a hand-over. It
// reports false if the loop does not let go before ctx ends.
func (a *Agent) claim(ctx context.Context, ids ...cluster.InstanceID) (release func(), free bool) {
	a.mu.Lock()
	var mine []*process
	for _, id := range ids {
		if p := a.processes[id]; p != nil {
			mine = append(mine, p)
		}
	}
	a.mu.Unlock()
	var held []*process
	release = func() {
		for _, p := range held {
			p.ordered.Unlock()
		}
	}
	for _, p := range mine {
		for !p.ordered.TryLock() {
			select {
			case <-ctx.Done():
				release()
				return nil, false
			case <-time.After(time.Millisecond):
			}
		}
		held = append(held, p)
	}
	return release, true
}

// hostsOf returns the live nodes whose proxies serve the database.
func hostsOf(board *cluster.Board, database int, alive map[int]bool) []int {
	var nodes []int
	for _, n := range cluster.Sorted(board.Nodes) {
		for _, e := range board.EndpointsOf(database) {
			if alive[n.ID] && e.ServedBy(n.ID) {
				nodes = append(nodes, n.ID)
				break
			}
		}
	}
	return nodes
}

// tell says the same to the proxies of several nodes at once, this host's
// included, and waits for their answers at most for the given time.
func (a *Agent) tell(ctx context.Context, nodes []int, path string, call RangeCall, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	failures := make(chan error, len(nodes))
	for _, node := range nodes {
		go func() {
			if node == a.cfg.Node {
				failures <- a.Proxied(ctx, path, call)
				return
			}
			failures <- a.cfg.Peers.Call(ctx, node, path, call, nil)
		}()
	}
	var first error
	for range nodes {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Proxied passes an executor's call on to this host's proxy.
func (a *Agent) Proxied(ctx context.Context, path string, call RangeCall) error {
	switch path {
	case PathHold:
		drained, err := a.cfg.Proxy.Hold(ctx, proxy.Hold{Range: call.Range, Generation: call.Generation, For: call.For})
		if err == nil && !drained {
			err = fmt.Errorf("commands of range %s are still under way", call.Range)
		}
		return err
	case PathAim:
		return a.cfg.Proxy.Aim(ctx, proxy.Aim{Range: call.Range, Generation: call.Generation, Address: call.Address})
	case PathRelease:
		return a.cfg.Proxy.Release(ctx, proxy.Release{Range: call.Range, Generation: call.Generation})
	}
	return fmt.Errorf("no such call %s", path)
}

func instance(board *cluster.Board, i cluster.Instance) engine.Instance {
	return engine.Instance{
		Name: i.ID.String(), Address: board.Nodes[i.Node].Address, Port: i.Port,
		AgentPassword: board.Secrets[i.Range.Database].Agent, Clients: clients(board, i.Range.Database),
	}
}

// source is where others reach an instance.
func source(board *cluster.Board, i cluster.Instance) engine.Source {
	return engine.Source{Address: board.Nodes[i.Node].Address, Port: i.Port}
}
