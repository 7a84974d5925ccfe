package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Fault is one thing that goes wrong: of a kind, on a node (0: the leader's), for
// a time.
type Fault struct {
	Kind string
	Node int
	For  time.Duration
}

func (f Fault) String() string {
	node := strconv.Itoa(f.Node)
	if f.Node == 0 {
		node = "leader"
	}
	return fmt.Sprintf("%s %s %s", f.Kind, node, f.For)
}

func parseFault(words []string) (Fault, error) {
	if len(words) != 3 || !slices.Contains(Kinds, words[0]) {
		return Fault{}, fmt.Errorf("%q is no fault: KIND NODE|leader DURATION", strings.Join(words, " "))
	}
	node, err := strconv.Atoi(words[1])
	if words[1] == "leader" {
		node, err = 0, nil
	}
	if err != nil {
		return Fault{}, err
	}
	d, err := time.ParseDuration(words[2])
	return Fault{words[0], node, d}, err
}

// Kinds are what may go wrong. Only those from masters on may cost acknowledged
// writes: they take a serving master away. The next host of the last is node 1.
var Kinds = []string{
	"daemon",   // the daemon ends, and is started again
	"forget",   // the daemon ends, and is started again without what it learned in as long a time
	"desert",   // all other daemons end, and are started again
	"freeze",   // the daemon stands still, and goes on
	"proxy",    // the proxy ends
	"stuck",    // the proxy stands still, and goes on
	"replicas", // the engines that serve nobody end
	"doze",     // the engines that serve nobody stand still, and go on
	"muffle",   // reports are lost
	"lag",      // the node's copy of the board stays behind
	"slow",     // copies to the node make no progress
	"stall",    // replicas on the node get nothing
	"masters",  // the engines that serve end
	"hang",     // the engines that serve stand still, and go on
	"power",    // the machine is off, and comes back
	"reset",    // every process ends and the machine runs on: its ports refuse
	"cut",      // packets from and to the host are lost
	"deaf",     // packets to the host are lost
	"mute",     // packets from the host are lost
	"apart",    // packets between the host and all others but the next one are lost
	"island",   // packets between the host, or the next one, and all others are lost
	"one-way",  // packets from the next host to the host are lost
}

// Costly reports whether the fault may cost acknowledged writes.
func (f Fault) Costly() bool {
	return slices.Index(Kinds, f.Kind) >= slices.Index(Kinds, "masters")
}

// strike lets the fault happen now.
func (w *World) strike(f Fault) {
	node := f.Node
	if node == 0 {
		node = w.quorum.leader
	}
	h := w.hosts[node]
	if h == nil || h.removed {
		return
	}
	w.tell("! %s (node:%d)", f, node)
	w.lively = w.now
	until := w.now.Add(f.For)
	switch f.Kind {
	case "daemon", "forget":
		h.killDaemon()
		if f.Kind == "forget" {
			h.forget(w.now.Add(-f.For))
		}
		w.after(f.For, h.recover)
	case "desert":
		for _, o := range w.sorted() {
			if o.id != h.id && !o.removed {
				o.killDaemon()
				w.after(f.For, o.recover)
			}
		}
	case "freeze":
		if h.daemon != nil {
			h.daemon.stopped = until
		}
	case "proxy":
		h.proxy = nil
	case "stuck":
		if h.proxy != nil {
			h.proxy.stopped = until
		}
	case "replicas", "masters":
		for _, p := range h.processes() {
			if (f.Kind == "masters") == w.serves(p) {
				h.kill(p)
			}
		}
	case "doze", "hang":
		for _, p := range h.processes() {
			if serves := w.serves(p); (f.Kind == "hang") == serves {
				if serves {
					w.excuse(p.of)
				}
				w.stop(p, until)
			}
		}
	case "power", "reset":
		h.on = f.Kind == "reset"
		h.killDaemon()
		if f.Kind == "power" {
			h.latest = 0
		}
		h.proxy = nil
		for _, p := range h.processes() {
			h.kill(p)
		}
		w.after(f.For, h.recover)
	case "muffle":
		w.muffled[node] = until
	case "lag":
		w.lagging[node] = until
	case "slow":
		w.slow[node] = until
	case "stall":
		for _, p := range h.processes() {
			if !p.master {
				w.stalled[p.id] = until
			}
		}
	default:
		w.cut(f.Kind, h, until)
	}
	if f.For > 0 {
		w.after(f.For, func() {})
	}
}

// cut loses packets between hosts. A serving master that is cut off counts as one
// that was taken away.
func (w *World) cut(kind string, h *host, until time.Time) {
	next := w.hosts[h.id%len(w.hosts)+1]
	for _, o := range w.sorted() {
		switch lone := o.id != h.id && o.id != next.id; {
		case o.id == h.id:
		case kind == "one-way" && o == next, kind == "deaf":
			w.lose(o, h, until)
		case kind == "mute":
			w.lose(h, o, until)
		case kind == "cut", kind != "one-way" && lone:
			w.lose(h, o, until)
			w.lose(o, h, until)
			if kind == "island" {
				w.lose(next, o, until)
				w.lose(o, next, until)
			}
		}
	}
}

func (w *World) lose(from, to *host, until time.Time) {
	w.cuts[[2]int{from.id, to.id}] = until
	for _, p := range append(from.processes(), to.processes()...) {
		if w.serves(p) {
			w.excuse(p.of)
		}
	}
}

// cutOff reports whether packets between the host and any other one are lost now.
func (w *World) cutOff(node int) bool {
	for pair, until := range w.cuts {
		if w.now.Before(until) && (pair[0] == node || pair[1] == node) {
			return true
		}
	}
	return false
}

// recover brings back what runs on the host, but for its engines.
func (h *host) recover() {
	if h.removed {
		return
	}
	h.on = true
	if h.daemon == nil {
		h.w.tell("node:%d is back", h.id)
		h.startDaemon()
	}
}

// kill ends the process; what it appended to files stays.
func (h *host) kill(p *process) {
	if h.w.serves(p) {
		h.w.excuse(p.of)
	}
	if h.w.quorum.board.Databases[p.of.Database].Persistence == "aof" {
		h.files[p.id] = p.data
	}
	delete(h.engines, p.id)
	if h.w.minReplicas(p.of) > 0 {
		h.w.bereaved(p.of)
	}
}

// serves reports whether killing the process may cost acknowledged writes.
func (w *World) serves(p *process) bool {
	if p.master && p.serving {
		return true
	}
	if w.quorum.board.Ranges[p.of].Master != p.id {
		return false
	}
	for _, h := range w.sorted() {
		for _, o := range h.processes() {
			if o.of == p.of && o.master && o.serving {
				return false
			}
		}
	}
	return true
}

// heal takes back every fault.
func (w *World) heal() {
	clear(w.armed)
	clear(w.cuts)
	clear(w.muffled)
	clear(w.lagging)
	clear(w.slow)
	clear(w.stalled)
	w.later = nil
	for _, h := range w.sorted() {
		h.recover()
		if h.daemon != nil {
			h.daemon.stopped = time.Time{}
		}
		if h.proxy != nil {
			h.proxy.stopped = time.Time{}
		}
		for _, p := range h.processes() {
			p.stopped = time.Time{}
			w.goOn(p)
		}
	}
	w.lively = w.now
}

// excuse lets a range lose what its master had not passed on, unless clients were
// told only of what it had.
func (w *World) excuse(r cluster.RangeID) {
	if l := w.ledgers[r]; l != nil && w.minReplicas(r) == 0 {
		l.excused = true
	}
}
