package proxy

import "github.com/haulout/haulout/cluster"

// Clients of an endpoint are spread over the loops, which share nothing. What
// concerns all of them is asked of every loop by mail, and nobody waits for the
// answers: they come as mail, too.

// inquiryLimit is how long the other loops may take to answer, in nanoseconds.
const inquiryLimit = int64(2e9)

const errInquiry = "ERR a part of this endpoint did not answer in time"

// inquiry is a question under way.
type inquiry struct {
	loop  *loop
	until int64
	over  func(complete bool) // called once
}

// ask has f run for the session's endpoint in every loop, and then, in the
// session's own, then with all that was found: at once if there is one loop only.
// In other loops f may look at nothing of the session. If some loop does not
// answer in time what was found is not complete.
func ask[T any](s *session, f func(e *endpoint) T, then func(found []T, complete bool)) {
	l, id := s.loop, s.endpoint.route.ID
	found, missing := []T{f(s.endpoint)}, 0
	q := &inquiry{loop: l, until: l.now + inquiryLimit}
	q.over = func(complete bool) {
		delete(l.waiting, q)
		if !s.gone {
			then(found, complete)
		}
	}
	for _, other := range l.loops {
		if other == l {
			continue
		}
		answered := func(one T, known bool) {
			l.send(func() {
				if known {
					found = append(found, one)
				}
				if missing--; missing == 0 && q.open() {
					q.over(true)
				}
			})
		}
		if other.send(func() { answered(askOne(other, id, f)) }) {
			missing++
		}
	}
	if missing == 0 {
		q.over(true)
		return
	}
	l.waiting[q] = struct{}{}
	l.wake(q.until)
}

// askOne asks one loop, which may not have the endpoint.
func askOne[T any](l *loop, id cluster.EndpointID, f func(e *endpoint) T) (found T, known bool) {
	if e := l.endpoints[id]; e != nil {
		return f(e), true
	}
	return found, false
}

func (q *inquiry) open() bool {
	_, waits := q.loop.waiting[q]
	return waits
}

// advance implements waiter: it ends the inquiry when its time is over.
func (q *inquiry) advance() {
	if q.loop.now >= q.until {
		q.over(false)
		return
	}
	q.loop.wake(q.until)
}
