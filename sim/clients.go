package sim

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// ledger is what the clients of a range know.
type ledger struct {
	acked   []int // acknowledged writes, in order
	crown   int   // of the master that acknowledged the last
	process *process
	excused bool          // a serving master was taken away: what it had not passed on is lost
	emptied bool          // nothing was left of it, and somebody let it begin empty
	served  int           // acknowledged since somebody looked
	first   time.Time     // when the first of them was acknowledged
	last    time.Time     // when a write was acknowledged last
	gap     time.Duration // the longest that none was
}

// write lets a client of every range write once by each proxy that listens.
func (w *World) write() {
	w.confirm()
	for _, h := range w.sorted() {
		p := h.proxy
		if p == nil || !h.on || w.now.Before(p.stopped) {
			continue
		}
		for _, id := range ranges(w.quorum.board) {
			if p.serves(w, id) {
				before := w.ids
				if w.send(h, p, id); w.ids > before && !w.now.Before(p.serveUntil) {
					w.alone++
				}
			}
		}
	}
}

func ranges(b *cluster.Board) []cluster.RangeID {
	list := make([]cluster.RangeID, 0, len(b.Ranges))
	for id := range b.Ranges {
		list = append(list, id)
	}
	slices.SortFunc(list, rangesByID)
	return list
}

func rangesByID(x, y cluster.RangeID) int {
	if x.Database != y.Database {
		return x.Database - y.Database
	}
	return x.Index - y.Index
}

// send tries one write by the proxy. An engine that is no master, or has taken
// its clients' rights away, refuses and the proxy keeps it.
func (w *World) send(h *host, p *door, id cluster.RangeID) {
	route, ok := p.routes[id]
	if !ok || route.Address == "" || route.Lost || w.now.Before(p.held[id].until) {
		return
	}
	to := w.listening(route.Address)
	if to == nil || to.of != id || !w.reaches(h.id, to.node) || !to.master || !to.serving || w.still(to) || w.now.Before(to.pause) {
		return
	}
	if w.minReplicas(id) > 0 && p.waiting(id) >= manyWaiting {
		return
	}
	write := w.next()
	to.data = append(to.data, write)
	if w.minReplicas(id) > 0 {
		p.unconfirmed = append(p.unconfirmed, unconfirmed{write, id, to, to.crown, w.now})
		return
	}
	w.acknowledged(id, to, write)
}

// acknowledged holds an acknowledgement against all earlier ones: nobody that was
// replaced acknowledges any more, and who replaced it has everything.
func (w *World) acknowledged(id cluster.RangeID, p *process, write int) {
	l := w.ledger(id)
	if p.crown < l.crown {
		w.fail("two masters of %s acknowledge: %s did after %s", id, p.name(), l.process.name())
	}
	if o := w.rival(id, p); o != nil {
		w.fail("two masters of %s: %s acknowledges and %s has been promoted", id, p.name(), o.name())
	}
	w.record(id, l, p, write)
}

func (w *World) ledger(id cluster.RangeID) *ledger {
	l := w.ledgers[id]
	if l == nil {
		l = &ledger{}
		w.ledgers[id] = l
	}
	return l
}

// record notes that a write of a master was acknowledged.
func (w *World) record(id cluster.RangeID, l *ledger, p *process, write int) {
	if p.crown > l.crown {
		w.inherits(id, l, p)
	}
	l.crown, l.process, l.excused = p.crown, p, l.excused || w.cutOff(p.node) && w.minReplicas(id) == 0
	if len(l.acked) == 0 {
		l.first = w.now
	}
	l.insert(write)
	if !l.last.IsZero() {
		l.gap = max(l.gap, w.now.Sub(l.last))
	}
	l.last = w.now
}

// gap is the longest that a range with a replica took no writes.
func (w *World) gap() (longest time.Duration) {
	for id, l := range w.ledgers {
		if w.quorum.board.Databases[id.Database].Replication {
			longest = max(longest, l.gap)
		}
	}
	return longest
}

// waits reports whether clients of a range have been waiting, for less than a minute.
func (w *World) waits() bool {
	for _, l := range w.ledgers {
		if d := w.now.Sub(l.last); d > calm && d < time.Minute {
			return true
		}
	}
	return false
}

// rival returns a process that was made master after this one and serves clients,
// be it within anybody's reach or not.
func (w *World) rival(id cluster.RangeID, p *process) *process {
	for _, h := range w.sorted() {
		for _, o := range h.processes() {
			if o.of == id && o.master && o.serving && o.crown > p.crown {
				return o
			}
		}
	}
	return nil
}

// inherits sees that a new master has every acknowledged write.
func (w *World) inherits(id cluster.RangeID, l *ledger, p *process) {
	has := p.data
	kept := l.acked[:0:0]
	for _, a := range l.acked {
		for len(has) > 0 && has[0] < a {
			has = has[1:]
		}
		if len(has) > 0 && has[0] == a {
			kept = append(kept, a)
		}
	}
	missing := len(l.acked) - len(kept)
	switch {
	case missing > 0 && !l.excused:
		w.fail("%d of %d acknowledged writes of %s are lost: %s does not have them", missing, len(l.acked), id, p.name())
	case missing > 0 && len(kept) == 0 && !l.emptied && l.last.Sub(l.first) > calm: // some have been passed on
		w.fail("%s of %s is served empty: %d acknowledged writes were there", p.name(), id, missing)
	}
	w.lost += missing
	l.acked, l.excused, l.emptied = kept, false, false
}

// listening returns the process at an address that a route names.
func (w *World) listening(to string) *process {
	for _, h := range w.sorted() {
		if !h.on {
			continue
		}
		for _, p := range h.engines {
			if p.at().String() == to {
				return p
			}
		}
	}
	return nil
}
