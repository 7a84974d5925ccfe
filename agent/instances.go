package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// process is one engine process of this host, or the folder of a former one.
type process struct {
	id  cluster.InstanceID
	dir string
	// ordered is held by a hand-over order: meanwhile the loop only looks.
	ordered sync.Mutex

	// The loop's.
	turn   errand[turned]   // what is being done with it
	last   cluster.Observed // what was seen of it
	lastAt time.Time        // when that was asked

	// The rest belongs to whoever converges it, one at a time.
	engine   *engine.Process  // nil while there is none
	settled  bool             // there was nothing to do with it
	adopted  bool             // an earlier process of the folder was looked for
	failure  string           // why it is not running
	started  time.Time        // when its process was started, if by this daemon
	loads    bool             // it was started with files, and has not been up yet
	ends     int              // how many of them have ended soon, one after the other
	told     cluster.Settings // what its engine was told last; zero: not known
	tellAt   time.Time        // not before, after it did not take them
	port     int              // that the board orders; another one deserves a fresh try
	answered time.Time        // when its process last answered, or was first seen
	linked   time.Time        // when its process was last seen linked to its source, or first seen
	users    settled          // who its clients are, as it was last told
	usersDue string           // why it has not been
	usersAt  time.Time        // before which it is not told again
	wait     time.Duration    // after a failed act
	next     time.Time        // before which no act is tried again
}

// What is planned for a process is what its engine is told: this does not compile otherwise.
const _ = uint(cluster.Backlog-engine.Backlog) + uint(engine.Backlog-cluster.Backlog)

// turned is what was seen of an instance after what was done with it, if it is there.
type turned struct {
	seen  cluster.Observed
	there bool
}

// convergeInstances brings every instance of this host towards what the board
// orders, all at once, and returns what is seen of them afterwards. Folders
// without an order are emptied of their process and removed. One that takes long, as on
// a disk that hardly moves, keeps nobody from hearing of the others: it is not looked at
// again before that is over, and counts as silent. Nor is one that rests, before it is due.
func (a *Agent) convergeInstances(ctx, limit context.Context, board *cluster.Board, rests func(*process) bool) (seen map[cluster.InstanceID]cluster.Observed, due time.Time) {
	seen, due = map[cluster.InstanceID]cluster.Observed{}, time.Now().Add(lookEvery)
	var begun, resting []*process
	for _, p := range a.inventory(board) {
		if rests(p) {
			resting = append(resting, p)
			if at := p.lastAt.Add(lookEvery); at.Before(due) {
				due = at
			}
			continue
		}
		p.last, p.lastAt = cluster.Observed{}, time.Now()
		if p.turn.begin(&a.converging, func() turned {
			o, there := a.convergeOne(ctx, board, p)
			return turned{o, there}
		}) {
			begun = append(begun, p)
		} else {
			seen[p.id] = p.late()
		}
	}
	for _, p := range begun {
		switch t, over := p.turn.await(limit); {
		case !over:
			seen[p.id] = p.late()
		case t.there:
			seen[p.id] = t.seen
			if p.settled { // nobody converges it now
				p.last = t.seen
			}
		default:
			a.forget(p.id)
		}
	}
	for _, p := range resting {
		seen[p.id] = p.seenBefore()
	}
	return seen, due
}

// late is what is told of an instance with which something is done that takes long.
func (p *process) late() cluster.Observed {
	took := time.Since(p.turn.since)
	return cluster.Observed{
		State: cluster.Unresponsive, SilentFor: took.Truncate(time.Millisecond),
		Reason: fmt.Sprintf("what is done with it on its host takes long: %v by now", took.Truncate(time.Second)),
	}
}

// inventory returns a process for every instance that is wanted and for every
// folder that is there.
func (a *Agent) inventory(board *cluster.Board) []*process {
	var ids []cluster.InstanceID
	for _, i := range board.InstancesOn(a.cfg.Node) {
		ids = append(ids, i.ID)
	}
	for _, dir := range a.onDisk.folders {
		var id cluster.InstanceID
		if id.UnmarshalText([]byte(filepath.Base(dir))) == nil && !id.IsZero() && id.String() == filepath.Base(dir) {
			ids = append(ids, id)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		if a.processes[id] == nil {
			a.processes[id] = &process{id: id, dir: filepath.Join(a.cfg.Shards, id.String())}
		}
	}
	return slices.Collect(maps.Values(a.processes))
}

func (a *Agent) forget(id cluster.InstanceID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.processes, id)
}

// convergeOne does what one instance needs and observes it. It reports false
// once neither an order nor a trace of it is left.
//
// Before it acts it reads the board again, past everything committed before the
// process was looked at. This host's own copy of the board may lag, and acting
// on it could demote a master that was promoted a moment ago, or start one empty.
func (a *Agent) convergeOne(ctx context.Context, board *cluster.Board, p *process) (cluster.Observed, bool) {
	p.settled = false
	if err := a.adopt(board, p); err != nil { // it counts as silent: nobody waits for it for ever
		return p.observed(&engine.Observation{State: engine.Unresponsive, Reason: err.Error()}), true
	}
	if i := board.Instances[p.id]; i.Port != p.port {
		p.port, p.failure = i.Port, ""
		p.failed(nil)
	}
	o := a.look(ctx, p)
	if acksAwaited(board, p.id, o) && p.ordered.TryLock() {
		a.askAcks(ctx, p)
		o = a.look(ctx, p)
		p.ordered.Unlock()
	}
	if misplaced(board, p) && p.ordered.TryLock() {
		defer p.ordered.Unlock()
		if fresh, err := a.sync(ctx); err == nil && misplaced(fresh, p) {
			a.cfg.Logger.Warn("process listens on a port it no longer has: it is ended", "instance", p.id, "port", p.engine.Port)
			if err := p.engine.Kill(); err != nil {
				return cluster.Observed{State: cluster.Unresponsive, Reason: err.Error()}, true
			}
			p.letGo()
		}
		return p.observed(a.look(ctx, p)), true
	}
	owes := p.owes(board, o)
	if owes && p.usersDue == "" {
		p.usersDue = "it has not been told of it yet"
	}
	if s := Next(board, p.id, o); s.Act == Rest && (!owes || time.Now().Before(p.usersAt)) && !p.untold(board, o) {
		p.settled = true
		if o == nil {
			p.failure = s.Reason
		}
	} else if time.Now().After(p.next) && p.ordered.TryLock() {
		defer p.ordered.Unlock()
		fresh, err := a.sync(ctx)
		if err != nil {
			return p.observed(o), true
		}
		board = fresh
		s := Next(board, p.id, o)
		switch owes = p.owes(board, o); {
		case s.Act != Rest:
		case p.untold(board, o):
			s.Act = Tune
		case owes:
			s.Act = SetClients
		}
		a.do(ctx, board, p, s, o)
		o = a.look(ctx, p)
		owes = p.owes(board, o)
	}
	if !owes {
		p.usersDue = ""
	}
	if _, wanted := board.Instances[p.id]; !wanted && p.engine == nil && !exists(p.dir) {
		return cluster.Observed{}, false
	}
	return p.observed(o), true
}

// acksAwaited reports whether a copy is only known to be fed by the master once it
// has acknowledged something, and a move waits for that.
func acksAwaited(b *cluster.Board, id cluster.InstanceID, o *engine.Observation) bool {
	r := b.Ranges[b.Instances[id].Range]
	return o != nil && r.Master == id && r.Handover == nil && len(copying(b)[r.ID]) > 0 && o.AwaitsAck()
}

func (a *Agent) askAcks(ctx context.Context, p *process) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	if err := p.engine.AskAcks(ctx); err != nil {
		a.cfg.Logger.Debug("replicas were not asked how far they are", "instance", p.id, "error", err)
	}
}

// misplaced reports whether the process listens where the board does not expect
// it. That can be so only of one that nobody is served by: the board gave it
// another port while it could not start on the first.
func misplaced(b *cluster.Board, p *process) bool {
	i, wanted := b.Instances[p.id]
	r := b.Ranges[i.Range]
	return wanted && p.engine != nil && p.engine.Port != i.Port && r.Handover == nil && r.Unsettled == "" && !(r.Master == i.ID && i.Started)
}

func (a *Agent) sync(ctx context.Context) (*cluster.Board, error) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	return a.cfg.Board.Sync(ctx)
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// adopt finds the process that an earlier daemon left running in the folder.
// Only a sure answer counts: a process that is there and not recognised must
// not be taken for gone.
func (a *Agent) adopt(board *cluster.Board, p *process) error {
	if p.adopted {
		return nil
	}
	found, running, err := engine.Adopt(p.dir)
	lost := err == nil && !running && board.Instances[p.id].Started // its folder may have been deleted under it
	if lost || errors.Is(err, engine.ErrDamaged) {
		found, running, err = engine.Recall(a.spec(board, p))
	}
	if err != nil {
		return fmt.Errorf("whether its process runs is not known: %w", err)
	}
	p.adopted = true
	if running {
		p.engine = found
		a.cfg.Logger.Info("process adopted", "instance", p.id, "pid", found.PID)
	}
	return nil
}

// look observes the process; nil means that none runs.
func (a *Agent) look(ctx context.Context, p *process) *engine.Observation {
	if p.engine != nil && !p.engine.Alive() {
		a.cfg.Logger.Warn("process gone", "instance", p.id, "pid", p.engine.PID)
		p.letGo()
		p.ended()
	}
	if p.engine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	o := p.engine.Observe(ctx)
	p.loads = p.loads && o.State != engine.Up
	return &o
}

// soon is how long a process runs that did not end at once.
const soon = 30 * time.Second

// ended notes that the process is gone. One that ends soon after each start is started
// less and less often, and why it ends is told: that its files do not load shows only
// when much of them has been read, and a replica may bear none of its master's writes.
func (p *process) ended() {
	if p.started.IsZero() || time.Since(p.started) > soon {
		p.ends = 0
		return
	}
	if p.ends++; p.ends == 1 {
		return
	}
	p.wait = firstWait << min(p.ends-2, 6) // what a start that went well has set back
	err := fmt.Errorf("it ends again and again: %s", engine.LastWords(p.dir))
	if p.loads {
		err = fmt.Errorf("%s: %w", cluster.NotLoaded, err)
	}
	p.failed(err)
	p.failure = err.Error()
}

// untold reports whether the engine has to be told what the board says of its database.
func (p *process) untold(b *cluster.Board, o *engine.Observation) bool {
	i, wanted := b.Instances[p.id]
	d, there := b.Databases[i.Range.Database]
	return wanted && there && o != nil && o.State == engine.Up && p.told != d.Settings() && time.Now().After(p.tellAt)
}

// tune tells the engine what the board says of its database. What it does not take keeps it
// from nothing else, and is tried again.
func (a *Agent) tune(ctx context.Context, b *cluster.Board, p *process) {
	want := b.Databases[b.Instances[p.id].Range.Database].Settings()
	if err := p.engine.Tune(ctx, want.Memory, want.Eviction, want.Events); err != nil {
		p.tellAt = time.Now().Add(lastWait)
		a.cfg.Logger.Warn("the engine does not take its settings", "instance", p.id, "error", err)
		return
	}
	p.told = want
}

// letGo forgets the process without touching it.
func (p *process) letGo() {
	if p.engine != nil {
		_ = p.engine.Close() // nothing is written through it
	}
	p.engine = nil
}

// do carries one act out, within its time. What failed shows in the next look.
func (a *Agent) do(ctx context.Context, board *cluster.Board, p *process, s Step, o *engine.Observation) {
	ctx, cancel := context.WithTimeout(ctx, actFor)
	defer cancel()
	if p.engine != nil {
		p.engine.Clients = clients(board, board.Instances[p.id].Range.Database)
	}
	var err error
	switch s.Act {
	case Rest:
		p.failure = s.Reason
		return
	case Discard:
		err = a.discard(p)
	case StartEmpty:
		err = a.start(ctx, board, p, nil, true)
	case StartFiles:
		err = a.start(ctx, board, p, nil, false)
		if errors.Is(err, engine.ErrEnded) || errors.Is(err, engine.ErrUnsaved) || errors.Is(err, engine.ErrNoFiles) {
			err = fmt.Errorf("%s: %w", cluster.NotLoaded, err)
		}
	case StartCopy:
		if err = a.whole(ctx, board, p, s.Source); err == nil {
			err = a.start(ctx, board, p, &s.Source, true)
		}
	case Follow:
		err = p.engine.Follow(ctx, s.Source)
	case FenceMaster:
		err = p.engine.Fence(ctx)
	case AdmitClients:
		err = p.engine.Admit(ctx)
	case Reinstate:
		r := board.Ranges[board.Instances[p.id].Range]
		_, err = p.engine.ServeAfterLoss(ctx, r.LastReplID, r.PrevReplID)
	case SetClients:
		a.setClients(ctx, p, o)
	case Tune:
		a.tune(ctx, board, p)
	}
	if errors.Is(err, engine.ErrPort) {
		err = fmt.Errorf("%s: %w", cluster.PortTaken, err)
	}
	p.failure = ""
	p.failed(err)
	if err != nil {
		p.failure = err.Error()
		a.cfg.Logger.Warn("an instance could not be brought where it belongs", "instance", p.id, "act", s.Act, "error", err)
	}
}

// failed paces the next act: after failures in a row it waits longer and longer.
func (p *process) failed(err error) {
	if err == nil {
		p.wait, p.next = 0, time.Time{}
		return
	}
	p.wait = min(max(2*p.wait, firstWait), lastWait)
	p.next = time.Now().Add(p.wait)
}

// whole makes sure that the source has data to copy, before what an earlier
// process left in the folder is removed: it may be the last copy.
func (a *Agent) whole(ctx context.Context, b *cluster.Board, p *process, source engine.Source) error {
	secrets := b.Secrets[b.Instances[p.id].Range.Database]
	from := engine.Instance{Name: "source " + source.String(), Address: source.Address, Port: source.Port, AgentPassword: secrets.Agent}
	o := from.Observe(ctx)
	if o.State != engine.Up || o.Role != engine.Master && !o.Copied {
		return fmt.Errorf("its source %s has nothing to copy yet: %s %s", source, o.State, o.Reason)
	}
	return nil
}

func (a *Agent) discard(p *process) error {
	if p.engine != nil {
		if err := p.engine.Kill(); err != nil {
			return err
		}
		a.cfg.Logger.Info("process ended", "instance", p.id, "pid", p.engine.PID)
		p.letGo()
	}
	return engine.Remove(p.dir)
}

// start brings a process up; from nil makes it a master. An empty start first
// removes what an earlier process left in the folder.
func (a *Agent) start(ctx context.Context, b *cluster.Board, p *process, from *engine.Source, empty bool) error {
	if empty {
		if err := a.clear(b, p); err != nil {
			return err
		}
	}
	spec := a.spec(b, p)
	spec.Source, spec.Resume = from, !empty
	started, err := engine.Start(ctx, spec)
	if err != nil {
		return err
	}
	p.engine, p.started, p.loads = started, time.Now(), !empty
	p.told, p.tellAt = b.Databases[b.Instances[p.id].Range.Database].Settings(), time.Time{}
	a.cfg.Logger.Info("process started", "instance", p.id, "pid", started.PID, "port", spec.Port, "replica", from != nil)
	return nil
}

// clear removes what an earlier process left in the folder. In a recovered cluster
// the first time it is set aside, under a name that says which life came after it:
// the saved state may not know that it is the last copy of something.
func (a *Agent) clear(b *cluster.Board, p *process) error {
	if !b.Cluster.Recovered.IsZero() {
		aside := fmt.Sprintf("%s%s%d", p.dir, beforeLife, b.Cluster.Incarnation)
		if exists(p.dir) && !exists(aside) {
			a.cfg.Logger.Warn("files of the cluster's former life are set aside: haulout status former_files lists them, for you to delete when all data is known to be there", "instance", p.id, "folder", aside)
		}
		if err := engine.SetAside(p.dir, aside); err != nil {
			return err
		}
	}
	return engine.Remove(p.dir)
}

// spec is what the board says of the instance's engine.
func (a *Agent) spec(b *cluster.Board, p *process) engine.Spec {
	i := b.Instances[p.id]
	d, s := b.Databases[i.Range.Database], b.Secrets[i.Range.Database]
	return engine.Spec{
		Name: p.id.String(), Dir: p.dir, Binary: a.program(), Address: b.Nodes[i.Node].Address, Port: i.Port,
		MaxMemory: d.ShardMemory(), Eviction: d.Eviction, Events: d.Events, AOF: d.Persistence == "aof",
		MinReplicas: d.MinReplicas, MinReplicasLag: cluster.MinReplicasLag,
		Users: engine.Users{Agent: s.Agent, Replica: s.Replica, Proxy: s.Proxy},
	}
}

// observed turns what was seen into a report's words.
func (p *process) observed(o *engine.Observation) cluster.Observed {
	if o == nil {
		return cluster.Observed{State: cluster.Absent, Reason: p.failure, Kept: kept(p.dir)}
	}
	seen := cluster.Observed{
		State: cluster.ProcessState(o.State), Reason: o.Reason, PID: o.PID, RunID: o.RunID, Engine: cluster.Engine{Flavour: o.Flavour, Version: o.Version},
		Role: cluster.Role(o.Role), Serving: o.Serving, UsersDue: p.usersDue, ReplicationID: o.ReplID, ReplicationID2: o.ReplID2, Offset: o.Offset,
		Linked: o.LinkUp, Syncing: o.Syncing, SyncedBytes: o.SyncedBytes, SyncTotal: o.SyncTotal, EverLinked: o.Copied, Unsaved: o.Unsaved,
		BacklogFirst: o.BacklogFirst, BacklogLast: o.BacklogFirst + o.BacklogBytes,
		Settings: p.told, UsedMemory: o.UsedMemory, Dataset: o.UsedMemoryDataset, Keys: o.Keys, Fragmentation: o.Fragmentation,
	}
	for _, replica := range o.Feeds() {
		seen.Feeds = append(seen.Feeds, replica.String())
	}
	if seen.Reason == "" {
		seen.Reason = p.failure
	}
	if o.State != engine.Unresponsive || p.answered.IsZero() {
		p.answered = time.Now()
	} else {
		seen.SilentFor = time.Since(p.answered).Truncate(time.Millisecond)
	}
	if o.Role != engine.Slave || o.LinkUp || p.linked.IsZero() {
		p.linked = time.Now()
	}
	if o.Role == engine.Slave {
		seen.Source, seen.UnlinkedFor = o.Source.String(), time.Since(p.linked).Truncate(time.Millisecond)
	}
	return seen
}

// release lets go of the processes: they run on.
func (a *Agent) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.processes {
		p.letGo()
	}
}
