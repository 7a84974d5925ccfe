package sim

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// unconfirmed is a write of a database with min_replicas that a master has executed
// and whose proxy holds the reply back.
type unconfirmed struct {
	write int
	id    cluster.RangeID
	by    *process
	crown int // of the master then
	since time.Time
}

// confirmFor is how long a proxy holds a reply back.
const confirmFor = 2 * time.Second

// manyWaiting is how many clients of a range wait at a proxy for their replies at most: as
// many as there are.
const manyWaiting = 16

// waiting counts the clients of a range that wait for their replies.
func (p *door) waiting(id cluster.RangeID) (n int) {
	for _, u := range p.unconfirmed {
		if u.id == id {
			n++
		}
	}
	return n
}

func (w *World) minReplicas(id cluster.RangeID) int {
	return w.quorum.board.Databases[id.Database].MinReplicas
}

// confirm lets proxies answer the writes that enough replicas have, as
// proxy.confirmer does: by the route of now, and only while they may serve.
func (w *World) confirm() {
	for _, h := range w.sorted() {
		p := h.proxy
		if p == nil || !h.on || w.now.Before(p.stopped) {
			continue
		}
		may := w.now.Before(p.serveUntil)
		p.unconfirmed = slices.DeleteFunc(p.unconfirmed, func(u unconfirmed) bool {
			if _, there := w.quorum.board.Ranges[u.id]; !there {
				return true
			}
			to := w.listening(p.routes[u.id].Address)
			if may && to == u.by && to.master && !w.still(to) && to.crown == u.crown && w.reaches(h.id, to.node) && w.replicasWith(u) >= w.minReplicas(u.id) {
				w.acknowledged(u.id, to, u.write)
				return true
			}
			return w.now.Sub(u.since) >= confirmFor
		})
	}
}

// replicasWith counts the replicas that tell the master that they have a write: any
// that it feeds, whether the board knows of them or not.
func (w *World) replicasWith(u unconfirmed) (n int) {
	for _, h := range w.sorted() {
		for _, r := range h.processes() {
			if h.on && !r.master && !w.still(r) && r.linked && r.source == u.by.at() && w.reaches(h.id, u.by.node) && has(r, u.write) {
				n++
			}
		}
	}
	return n
}

func has(p *process, write int) bool {
	_, found := slices.BinarySearch(p.data, write)
	return found
}

// rerouted answers what is held when the route of a range changes: with the replies
// if the master was handed over, else with errors.
func (p *door) rerouted(id cluster.RangeID, from, to string, lost bool) {
	if from == to && !lost {
		return
	}
	handed := from != "" && to != "" && !lost && p.w.now.Before(p.serveUntil)
	p.unconfirmed = slices.DeleteFunc(p.unconfirmed, func(u unconfirmed) bool {
		if u.id == id && handed {
			p.w.inherited(u)
		}
		return u.id == id
	})
}

// inherited acknowledges a write because its master was handed over: whoever is
// master by now has it.
func (w *World) inherited(u unconfirmed) {
	if _, there := w.quorum.board.Ranges[u.id]; !there {
		return
	}
	l := w.ledger(u.id)
	next := w.rival(u.id, u.by)
	if next == nil && u.crown < l.crown {
		next = l.process
	}
	switch {
	case next != nil && !has(next, u.write):
		w.fail("a write of %s is answered because %s was handed over, and %s does not have it", u.id, u.by.name(), next.name())
	case u.crown >= l.crown:
		w.record(u.id, l, u.by, u.write)
	default:
		l.insert(u.write)
	}
}

// insert notes an acknowledged write in its place.
func (l *ledger) insert(write int) {
	at, _ := slices.BinarySearch(l.acked, write)
	l.acked = slices.Insert(l.acked, at, write)
	l.served++
}

// bereaved is called when a process of a range with min_replicas has ended: what no
// other process has any more, nobody can keep.
func (w *World) bereaved(id cluster.RangeID) {
	l := w.ledgers[id]
	if l == nil || len(l.acked) == 0 {
		return
	}
	for _, h := range w.sorted() {
		for _, p := range h.processes() {
			if p.of == id && (p.master || p.copied) && !p.syncing && w.hasAll(l, p) {
				return
			}
		}
	}
	l.excused = true
}

func (w *World) hasAll(l *ledger, p *process) bool {
	return !slices.ContainsFunc(l.acked, func(a int) bool { return !has(p, a) })
}
