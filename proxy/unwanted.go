package proxy

// A client whose command waits for a master may give up, close its connection and say
// the same again over another one: libraries do so by themselves after some seconds.
// What it said first is sent no more. That an end comes from a client that waits for
// nothing any more, and not from one that has said all, is told by the time between.

// lastWord is how long behind its last command a client that wants its replies may end
// its side, in nanoseconds.
const lastWord = int64(250e6)

// noteEnd is called when the client ends its side although something is unanswered.
func (s *session) noteEnd() {
	if s.loop.now > s.heard+lastWord && unread(int(s.fd)) == 0 {
		s.more().gaveUp = true
	}
}

// wanted reports whether somebody may still wait for the command.
func (k *link) wanted(c *call) bool {
	return !c.session.gaveUp && (!c.session.gone || k.loop.now <= c.since+lastWord)
}

// dropUnwanted takes out of what waits the commands of clients that have given up. It
// reports whether there were any.
func (k *link) dropUnwanted() bool {
	at, to := k.first+k.flight, k.mark
	if k.sent > k.mark { // this one has begun
		to += k.calls[at].size
		at++
	}
	var dropped []call
	from, left := to, at
	for _, c := range k.calls[at:] {
		raw := k.out[from : from+c.size]
		if from += c.size; !k.wanted(&c) {
			k.loop.queued -= c.weight()
			dropped = append(dropped, c)
			continue
		}
		to += copy(k.out[to:], raw)
		k.calls[left] = c
		left++
	}
	clear(k.calls[left:])
	if k.calls, k.out = k.calls[:left], k.out[:to]; k.first == left {
		k.empty()
	}
	for i := range dropped {
		dropped[i].fail(k.loop, errReach)
	}
	return len(dropped) > 0
}
