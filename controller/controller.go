// Package controller carries actions out on the leader: it looks at the board
// and the reports, asks the pure rooms what is next, and commits it, one change
// at a time.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
	"github.com/haulout/haulout/plan"
	"github.com/haulout/haulout/recovery"
)

// Store is what the controller needs of the quorum.
type Store interface {
	// Board returns the committed state as this node knows it.
	Board() *cluster.Board
	// Subscribe delivers the newest board after each change until ctx ends.
	Subscribe(ctx context.Context) <-chan *cluster.Board
	// Commit writes the change if the epoch still leads and nothing it writes
	// was changed meanwhile, and returns the board that shows it.
	Commit(ctx context.Context, epoch int64, basis *cluster.Board, c cluster.Change) (*cluster.Board, error)
	// Alive returns the nodes whose lease stands.
	Alive() map[int]bool
	// Leader returns the node that leads, if one does.
	Leader() (node int, epoch int64, ok bool)
	// TrimLog deletes the oldest activity entries beyond those that are kept.
	TrimLog(ctx context.Context, epoch int64) error
}

// Executor sends orders to agents.
type Executor interface {
	// Handover asks the agent of a node to carry the order out, and waits for
	// the outcome.
	Handover(ctx context.Context, node int, o cluster.Order) (cluster.Outcome, error)
}

// Config is what a Controller is made of.
type Config struct {
	Node     int
	Store    Store
	Executor Executor
	// Members settles learners and voters; see [Membership].
	Members Membership
	// HandOn hands the office to the node; 0 lets any have it that is alive.
	HandOn func(ctx context.Context, node int) error
	Logger *slog.Logger
	// Clock is nil but in a simulation.
	Clock Clock
}

// The times of the loop.
const (
	// turnEvery is the pause between two looks when nothing changed.
	turnEvery = 200 * time.Millisecond
	// hearing is how long a new leader waits for the first report of every live
	// node before it goes on without.
	hearing = 10 * time.Second
	// commitFor bounds one transaction, decideFor a request with its wait for
	// the loop.
	commitFor = 5 * time.Second
	decideFor = 15 * time.Second
	// patience is how long a request waits for what may be otherwise in a moment.
	patience = 5 * time.Second
	// trimEvery is the pause between two looks at the length of the activity.
	trimEvery = 10 * time.Minute
)

// Controller runs on every node and acts on the one that leads. Safe for
// concurrent use.
type Controller struct {
	cfg     Config
	kick    chan struct{}
	submits chan submit
	serial  func(decide func(cluster.View) (cluster.Command, error)) error // instead of submits, when driven

	mu      sync.Mutex // guards everything that follows
	reports map[int]cluster.Report
	heardAt map[int]time.Time
	away    map[int]cluster.Report // by node without a lease: the last before that was seen
	marks   map[cluster.InstanceID]mark
	leading bool
	led     time.Time           // when it began
	seen    map[int64]time.Time // of this term; see cluster.View
}

type submit struct {
	decide func(cluster.View) (cluster.Command, error)
	done   chan error
}

// New returns a Controller that does nothing until it leads.
func New(cfg Config) *Controller {
	return &Controller{
		cfg:     cfg,
		kick:    make(chan struct{}, 1),
		submits: make(chan submit),
		reports: map[int]cluster.Report{},
		heardAt: map[int]time.Time{},
		away:    map[int]cluster.Report{},
		marks:   map[cluster.InstanceID]mark{},
	}
}

// Report takes in what a host observes.
func (c *Controller) Report(r cluster.Report) {
	c.mu.Lock()
	old, known := c.reports[r.Node]
	if !known || old.BootID != r.BootID || r.Sequence > old.Sequence {
		c.reports[r.Node] = r
		c.heardAt[r.Node] = c.now()
		c.remember(r)
	}
	c.mu.Unlock()
	c.wake()
}

func (c *Controller) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// View returns the board with all that is known about it now.
func (c *Controller) View() cluster.View { return c.view(c.cfg.Store.Board()) }

func (c *Controller) view(b *cluster.Board) cluster.View {
	leader, _, _ := c.cfg.Store.Leader()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now().UTC() // with the reading of the clock that is never set
	if c.leading {
		c.seen = b.FirstSeen(c.seen, now)
	}
	alive := c.cfg.Store.Alive()
	c.forget(alive)
	return cluster.View{
		Board: b, Now: now, Alive: alive, FirstSeen: c.seen,
		Leader: leader, Reports: maps.Clone(c.reports), HeardAt: maps.Clone(c.heardAt), Refusing: c.refusing(),
	}
}

// Leading reports whether this node leads at the moment.
func (c *Controller) Leading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leading
}

// Submit has the command evaluated and committed in the leader's serial loop.
func (c *Controller) Submit(ctx context.Context, cmd cluster.Command) error {
	return c.Decide(ctx, func(cluster.View) (cluster.Command, error) { return cmd, nil })
}

// Decide has a command made from the view in the serial loop, evaluated and
// committed, so that nothing changes between the look and the act.
func (c *Controller) Decide(ctx context.Context, decide func(cluster.View) (cluster.Command, error)) error {
	ctx, cancel := context.WithTimeout(ctx, decideFor)
	defer cancel()
	return c.inTurn(ctx, decide)
}

// inTurn is [Controller.Decide] with no time but that of ctx.
func (c *Controller) inTurn(ctx context.Context, decide func(cluster.View) (cluster.Command, error)) error {
	if c.serial != nil {
		return c.serial(decide)
	}
	s := submit{decide, make(chan error, 1)}
	select {
	case c.submits <- s:
	case <-ctx.Done():
		return noLeader()
	}
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		return cluster.Refuse(cluster.CodeDeadline, "look at what became of it before trying again", "no answer came in time")
	}
}

// CreateDatabase places a new database and commits it.
func (c *Controller) CreateDatabase(ctx context.Context, d cluster.Database, password, by string) (cluster.Database, error) {
	secrets := cluster.Secrets{Client: password, Agent: secret(), Replica: secret(), Proxy: secret()}
	var id int
	err := c.Decide(ctx, func(v cluster.View) (cluster.Command, error) {
		if err := d.Check(v.Board); err != nil {
			return nil, err
		}
		where, err := plan.Place(v, d)
		if err != nil {
			return nil, err
		}
		id = v.Cluster.NextDatabase
		return cluster.CreateDatabase{At: v.Now, Database: d, Secrets: secrets, Placement: where, By: by}, nil
	})
	if err != nil {
		return cluster.Database{}, err
	}
	return c.cfg.Store.Board().Databases[id], nil
}

// UpdateDatabase changes a database, if there is room for what it shall be.
func (c *Controller) UpdateDatabase(ctx context.Context, u cluster.UpdateDatabase) error {
	return c.Decide(ctx, func(v cluster.View) (cluster.Command, error) {
		if d, there := v.Databases[u.Database]; there && u.Told(d).Settings() != d.Settings() {
			if err := plan.Resize(v, u.Told(d)); err != nil {
				return nil, err
			}
		}
		return u, nil
	})
}

// StartAction checks the request and enqueues it. Refusals name every blocker
// and leave everything untouched.
//
// What may be otherwise in a moment is waited for, a little, before it is a reason
// to refuse: a replica that is catching up - after a first copy it may be behind
// for a second - and hosts whose word on the present board is still to come, as
// after a change of leader.
func (c *Controller) StartAction(ctx context.Context, a cluster.Action) error {
	for deadline := c.now().Add(patience); ; {
		err := c.startAction(ctx, a)
		if !passing(err) || c.now().After(deadline) || ctx.Err() != nil {
			return err
		}
		c.sleep(ctx, turnEvery)
	}
}

// passing reports whether every reason of a refusal may be gone in a moment.
func passing(err error) bool {
	var all cluster.Refusals
	if !errors.As(err, &all) || len(all) == 0 {
		return false
	}
	return !slices.ContainsFunc(all, func(e *cluster.Error) bool { return e.Code != cluster.CodeNotInSync && e.Code != cluster.CodeUnheard })
}

func (c *Controller) startAction(ctx context.Context, a cluster.Action) error {
	return c.Decide(ctx, func(v cluster.View) (cluster.Command, error) {
		if err := v.Settled(); err != nil {
			return nil, err
		}
		if err := v.Beside(a); err != nil {
			return nil, err
		}
		if err := maintenance.Refusals(maintenance.Preflight(v, a.Node, a.Name, a.Options)); err != nil {
			return nil, err
		}
		a.Created = v.Now
		return cluster.EnqueueAction{Action: a}, nil
	})
}

// ChangeMaster hands the office to the node, and returns when it has left this one.
func (c *Controller) ChangeMaster(ctx context.Context, node int, by string) error {
	there := false
	err := c.Decide(ctx, func(v cluster.View) (cluster.Command, error) {
		if err := v.MayLead(node); err != nil {
			return nil, err
		}
		if there = v.Leader == node; there {
			return nothing{}, nil
		}
		return cluster.RecordEntry{Entry: cluster.Entry{
			Time: v.Now, Type: "cluster_master_change_requested", Severity: "INFO", Node: node, By: by,
			Text: fmt.Sprintf("node:%d is to become the cluster master instead of node:%d", node, v.Leader),
		}}, nil
	})
	if err != nil || there {
		return err
	}
	return c.cfg.HandOn(ctx, node)
}

// Lead leads the control plane under the epoch until ctx ends.
func (c *Controller) Lead(ctx context.Context, epoch int64) error {
	t := c.newTerm(epoch)
	c.setLeading(true)
	defer c.setLeading(false)
	defer t.wait.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.ctx = ctx

	t.wait.Go(t.trim)
	boards := c.cfg.Store.Subscribe(ctx)
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-c.submits:
			s.done <- t.commit(s.decide)
		case <-boards:
		case <-c.kick:
		case <-tick.C:
		}
		if err := t.turn(); err != nil {
			c.cfg.Logger.Warn("turn ended early", "epoch", epoch, "error", err)
			if cluster.CodeOf(err) == cluster.CodeStale {
				return nil
			}
		}
	}
}

func (c *Controller) newTerm(epoch int64) *term {
	return &term{Controller: c, epoch: epoch, began: c.now(), orders: map[string]*order{}}
}

func (c *Controller) setLeading(leading bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leading, c.seen = leading, nil
	if leading { // what a former term was told is long since not so
		c.reports, c.heardAt, c.led = map[int]cluster.Report{}, map[int]time.Time{}, c.now()
	}
}

// term is one time in office.
type term struct {
	*Controller
	epoch   int64
	began   time.Time
	ctx     context.Context
	orders  map[string]*order // by hand-over
	wait    sync.WaitGroup    // for the goroutines that carry orders
	member  bool              // whether the membership is being settled
	leaves  bool              // whether the office is being handed on
	removes bool              // whether a node is being removed
	// outreached is by which voter this leader is, and since when.
	outreached struct {
		by    int
		since time.Time
	}
}

// tell brings what became of work beside the loop into it. A loop that is held up, as by a
// disk that hardly moves, is waited for while the term lasts: it counts on being told.
func (t *term) tell(decide func(cluster.View) (cluster.Command, error)) error {
	return t.inTurn(t.ctx, decide)
}

// heardAll reports whether every live node has reported to this leader, or has
// had the time to, or is known to be down.
func (t *term) heardAll(v cluster.View) bool {
	if t.since(t.began) > hearing {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for node := range v.Alive {
		_, heard := t.heardAt[node]
		if _, member := v.Nodes[node]; member && !heard && !v.Down(node) {
			return false
		}
	}
	return true
}

// commit evaluates one decision on the newest board and writes it down.
func (t *term) commit(decide func(cluster.View) (cluster.Command, error)) error {
	board := t.cfg.Store.Board()
	cmd, err := decide(t.view(board))
	if err != nil {
		return err
	}
	change, err := cmd.Apply(board)
	if err != nil || change.Empty() {
		return err
	}
	ctx, cancel := context.WithTimeout(t.ctx, commitFor)
	defer cancel()
	_, err = t.cfg.Store.Commit(ctx, t.epoch, board, change)
	return err
}

// turn asks every deciding room what is next and commits it. It returns when
// there is nothing to do but wait.
func (t *term) turn() error {
	for range 100 {
		v := t.view(t.cfg.Store.Board())
		t.yield(v)
		if v.Cluster.ID == "" || !t.heardAll(v) {
			return nil
		}
		t.sendOrders(v)
		t.settleMembers(v)
		t.removeNodes(v)
		t.stepDown(v)
		t.makeWay(v)
		done, err := t.step(v)
		if err != nil || done {
			return err
		}
	}
	return errors.New("still not at rest after 100 steps")
}

// trim keeps the activity at its length.
func (t *term) trim() {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		if err := t.cfg.Store.TrimLog(t.ctx, t.epoch); err != nil && t.ctx.Err() == nil {
			t.cfg.Logger.Warn("the activity was not trimmed", "error", err)
		}
		select {
		case <-t.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stepDown hands the office on when this node goes out of service and was asked
// to lead no more, or is to be removed. The action survives: the next leader goes
// on with it.
func (t *term) stepDown(v cluster.View) {
	asked := func(a cluster.Action) bool {
		leave := a.Name == cluster.RemoveNode && a.Marked || a.Options.DemoteNode
		return leave && !a.Status.Ended() && a.Node == t.cfg.Node
	}
	if slices.ContainsFunc(v.ActionsByAge(), asked) {
		t.leave(0, "this node goes out of service")
	}
}

// leave hands the office to the node, or, for 0, to any other.
func (t *term) leave(to int, why string) {
	if t.leaves {
		return
	}
	t.leaves = true
	t.cfg.Logger.Info("the office is handed on", "why", why)
	t.beside(func() {
		ctx, cancel := context.WithTimeout(t.ctx, commitFor)
		defer cancel()
		err := t.cfg.HandOn(ctx, to)
		if err == nil {
			return
		}
		t.cfg.Logger.Warn("the office was not handed on", "error", err)
		// Tried again by the next look; a term that has ended needs none.
		_ = t.tell(func(cluster.View) (cluster.Command, error) { t.leaves = false; return nothing{}, nil })
	})
}

// surely returns what a room decides. One that can not, by a fault of ours, must not end the
// daemon: every next leader would end by it, too. What it was about is given up instead.
func (t *term) surely(next func() []cluster.Command, otherwise ...cluster.Command) (list []cluster.Command) {
	defer func() {
		why := recover()
		if why == nil {
			return
		}
		t.cfg.Logger.Error("a room could not decide, by a fault of ours", "panic", why, "stack", string(debug.Stack()))
		list = otherwise
	}()
	return next()
}

// givesUp ends an action whose room can not decide about it. What it had in hand is left
// to the recovery room: copies that no move wants, endpoints on their way.
func givesUp(v cluster.View, a cluster.Action) []cluster.Command {
	why := cluster.Refuse(cluster.CodeInternal, "report this, with the log of the cluster master's daemon", "%s failed by a fault of ours", a.Name)
	var list []cluster.Command
	for _, m := range a.Moves {
		if m.Status == cluster.MoveRunning {
			list = append(list, cluster.FinishMove{At: v.Now, Action: a.ID, Move: m.ID, Status: cluster.MoveFailed, Error: why})
		}
	}
	return append(list, cluster.FailAction{At: v.Now, Action: a.ID, Status: cluster.ActionFailed, Error: why})
}

// step commits the first answer that changes something; done says that none does.
func (t *term) step(v cluster.View) (done bool, err error) {
	var rooms []func() []cluster.Command
	for _, next := range []func() []cluster.Command{
		func() []cluster.Command { return recovery.Settle(v) },
		func() []cluster.Command { return recovery.Lifecycle(v) },
		func() []cluster.Command { return recovery.Next(v, uuid.NewString) },
		func() []cluster.Command { return maintenance.Overdue(v) },
		func() []cluster.Command { return recovery.Endpoints(v) },
		func() []cluster.Command { return recovery.Liveness(v) },
		func() []cluster.Command { return recovery.Vacate(v, uuid.NewString) },
		func() []cluster.Command { return recovery.Rebuild(v) },
		func() []cluster.Command { return recovery.Seen(v) },
		func() []cluster.Command { return recovery.Deleted(v) },
	} {
		rooms = append(rooms, func() []cluster.Command { return t.surely(next) })
	}
	for _, a := range v.ActionsByAge() {
		if a.Status.Ended() {
			continue
		}
		rooms = append(rooms, func() []cluster.Command {
			return t.surely(func() []cluster.Command { return maintenance.Next(v, a, uuid.NewString) }, givesUp(v, a)...)
		})
	}
	for _, next := range rooms {
		revision := t.cfg.Store.Board().Revision
		for _, cmd := range next() {
			err := t.commit(func(cluster.View) (cluster.Command, error) { return cmd, nil })
			if code := cluster.CodeOf(err); code == cluster.CodeStale || code == cluster.CodeNoQuorum {
				return false, err
			}
			if err != nil { // one room's fault must not stop the others
				t.cfg.Logger.Error("a command was refused", "command", fmt.Sprintf("%T", cmd), "error", err)
				break
			}
		}
		if t.cfg.Store.Board().Revision != revision {
			return false, nil
		}
	}
	return true, nil
}
