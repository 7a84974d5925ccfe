package proxy

// slow is a client of which no more commands are read until it has read more itself. It
// may wait with that until it has written all: so this comes only where there is no more
// room for it, and not for ever.
type slow struct {
	session *session
	since   int64 // when the client last took something, or others were waited for
}

// watchOutput stops reading commands where too much output waits for the client, and
// goes on when half of that is gone.
func (s *session) watchOutput() {
	unread, limit := len(s.out)-s.written, s.loop.maxOutput
	if s.early != nil {
		unread += s.early.bytes
	}
	switch l := s.loop; {
	case s.slow == nil && unread > limit:
		w := &slow{s, l.now}
		s.more().slow = w
		l.waiting[w] = struct{}{}
		l.wake(l.now + l.patience)
		s.paused |= pauseOutput
	case s.slow != nil && unread <= limit/2:
		s.forgetSlow()
		s.unpause(pauseOutput)
	}
}

func (s *session) forgetSlow() {
	if s.slow != nil {
		delete(s.loop.waiting, s.slow)
		s.slow = nil
	}
}

// advance implements waiter.
func (w *slow) advance() {
	s, l := w.session, w.session.loop
	if !s.full {
		w.since = l.now
	}
	if l.now < w.since+l.patience {
		l.wake(w.since + l.patience)
		return
	}
	s.endpoint.counts.SlowReaders++
	s.close()
}

// mayWait is how much output may wait for the client at all. A client gets what it has
// asked for; what others publish for one that does not read is not kept for so long.
func (s *session) mayWait() int {
	if s.subscriber != nil {
		return s.loop.maxOutput
	}
	return longWait * s.loop.maxOutput
}
