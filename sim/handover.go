package sim

import (
	"context"
	"errors"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// How long engines may take to answer an executor.
const (
	answerFor         = time.Second
	predecessorAnswer = 500 * time.Millisecond
)

// order is one that a daemon was given, and its outcome.
type order struct {
	done    bool
	outcome cluster.Outcome
}

// Handover implements controller.Executor: the order goes to the node's agent, and
// the answer is waited for as long as the context would.
func (d *daemon) Handover(_ context.Context, node int, o cluster.Order) (cluster.Outcome, error) {
	w, late := d.w, d.w.now.Add(o.TTL+time.Second)
	w.boundary("order")
	lost := errors.New("no answer")
	if !d.lives() || !w.sends(d.node, node) || w.hosts[node].daemon == nil {
		return cluster.Outcome{}, lost
	}
	to := w.hosts[node].daemon
	for to.frozen() { // it reads the order when it goes on
		if !w.park(w.now.Add(tick)) || w.now.After(late) {
			return cluster.Outcome{}, lost
		}
	}
	r, err := to.admit(d.node, o)
	if err != nil {
		return cluster.Outcome{}, err
	}
	for !r.done {
		if !w.park(w.now) || !to.lives() {
			return cluster.Outcome{}, lost
		}
		if w.now.After(late) {
			return cluster.Outcome{Result: cluster.Unknown}, nil
		}
	}
	if !w.reaches(d.node, node) {
		return cluster.Outcome{}, lost
	}
	return r.outcome, nil
}

// admit takes an order on: one of a lower epoch is refused, one that is known is joined.
func (d *daemon) admit(from int, o cluster.Order) (*order, error) {
	w := d.w
	if !w.inQuorum(d.node) || w.quorum.leader != from || w.quorum.epoch != o.Epoch || o.Epoch < d.epoch {
		return nil, cluster.Refuse(cluster.CodeStale, "", "an order of epoch %d", o.Epoch)
	}
	d.epoch = o.Epoch
	if r, known := d.orders[o.ID]; known && (!r.done || r.outcome.Result != cluster.Unknown) {
		return r, nil
	}
	r := &order{}
	d.orders[o.ID] = r
	deadline := w.now.Add(o.TTL)
	w.spawn(d, func() {
		r.outcome = d.carryOut(o, deadline)
		r.done = true
	})
	return r, nil
}

func (d *daemon) carryOut(o cluster.Order, deadline time.Time) cluster.Outcome {
	w := d.w
	unmoved := func(why string) cluster.Outcome { return cluster.Outcome{Result: cluster.Unmoved, Reason: why} }
	if !w.inQuorum(d.node) {
		return unknown("the board can not be read")
	}
	board := w.quorum.board
	d.show(board) // what it synced to, its host knows
	from, fromOK := board.Instances[o.From]
	to, toOK := board.Instances[o.To]
	switch h := board.Ranges[o.Range].Handover; {
	case !toOK || !fromOK && !o.Unplanned:
		return unmoved("one of the two instances is not on the board")
	case h == nil || h.ID != o.ID:
		return unmoved("the hand-over is not open any more")
	}
	d.held[o.From], d.held[o.To] = true, true
	defer func() { delete(d.held, o.From); delete(d.held, o.To) }()
	x := &executor{
		World: w, d: d, o: o, deadline: deadline, board: board,
		from: engine.Source{Address: address(from.Node), Port: from.Port}, to: engine.Source{Address: address(to.Node), Port: to.Port},
	}
	if o.Unplanned {
		return x.takeOver(board.Ranges[o.Range])
	}
	out := x.run()
	out.TargetSilent = x.silent
	return out
}

// executor goes through the steps of engine.Handover. What that asks of engines
// over the network is asked here of the simulated ones.
type executor struct {
	*World
	d        *daemon
	o        cluster.Order
	deadline time.Time
	board    *cluster.Board
	from, to engine.Source

	final    int // where the source's history ended
	demoted  bool
	promoted bool // or may have been: it was sent
	silent   bool // the target did not answer at the look
}

// begin is a moment at which the executor may die or stand still; false: it died.
func (x *executor) begin(step string) bool {
	x.boundary(step)
	return x.park(x.now) && x.d.lives()
}

func (x *executor) allowed() bool { return x.now.Before(x.deadline) }

// reach returns the engine that listens there, if it answers this host.
func (x *executor) reach(s engine.Source) *process {
	if p := x.at(s); p != nil && !x.still(p) && x.reaches(x.d.node, p.node) {
		return p
	}
	return nil
}

// late sends something to an engine that stands still: it does it when it goes on.
func (x *executor) late(s engine.Source, do func(p *process)) {
	if p := x.at(s); p != nil && x.still(p) && x.reaches(x.d.node, p.node) {
		p.late = append(p.late, func() { do(p) })
	}
}

func (x *executor) proxies(do func(p *door) bool) {
	for _, n := range cluster.Sorted(x.board.Nodes) {
		for _, e := range x.board.EndpointsOf(x.o.Range.Database) {
			if e.ServedBy(n.ID) {
				x.call(x.d.node, n.ID, do)
				break
			}
		}
	}
}

func (x *executor) aim() {
	x.proxies(func(p *door) bool { return p.aim(x.o.Range, x.o.Generation, x.to.String()) })
}

func (x *executor) release() {
	x.proxies(func(p *door) bool { return p.release(x.o.Range, x.o.Generation) })
}

func unknown(why string) cluster.Outcome {
	return cluster.Outcome{Result: cluster.Unknown, Reason: why}
}

// await is reach for as long as an answer is waited for; a port that refuses answers at once.
func (x *executor) await(s engine.Source, within time.Duration) *process {
	if x.reach(s) == nil && !x.engineGone(s) {
		x.park(x.now.Add(within))
	}
	return x.reach(s)
}

// takeOver is Agent.takeOver.
func (x *executor) takeOver(r cluster.SlotRange) cluster.Outcome {
	if x.d.promises.Forbids(x.o.Range, x.o.To, x.nanos()) {
		return unknown("it was promised not to promote it")
	}
	if s := x.await(x.from, predecessorAnswer); s != nil && s.master {
		if out := x.run(); out.Result == cluster.Moved || !x.d.lives() {
			return out
		}
		if s := x.reach(x.from); s != nil && s.master {
			if t := x.reach(x.to); t != nil && !t.master && t.source != x.from && t.continuesFrom(s) {
				t.follow(x.from)
			}
			return unknown("its predecessor lives and may have more")
		}
	}
	if !x.begin("promote") {
		return unknown("dead")
	}
	p := x.reach(x.to)
	if p != nil {
		if why := x.lacking(p); why.Result != "" {
			return why
		}
	}
	if p == nil || !x.serveAfterLoss(p, r) {
		return unknown("it is not eligible")
	}
	if !x.begin("aim") {
		return unknown("dead")
	}
	x.aim()
	return cluster.Outcome{Result: cluster.Moved, ReplID: p.replid, Offset: int64(len(p.data))}
}

// lacking is Agent.lacking.
func (x *executor) lacking(p *process) cluster.Outcome {
	least := x.board.Databases[p.of.Database].MinReplicas
	if least == 0 {
		return cluster.Outcome{}
	}
	for _, n := range cluster.Sorted(x.board.Nodes) {
		for _, i := range x.board.InstancesOn(n.ID) {
			if i.Range != p.of || i.ID == p.id || i.ID == x.o.From || !i.Seed.IsZero() {
				continue
			}
			at := engine.Source{Address: address(i.Node), Port: i.Port}
			switch o := x.reach(at); {
			case o == nil && !x.engineGone(at):
				least--
			case o != nil && o.replid == p.replid && o.copied && !o.syncing && len(o.data) > len(p.data):
				return cluster.Outcome{Result: cluster.Unmoved, Reason: o.name() + " has more"}
			}
		}
	}
	if least <= 0 {
		return cluster.Outcome{Result: cluster.Unmoved, Reason: "a copy that may have more does not answer"}
	}
	return cluster.Outcome{}
}

// run looks at both engines and goes on from there.
func (x *executor) run() cluster.Outcome {
	if !x.begin("look") {
		return unknown("dead")
	}
	if !x.allowed() {
		return unknown("late")
	}
	s, t := x.await(x.from, answerFor), x.await(x.to, answerFor)
	if !x.d.lives() {
		return unknown("dead")
	}
	x.silent = t == nil
	switch {
	case t != nil && t.master:
		return x.finish(s, t)
	case s == nil && x.engineGone(x.from) && (t != nil || x.engineGone(x.to)):
		return cluster.Outcome{Result: cluster.Unmoved, Reason: "the source's process has ended"}
	case s == nil:
		return unknown("the source does not answer")
	case s.master:
		return x.start(s, t)
	case t == nil && x.engineGone(x.to):
		x.demoted = true
		return x.back("the target's process has ended")
	case t == nil:
		return unknown("the target does not answer")
	}
	if s.source != x.to || t.source != x.from {
		return unknown("they replicate from others")
	}
	defer x.release()
	x.demoted = true
	if !s.copied || s.syncing {
		return x.promote()
	}
	x.final = len(s.data)
	return x.settle()
}

func (x *executor) start(s, t *process) cluster.Outcome {
	if t == nil || t.source != x.from || t.syncing || !t.linked || !t.fed || t.replid != s.replid {
		if s.serving {
			return cluster.Outcome{Result: cluster.Unmoved, Reason: "the target is not ready"}
		}
		if t == nil && !x.engineGone(x.to) {
			return unknown("the source is fenced and the target does not answer")
		}
		return x.back("the target is not ready")
	}
	if !x.begin("hold") {
		return unknown("dead")
	}
	defer x.release()
	x.proxies(func(p *door) bool { return p.hold(x.o.Range, x.o.Generation, x.now.Add(5*time.Second)) })
	return x.steps()
}

func (x *executor) steps() cluster.Outcome {
	for _, step := range []struct {
		name string
		do   func(s *process) bool
		late func(s *process)
	}{
		{"pause", func(s *process) bool { s.pause, x.final = x.now.Add(3*time.Second), len(s.data); return true }, func(s *process) { s.pause = x.now.Add(3 * time.Second) }},
		{"catchup", func(*process) bool { return x.arrived() }, nil},
		{"fence", func(s *process) bool { s.serving, x.final = false, len(s.data); return true }, func(s *process) { s.serving = false }},
		{"reach", func(*process) bool { return x.arrived() }, nil},
	} {
		if !x.begin(step.name) {
			return unknown("dead")
		}
		if !x.allowed() {
			return unknown("late")
		}
		s := x.reach(x.from)
		if s == nil && step.late != nil {
			x.late(x.from, step.late)
		}
		if s == nil || !step.do(s) {
			return x.back(step.name + " failed")
		}
	}
	if !x.begin("demote") {
		return unknown("dead")
	}
	if !x.allowed() {
		return unknown("late")
	}
	x.demoted = true
	if s := x.reach(x.from); s != nil { // one that does not answer is fenced and follows later
		s.follow(x.to)
		x.final = max(x.final, len(s.data))
	} else {
		x.late(x.from, func(s *process) { s.follow(x.to) })
	}
	return x.settle()
}

// arrived reports whether the target has all that the source had.
func (x *executor) arrived() bool {
	for range 5 {
		if t := x.reach(x.to); t != nil && !t.syncing && len(t.data) >= x.final {
			return true
		}
		if !x.park(x.now) {
			return false
		}
	}
	return false
}

func (x *executor) settle() cluster.Outcome {
	if !x.begin("settle") {
		return unknown("dead")
	}
	if !x.arrived() {
		return x.back("the target is late")
	}
	return x.promote()
}

func (x *executor) promote() cluster.Outcome {
	if !x.begin("promote") {
		return unknown("dead")
	}
	if !x.allowed() {
		return unknown("late")
	}
	t := x.reach(x.to)
	if t == nil {
		x.promoted = true
		x.late(x.to, x.World.promote)
		return x.back("the target does not answer")
	}
	if t.master {
		return unknown("the target became master by another hand")
	}
	x.World.promote(t)
	return x.moved(t)
}

func (x *executor) moved(t *process) cluster.Outcome {
	out := cluster.Outcome{Result: cluster.Moved, ReplID: t.replid, Offset: int64(t.second)}
	if !x.begin("aim") {
		return unknown("dead")
	}
	if x.allowed() {
		x.aim()
	}
	return out
}

// finish completes what an earlier executor had promoted already.
func (x *executor) finish(s, t *process) cluster.Outcome {
	continues := t.second > 0
	if s != nil {
		continues = !s.master && s.source == x.to || s.master && s.replid == t.replid2
	}
	switch {
	case !continues:
		return unknown("the target is master of another history")
	case !t.serving && s == nil && !x.engineGone(x.from):
		return unknown("the target is fenced and the source does not answer")
	case s != nil && (s.master || s.source != x.to || s.serving):
		if !x.begin("demote") {
			return unknown("dead")
		}
		if !x.allowed() {
			return unknown("late")
		}
		s.follow(x.to)
	}
	if !t.serving {
		x.admit(t)
	}
	return x.moved(t)
}

// back lets the source serve again, if that is safe.
func (x *executor) back(why string) cluster.Outcome {
	if !x.begin("undo") {
		return unknown("dead")
	}
	if !x.allowed() {
		return unknown("late")
	}
	if x.promoted {
		gone := x.engineGone(x.to)
		t := x.reach(x.to)
		switch {
		case gone || t != nil && !t.master:
		case t != nil && t.serving:
			return x.moved(t)
		default:
			return unknown(why)
		}
	}
	s := x.reach(x.from)
	if s == nil || !s.master && (s.syncing || !s.copied || len(s.data) < x.final) {
		return unknown(why)
	}
	x.World.promote(s)
	return cluster.Outcome{Result: cluster.Unmoved, Reason: why}
}

// engineGone reports whether the engine's port refuses: its host answers and it is not there.
func (x *executor) engineGone(s engine.Source) bool {
	for _, h := range x.sorted() {
		if address(h.id) == s.Address {
			return x.reaches(x.d.node, h.id) && x.at(s) == nil
		}
	}
	return false
}
