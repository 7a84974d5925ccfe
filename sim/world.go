package sim

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

const (
	// tick is the pause between two turns of everybody while something happens;
	// calm is the longest, when nothing does.
	tick = 250 * time.Millisecond
	calm = 2 * time.Second
)

// World is a simulated cluster. It is used by one goroutine.
type World struct {
	now      time.Time
	quorum   quorum
	hosts    map[int]*host
	routines []*routine
	current  *routine
	ids      int
	later    []event
	log      *slog.Logger

	cuts    map[[2]int]time.Time // from, to: packets are lost until then
	muffled map[int]time.Time    // reports of the node are lost until then
	lagging map[int]time.Time    // the node sees nothing new of the board until then
	slow    map[int]time.Time    // copies to the node make no progress until then
	relayed bool                 // hosts reach the store by way of each other
	stalled map[cluster.InstanceID]time.Time
	ledgers map[cluster.RangeID]*ledger
	told    map[cluster.EndpointID]time.Time // when clients of discovery were last sent elsewhere

	boundaries int
	armed      map[int][]Fault // by boundary
	lively     time.Time       // when something last happened
	seen       int64           // revision at the last turn
	checked    time.Time
	trace      []string
	lost       int    // acknowledged writes that a killed master took with it
	alone      int    // acknowledged writes by proxies without a lease
	faulty     string // what a leader said when a room panicked, or decided what the board refuses
	waived     bool   // somebody has taken out a node though too few voters were left
	stale      int    // promotions of copies that did not follow any more
}

type event struct {
	at time.Time
	do func()
}

// Violation is a promise that a history broke.
type Violation struct{ Text string }

func (v Violation) Error() string { return v.Text }

// began is when every history begins.
var began = time.Date(2026, 3, 14, 9, 50, 59, 0, time.UTC)

func newWorld() *World {
	w := &World{
		now: began, hosts: map[int]*host{},
		quorum: quorum{board: &cluster.Board{}, leases: map[int]time.Time{}, leaderSeen: began},
		cuts:   map[[2]int]time.Time{}, muffled: map[int]time.Time{}, lagging: map[int]time.Time{}, slow: map[int]time.Time{},
		stalled: map[cluster.InstanceID]time.Time{}, ledgers: map[cluster.RangeID]*ledger{}, told: map[cluster.EndpointID]time.Time{}, armed: map[int][]Fault{},
	}
	w.log = slog.New(teller{w, new(string)})
	return w
}

// next is a number that was never given before.
func (w *World) next() int { w.ids++; return w.ids }

func (w *World) replid() string { return fmt.Sprint("r", w.next()) }

func (w *World) fail(format string, args ...any) { panic(Violation{fmt.Sprintf(format, args...)}) }

// tell notes what happens for people who read the history of a failure.
func (w *World) tell(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8.2fs %4d  ", w.now.Sub(began).Seconds(), w.boundaries)+fmt.Sprintf(format, args...))
}

func (w *World) sorted() []*host {
	list := make([]*host, 0, len(w.hosts))
	for id := 1; id <= len(w.hosts); id++ {
		list = append(list, w.hosts[id])
	}
	return list
}

// addNode lets a host join as a voter.
func (w *World) addNode(memory int64, zone string) {
	id := len(w.hosts) + 1
	n := cluster.Node{
		Identity: fmt.Sprint("id", id), Address: address(id), RackID: zone, Cores: 4, TotalMemory: memory,
		MaxShards: 100, MaxListeners: 100, Membership: cluster.Voter,
	}
	var c cluster.Command = cluster.AddNode{At: w.now, Node: n}
	if id == 1 {
		c = cluster.CreateCluster{At: w.now, ID: "c", Name: "harbour", RackAware: zone != "", Node: n, Admin: cluster.User{Email: "a@example"}}
	}
	change, err := c.Apply(w.quorum.board)
	if err != nil {
		w.fail("%v", err)
	}
	w.quorum.board = w.quorum.board.With(w.quorum.board.Revision+1, change)
	w.hosts[id] = &host{w: w, id: id, on: true, engines: map[cluster.InstanceID]*process{}, files: map[cluster.InstanceID][]int{}}
	w.hosts[id].startDaemon()
	w.lively = w.now
}

// after has something done later.
func (w *World) after(d time.Duration, do func()) {
	w.later = append(w.later, event{w.now.Add(d), do})
}

// boundary is a moment at which something may go wrong.
func (w *World) boundary(string) {
	w.boundaries++
	w.lively = w.now
	for _, f := range w.armed[w.boundaries] {
		delete(w.armed, w.boundaries)
		w.strike(f)
	}
}

// turn lets time pass and everybody act once. Time passes faster while nothing happens.
func (w *World) turn() {
	if w.faulty != "" {
		w.fail("%s", w.faulty)
	}
	step := tick
	if quiet := w.now.Sub(w.lively); w.waits() {
		// every moment counts
	} else if quiet > 15*time.Second {
		step = calm
	} else if quiet > 3*time.Second {
		step = 3 * tick
	}
	w.now = w.now.Add(step)
	w.events()
	w.keepLeases()
	w.elect()
	for _, h := range w.sorted() {
		if d := h.daemon; d != nil && h.on && !d.frozen() {
			d.turn()
		}
	}
	w.replicate(step)
	w.write()
	w.work()
	for _, h := range w.sorted() {
		if d := h.daemon; d != nil && h.on && !d.frozen() {
			d.lead()
		}
	}
	if w.quorum.board.Revision != w.seen || w.now.Sub(w.checked) > calm {
		w.check()
		w.checked = w.now
	}
	if w.quorum.board.Revision != w.seen {
		w.seen, w.lively = w.quorum.board.Revision, w.now
	}
}

func (w *World) events() {
	due := slices.DeleteFunc(slices.Clone(w.later), func(e event) bool { return e.at.After(w.now) })
	w.later = slices.DeleteFunc(w.later, func(e event) bool { return !e.at.After(w.now) })
	for _, e := range due {
		w.lively = w.now
		e.do()
	}
}

// leader returns the daemon that leads, or nil.
func (w *World) leader() *daemon {
	h := w.hosts[w.quorum.leader]
	if h == nil || !w.inQuorum(h.id) || h.daemon.term == nil {
		return nil
	}
	return h.daemon
}
