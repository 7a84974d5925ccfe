package sim

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/agent"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/controller"
	"github.com/haulout/haulout/engine"
)

// host is a machine with what runs on it. Engines and the proxy outlive the daemon.
type host struct {
	w       *World
	id      int
	on      bool // has power
	removed bool // left the cluster for good
	daemon  *daemon
	proxy   *door
	engines map[cluster.InstanceID]*process
	files   map[cluster.InstanceID][]int // of processes that ended, what was appended to their files
	shown   []shown                      // boards, as they came; the next daemon finds the last one
	latest  int64                        // the newest board that was shown here since the machine is on; 0: not known
}

func (h *host) processes() []*process {
	return slices.SortedFunc(maps.Values(h.engines), func(a, b *process) int {
		return cmp.Or(cmp.Compare(a.id.Shard, b.id.Shard), cmp.Compare(a.id.Incarnation, b.id.Incarnation))
	})
}

// daemon is one life of a host's daemon.
type daemon struct {
	w          *World
	node       int
	started    time.Time
	ctx        context.Context
	die        context.CancelFunc
	stopped    time.Time // it stands still until then
	board      *cluster.Board
	current    bool // the board is as new as any that was shown here
	leased     bool
	taken      int64     // the board at which it took its lease: before it has seen that, it may not serve
	serveUntil time.Time // its own reckoning of its lease
	fed        time.Time // what the proxy was told
	promises   *agent.Promises
	silent     time.Time // since when the proxy does not answer
	sequence   int64
	boot       string

	controller *controller.Controller
	term       *controller.Term
	epoch      int64 // highest seen in an order
	orders     map[string]*order
	held       map[cluster.InstanceID]bool // by a hand-over order
}

func (h *host) startDaemon() {
	w := h.w
	ctx, die := context.WithCancel(context.Background())
	d := &daemon{
		w: w, node: h.id, started: w.now, ctx: ctx, die: die, board: h.known(), boot: w.now.String(),
		current: h.latest > 0 && h.known().Revision >= h.latest,
		orders:  map[string]*order{}, held: map[cluster.InstanceID]bool{}, promises: agent.NewPromises(w.nanos()),
	}
	d.controller = controller.New(controller.Config{
		Node: h.id, Store: d, Executor: d, Members: d, HandOn: d.handOn, Logger: w.log, Clock: d,
	})
	h.daemon = d
}

// shown is a board, and when it came to a host.
type shown struct {
	board *cluster.Board
	at    time.Time
}

// manyShown is how many of them are kept: more than a daemon forgets.
const manyShown = 1000

// known is the board that a daemon finds on its host.
func (h *host) known() *cluster.Board {
	if len(h.shown) == 0 {
		return &cluster.Board{}
	}
	return h.shown[len(h.shown)-1].board
}

// forget takes away what came lately, but for the first.
func (h *host) forget(since time.Time) {
	for len(h.shown) > 1 && h.shown[len(h.shown)-1].at.After(since) {
		h.shown = h.shown[:len(h.shown)-1]
	}
}

// show gives the daemon a newer board. It stays on the host.
func (d *daemon) show(b *cluster.Board) {
	h := d.w.hosts[d.node]
	if b.Revision > h.known().Revision {
		h.shown = append(h.shown, shown{b, d.w.now})
		if len(h.shown) > manyShown {
			h.shown = slices.Delete(h.shown, 0, manyShown/2)
		}
	}
	d.board = b
	d.current = d.current || h.latest > 0 && b.Revision >= h.latest
	if d.current {
		h.latest = b.Revision
	}
}

func (h *host) killDaemon() {
	if h.daemon != nil {
		h.daemon.die()
		h.daemon = nil
	}
}

func (d *daemon) lives() bool  { return d.w.hosts[d.node].daemon == d }
func (d *daemon) frozen() bool { return d.w.now.Before(d.stopped) }

func (d *daemon) takeOffice() {
	t := d.controller.Drive(d.ctx, d.w.quorum.epoch)
	d.show(d.w.quorum.board)
	d.term = &t
}

// lead lets the daemon do what it does as leader, or as one that believes it is.
func (d *daemon) lead() {
	if d.term == nil {
		return
	}
	if d.board.Revision < d.w.quorum.board.Revision && d.w.inQuorum(d.node) {
		d.show(d.w.quorum.board)
	}
	err := d.term.Look()
	if err != nil && strings.Contains(err.Error(), "at rest") {
		d.w.fail("the leader does not come to rest")
	}
	if d.lives() && (cluster.CodeOf(err) == cluster.CodeStale || d.w.quorum.leader != d.node && d.w.inQuorum(d.node)) {
		d.term.Resign()
		d.term = nil
	}
}

// turn is the agent's: converge, then report.
func (d *daemon) turn() {
	w, h, board := d.w, d.w.hosts[d.node], d.board
	if _, member := board.Nodes[d.node]; !member {
		return
	}
	state := d.keepProxy(h, board)
	ids := map[cluster.InstanceID]bool{}
	for _, i := range board.InstancesOn(d.node) {
		ids[i.ID] = true
	}
	for id := range h.engines {
		ids[id] = true
	}
	reasons := map[cluster.InstanceID]string{}
	for _, id := range slices.SortedFunc(maps.Keys(ids), byID) {
		reasons[id] = d.converge(h, board, id)
		if !d.lives() {
			return
		}
	}
	d.feed(h)
	d.serveAlone(h)
	d.sequence++
	r := cluster.Report{
		Node: d.node, Sequence: d.sequence, Revision: board.Revision, BootID: d.boot, Proxy: state,
		Bound:     d.promises.Bound(board, w.nanos()),
		Instances: map[cluster.InstanceID]cluster.Observed{}, FreeMemory: 1 << 40, Refused: w.refused(d.node),
	}
	r.Reached, r.Unreached = w.reached(d.node)
	for _, i := range board.InstancesOn(d.node) {
		r.Instances[i.ID] = cluster.Observed{State: cluster.Absent, Reason: reasons[i.ID], Kept: cluster.Kept{Bytes: int64(len(h.files[i.ID]))}}
	}
	for id, p := range h.engines {
		r.Instances[id] = w.observed(p)
	}
	if l := w.hosts[w.quorum.leader]; l != nil && l.daemon != nil && w.sends(d.node, l.id) && !w.now.Before(w.muffled[d.node]) {
		l.daemon.controller.Report(r)
	}
}

func byID(a, b cluster.InstanceID) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Incarnation, b.Incarnation))
}

// converge does what one instance needs, on a board read anew, and returns why
// no process of it runs.
func (d *daemon) converge(h *host, board *cluster.Board, id cluster.InstanceID) string {
	w := d.w
	look := func() *engine.Observation {
		if p := h.engines[id]; p != nil {
			return w.observe(p)
		}
		return nil
	}
	if p := h.engines[id]; p != nil && !d.held[id] && w.inQuorum(d.node) && misplaced(w.quorum.board, p) {
		h.kill(p)
	}
	s := agent.Next(board, id, look())
	if s.Act == agent.Rest {
		return s.Reason
	}
	if d.held[id] || !w.inQuorum(d.node) {
		return ""
	}
	board = w.quorum.board
	if s = agent.Next(board, id, look()); s.Act == agent.Rest {
		return s.Reason
	}
	w.boundary("act")
	if s = agent.Next(board, id, look()); !d.lives() || d.frozen() || s.Act == agent.Rest {
		return s.Reason
	}
	reason := d.act(h, board, id, s)
	w.boundary("acted")
	return reason
}

// misplaced is the agent's: the process listens where the board no longer expects it.
func misplaced(b *cluster.Board, p *process) bool {
	i, wanted := b.Instances[p.id]
	r := b.Ranges[i.Range]
	return wanted && p.port != i.Port && r.Handover == nil && !(r.Master == i.ID && i.Started)
}

// act carries one act out, as Agent.do does.
func (d *daemon) act(h *host, board *cluster.Board, id cluster.InstanceID, s agent.Step) string {
	w, p, i := d.w, h.engines[id], board.Instances[id]
	r := board.Ranges[i.Range]
	fresh := &process{id: id, of: i.Range, node: d.node, port: i.Port}
	if starts := s.Act == agent.StartEmpty || s.Act == agent.StartFiles || s.Act == agent.StartCopy; starts && h.listens(i.Port) {
		return cluster.PortTaken
	}
	switch s.Act {
	case agent.Discard:
		delete(h.engines, id)
		delete(h.files, id)
	case agent.StartEmpty:
		delete(h.files, id)
		fresh.master, fresh.replid = true, w.replid()
		h.engines[id] = fresh
		w.admit(fresh)
	case agent.StartFiles:
		fresh.master, fresh.replid, fresh.data = true, w.replid(), h.files[id]
		h.engines[id] = fresh
		w.admit(fresh)
	case agent.StartCopy:
		from := w.at(s.Source)
		if from == nil || w.still(from) || !w.reaches(d.node, from.node) || !from.master && !from.copied {
			return "its source has nothing to copy yet"
		}
		delete(h.files, id)
		fresh.source = s.Source
		h.engines[id] = fresh
	case agent.Follow:
		p.follow(s.Source)
	case agent.FenceMaster:
		p.serving = false
	case agent.AdmitClients:
		if p.master {
			w.admit(p)
		}
	case agent.Reinstate:
		w.serveAfterLoss(p, r)
	}
	return ""
}

func (h *host) listens(port int) bool {
	return slices.ContainsFunc(h.processes(), func(p *process) bool { return p.port == port })
}

// serveAfterLoss is engine.Instance.ServeAfterLoss: it promotes what is eligible.
func (w *World) serveAfterLoss(p *process, r cluster.SlotRange) bool {
	known := func(id string) bool { return id != "" && (id == r.LastReplID || id == r.PrevReplID) }
	switch {
	case w.still(p):
		return false
	case p.master && p.serving:
		return true
	case !p.master && (p.syncing || !p.copied), !known(p.replid) && !known(p.replid2):
		return false
	}
	w.promote(p)
	return true
}

// reached lists the other hosts that answer this one, be it by a refusal, and those that
// do not.
func (w *World) reached(node int) (reached, unreached []int) {
	for _, h := range w.sorted() {
		switch {
		case h.id == node:
		case w.reaches(node, h.id):
			reached = append(reached, h.id)
		default:
			unreached = append(unreached, h.id)
		}
	}
	return reached, unreached
}

// refused lists the ports of other hosts, whose machine answers and whose daemon
// is gone, that refuse this one.
func (w *World) refused(node int) map[int][]int {
	var list map[int][]int
	for _, h := range w.sorted() {
		if h.id == node || h.daemon != nil || h.removed || !w.reaches(node, h.id) {
			continue
		}
		ports := []int{}
		for _, i := range w.quorum.board.InstancesOn(h.id) {
			if h.engines[i.ID] == nil {
				ports = append(ports, i.Port)
			}
		}
		for _, e := range w.quorum.board.Endpoints {
			if h.proxy == nil || h.proxy.endpoints[e.ID] == nil {
				ports = append(ports, e.Port)
			}
		}
		if list == nil {
			list = map[int][]int{}
		}
		list[h.id] = ports
	}
	return list
}
