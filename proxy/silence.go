package proxy

// silence is a stretch of turns whose replies the client does not want.
type silence struct {
	from, to uint32
	open     bool // it has no end yet
}

// replies deals with CLIENT REPLY.
func (s *session) replies(_ []byte, args [][]byte) {
	var last *silence
	if n := len(s.silent); n > 0 && s.silent[n-1].open {
		last = &s.silent[n-1]
	}
	turn := s.tail
	switch {
	case equalFold(args[2], "ON"):
		s.endSilence(turn)
		for i := range s.silent {
			if q := &s.silent[i]; int32(q.to-turn) > 0 {
				q.to = turn
			}
		}
		s.ok()
		return
	case equalFold(args[2], "OFF"):
		if last == nil {
			s.more().silent = append(s.silent, silence{from: turn, open: true})
		}
	case equalFold(args[2], "SKIP"):
		if last == nil {
			s.more().silent = append(s.silent, silence{from: turn, to: turn + 2})
		}
	default:
		s.refuse("ERR syntax error")
		return
	}
	s.answerNow(nil)
}

// endSilence ends what OFF has begun, with the turn; RESET, too, is one that SKIP skips.
func (s *session) endSilence(turn uint32) {
	for i := range s.silent {
		if q := &s.silent[i]; q.open {
			q.to, q.open = turn, false
		}
	}
}

// mutes reports whether the reply of the turn is not wanted.
func (s *session) mutes(turn uint32) bool {
	for len(s.silent) > 0 && !s.silent[0].open && int32(s.silent[0].to-s.head) <= 0 {
		s.more().silent = s.silent[1:]
	}
	for _, q := range s.silent {
		if int32(turn-q.from) >= 0 && (q.open || int32(turn-q.to) < 0) {
			return true
		}
	}
	return false
}
