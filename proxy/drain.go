package proxy

// drain is the state of an endpoint whose clients are to leave.
type drain struct {
	active bool
	since  int64
	capAt  int64 // when the rest is cut; 0: never
	closed int
	last   int64 // when one was closed
	cut    int
}

const (
	// Clients of discovery that are closed wait for the last of them to be: it is
	// done quickly, and in portions that do not hold up the others.
	drainPace  = int64(2e6) // nanoseconds
	drainBatch = 200
	// For a moment only those are closed who have been silent for a little: who asks
	// before it works (redigo sends ROLE) is not sent away in between, and who heard
	// from discovery where to go (rueidis) leaves by itself.
	silentFor = int64(3e6)
	politeFor = int64(30e6)
	// A client that works reads its reply, and with the next command the end of the
	// connection, much sooner; one that rests has read it long ago.
	readsWithin = int64(50e6)
	// Until then a client that asked discovery before the move has taken in the old
	// answer. If that came behind a new one, it would go back with what is in flight.
	arrivesWithin = int64(40e6)
)

// followDrain begins or ends draining as the route says.
func (e *endpoint) followDrain() {
	switch {
	case e.route.Drain && !e.drain.active:
		e.drain = drain{active: true, since: e.loop.now}
		if e.route.DrainCap > 0 {
			e.drain.capAt = e.loop.now + int64(e.route.DrainCap)
		}
	case !e.route.Drain:
		e.drain.active = false
	}
	e.loop.wake(e.loop.now)
}

// tickDrain closes a few clients that are at a rest point.
func (e *endpoint) tickDrain() {
	if !e.drain.active || e.clients.count == 0 {
		return
	}
	if e.drain.capAt > 0 && e.loop.now >= e.drain.capAt {
		e.cutAll()
		return
	}
	left := drainBatch
	for s := range e.sessions() {
		if left == 0 {
			break
		}
		if !s.stays() && !s.busy() && s.resting() {
			e.drain.closed++
			e.drain.last = e.loop.now
			s.leave()
			left--
		}
	}
	e.loop.wake(e.loop.now + drainPace)
}

// stays reports whether the client may stay although it rests: it was told and
// leaves by itself, or it is new and may still ask to be told. Who has begun to
// work without asking does not ask any more, and whoever it shares a pool with
// waits for it.
func (s *session) stays() bool {
	greeting := s.last == nil || s.last.own != nil
	return s.loop.now < s.stayUntil && (s.notices.on || greeting)
}

// busy reports whether the client has just sent something, while there is time to
// wait for a better moment.
func (s *session) busy() bool {
	now := s.loop.now
	return now < s.endpoint.drain.since+politeFor && now < s.heard+silentFor
}

func (e *endpoint) cutAll() {
	for s := range e.sessions() {
		e.drain.cut++
		s.close()
	}
}
