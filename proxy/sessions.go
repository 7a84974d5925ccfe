package proxy

import (
	"iter"
	"math/bits"
)

// sessions are an endpoint's clients: a bit for the seat of each in the loop. A map would
// have thirty bytes for each, beside the garbage of its growth.
type sessions struct {
	seats []uint64
	count int
}

func (l *sessions) add(s *session) {
	for int(s.seat)/64 >= len(l.seats) {
		l.seats = append(l.seats, 0)
	}
	l.seats[s.seat/64] |= 1 << (s.seat % 64)
	l.count++
}

// remove takes the session out, if it is there.
func (l *sessions) remove(s *session) {
	bit := uint64(1) << (s.seat % 64)
	if l.seats[s.seat/64]&bit != 0 {
		l.seats[s.seat/64] &^= bit
		l.count--
	}
}

// sessions returns the clients. Those that are closed meanwhile are left out.
func (e *endpoint) sessions() iter.Seq[*session] {
	return func(yield func(*session) bool) {
		for i := 0; i < len(e.clients.seats); i++ {
			for left := e.clients.seats[i]; left != 0; left &= e.clients.seats[i] {
				at := bits.TrailingZeros64(left)
				left &^= 1 << at
				if !yield(e.loop.owner(seat(64*i + at)).handler.(*session)) {
					return
				}
			}
		}
	}
}
