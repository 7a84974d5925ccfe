package proxy

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// shard is what a loop knows of a slot range: who serves it, whether it is
// held, and the links to its master.
type shard struct {
	loop *loop
	id   cluster.RangeID

	first, last int
	generation  int64
	address     netip.AddrPort // zero: nobody may serve
	lost        bool
	secret      string    // of the engine's user proxy
	greetings   [2][]byte // what an engine said to HELLO last, by the protocol version

	hold  *hold
	links [2]*link // for clients of protocol version 2 and 3
	own   []*link  // of one client each
	users []*link  // for clients of one user each

	confirm *confirmer // nil: writes are answered as soon as the master has them
	history int        // rises when a master is followed by one that may lack something; counted with confirm only
}

// hold is a stop of sending during a hand-over.
type hold struct {
	shard      *shard
	generation int64
	until      int64
	quiet      func(drained bool) // called once; nil when it has been
}

// tell reports the outcome of the hold's first part, once.
func (h *hold) tell(drained bool) {
	if h.quiet != nil {
		h.quiet(drained)
		h.quiet = nil
	}
}

// link returns the shard's link for a protocol version.
func (s *shard) link(version int) *link {
	k := s.links[version-2]
	if k == nil {
		k = &link{loop: s.loop, shard: s, version: version, fd: -1}
		s.links[version-2] = k
	}
	return k
}

// all yields the links there are.
func (s *shard) all() iter.Seq[*link] {
	return func(yield func(*link) bool) {
		list := s.links[:]
		if len(s.users)+len(s.own) > 0 {
			list = slices.Concat(list, s.users, s.own) // links that end take themselves out
		}
		for _, k := range list {
			if k != nil && !yield(k) {
				return
			}
		}
	}
}

// follow takes over a route. What is in flight to another address is still
// waited for, but nothing more is sent there.
func (s *shard) follow(r RangeRoute, address netip.AddrPort, secret string) {
	risen := r.Generation > s.generation
	if address != s.address || r.Lost {
		s.succeed(address, r.Lost)
	}
	changed := risen || address != s.address || r.Lost != s.lost || secret != s.secret
	s.first, s.last, s.generation, s.address, s.lost, s.secret = r.First, r.Last, r.Generation, address, r.Lost, secret
	if s.hold != nil && r.Generation >= s.hold.generation {
		s.endHold(true)
	}
	if !changed {
		return
	}
	for k := range s.all() {
		k.rerouted()
	}
	s.loop.wake(s.loop.now)
}

// aim is follow for a hand-over's end.
func (s *shard) aim(generation int64, address netip.AddrPort) {
	s.follow(RangeRoute{First: s.first, Last: s.last, Generation: generation}, address, s.secret)
}

// begin holds the shard; quiet is told when nothing is in flight any more.
func (s *shard) begin(generation, until int64, quiet func(bool)) {
	if s.hold != nil {
		s.endHold(false)
	}
	s.hold = &hold{s, generation, until, quiet}
	s.loop.holds = append(s.loop.holds, s.hold)
	s.loop.wake(until)
}

// endHold lets commands flow again.
func (s *shard) endHold(drained bool) {
	s.hold.tell(drained && s.quiet())
	s.hold = nil
	s.touch()
	s.loop.wake(s.loop.now)
}

// quiet reports whether no command sent is unanswered.
func (s *shard) quiet() bool {
	if s.confirm != nil && !s.confirm.idle() {
		return false
	}
	for k := range s.all() {
		if k.flight > 0 {
			return false
		}
	}
	return true
}

// touch has the shard's links looked at when the turn ends.
func (s *shard) touch() {
	for k := range s.all() {
		k.touch()
	}
}

func (s *shard) close() {
	for k := range s.all() {
		k.abandon()
		k.failWaiting(errGone)
		if t := k.owner; t != nil {
			t.links = slices.DeleteFunc(t.links, func(o *link) bool { return o == k })
			k.owner, k.warm = nil, false
		}
	}
	s.own, s.users = nil, nil
	s.confirmBy(0)
	if s.hold != nil {
		s.hold.tell(true)
	}
}

// settleHolds answers holds that have become quiet and ends those whose time is over.
func (l *loop) settleHolds() {
	left := l.holds[:0]
	for _, h := range l.holds {
		if h.shard.hold != h {
			continue
		}
		if h.shard.quiet() {
			h.tell(true)
		}
		if l.now >= h.until {
			h.shard.endHold(false)
			l.wake(l.now)
			continue
		}
		l.wake(h.until)
		left = append(left, h)
	}
	clear(l.holds[len(left):])
	l.holds = left
}
