package proxy

// pushes are messages to a client that wait for replies in front of them.
type pushes struct {
	list  []push
	bytes int
	first uint32 // of the turns that they wait for
}

// push is a message that goes out once the turn is over.
type push struct {
	behind uint32
	text   []byte
}

// push writes a message to the client, between two replies.
func (s *session) push(message []byte) {
	if s.streaming {
		s.pushLater(s.head, message)
		return
	}
	s.write(message)
}

// pushBehind writes a message to the client behind every reply that has come,
// also behind those that wait for their turn or for other parts.
func (s *session) pushBehind(message []byte) {
	if s.gone {
		return
	}
	if s.keepsSome() {
		s.pushLater(s.keptBack, message)
		return
	}
	s.push(message)
}

func (s *session) pushLater(behind uint32, message []byte) {
	p := &s.more().pushes
	if len(p.list) == 0 || int32(behind-p.first) < 0 {
		p.first = behind
	}
	p.list = append(p.list, push{behind, append([]byte(nil), message...)})
	if p.bytes += len(message); p.bytes > s.loop.maxOutput {
		s.endpoint.counts.SlowReaders++
		s.close()
	}
}

// keepsBack notes that a reply to the turn, or a part of it, is here and can not
// go out yet.
func (s *session) keepsBack(turn uint32) {
	if !s.keepsSome() || int32(turn-s.keptBack) > 0 {
		s.keptBack = turn
	}
}

// keepsSome reports whether anything is kept back.
func (s *session) keepsSome() bool { return s.keptBack-s.head < s.tail-s.head }

// moveOn ends a turn, and lets out what has waited for that. There may be many messages
// and many turns.
func (s *session) moveOn() {
	s.head++
	if p := &s.pushes; len(p.list) > 0 && int32(p.first-s.head) < 0 {
		s.letOut()
	}
}

// letOut writes the messages whose turn is over.
func (s *session) letOut() {
	p := &s.more().pushes
	left := p.list[:0]
	for _, m := range p.list {
		if int32(m.behind-s.head) < 0 {
			p.bytes -= len(m.text)
			s.write(m.text)
			continue
		}
		if len(left) == 0 || int32(m.behind-p.first) < 0 {
			p.first = m.behind
		}
		left = append(left, m)
	}
	clear(p.list[len(left):])
	if p.list = left; len(left) == 0 {
		*p = pushes{}
	}
}
