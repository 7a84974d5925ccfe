package proxy

import (
	"strconv"

	"github.com/haulout/haulout/resp"
)

// unblocking is CLIENT UNBLOCK for one call. The call may be answered this very
// moment, with something taken out of a list. So it is the engine that ends it,
// asked over a line of its own; only what no engine has is ended here.
type unblocking struct {
	call  *blocked
	over  *line // the call's
	line  *line
	until int64
	error bool // the client is told an error, not that the time is over
	done  func(outcome []byte)
}

const (
	errUnblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
	errUnblock   = "ERR the call could not be unblocked: its shard can not be asked now"
)

// unblockClient deals with CLIENT UNBLOCK. The client is one of this endpoint, in
// any loop.
func (s *session) unblockClient(_ []byte, args [][]byte) {
	problem, withError := "", len(args) == 4 && equalFold(args[3], "ERROR")
	id, err := strconv.ParseInt(string(args[2]), 10, 64)
	switch {
	case len(args) > 4:
		problem = "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."
	case len(args) == 4 && !withError && !equalFold(args[3], "TIMEOUT"):
		problem = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
	case err != nil:
		problem = "ERR value is not an integer or out of range"
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	turn := s.turn()
	ask(s, func(e *endpoint) *session { return e.session(id) }, func(found []*session, complete bool) {
		target := oneOf(found)
		switch {
		case !complete:
			s.fail(turn, errInquiry)
		case target == nil:
			s.answer(turn, resp.AppendInt(nil, 0))
		case target.loop == s.loop:
			target.unblock(withError, func(outcome []byte) { s.answer(turn, outcome) })
		default:
			tell := func(outcome []byte) { s.loop.send(func() { s.answer(turn, outcome) }) }
			if !target.loop.send(func() { target.unblock(withError, tell) }) {
				s.fail(turn, errInquiry)
			}
		}
	})
}

// session returns the client with the number, or nil.
func (e *endpoint) session(id int64) *session {
	for s := range e.sessions() {
		if s.id == id {
			return s
		}
	}
	return nil
}

// oneOf returns the client that was found in one of the loops, or nil.
func oneOf(found []*session) *session {
	for _, s := range found {
		if s != nil {
			return s
		}
	}
	return nil
}

// unblock ends the call that the client waits in. Done is called once, here or
// later in the loop of the client.
func (s *session) unblock(withError bool, done func(outcome []byte)) {
	calls := s.fan.calls()
	if s.blocked != nil {
		calls = append(calls, s.blocked)
	}
	left, most := 0, resp.AppendInt(nil, 0)
	for _, b := range calls {
		if b.active && b.endless && b.unblock == nil {
			left++
		}
	}
	if left == 0 || s.gone {
		done(most)
		return
	}
	for _, b := range calls {
		if b.active && b.endless && b.unblock == nil {
			u := &unblocking{call: b, error: withError, done: func(outcome []byte) {
				if string(outcome) != ":0\r\n" {
					most = append([]byte(nil), outcome...)
				}
				if left--; left == 0 {
					done(most)
				}
			}}
			b.unblock = u
			u.begin()
		}
	}
}

// begin asks the engine that has the call.
func (u *unblocking) begin() {
	b := u.call
	if !b.sent {
		b.yield()
		return
	}
	u.over = b.line
	if b.line.stray() {
		return // the call comes back in a moment
	}
	l := b.session.loop
	if u.line = l.openLine(b.shard, 3, "", u); u.line == nil {
		u.ended()
		return
	}
	l.waiting[u] = struct{}{}
	u.until = l.now + inquiryLimit
	l.wake(u.until)
}

// advance implements waiter.
func (u *unblocking) advance() {
	l := u.line.loop
	if l.now >= u.until {
		u.ended()
		return
	}
	u.line.flush()
	l.wake(u.until)
}

// opened implements lineUser.
func (u *unblocking) opened() {
	if u.call.unblock != u || u.call.line != u.over || u.line.target != u.over.target {
		u.end(resp.AppendInt(nil, 0))
		return
	}
	how := "TIMEOUT"
	if u.error {
		how = "ERROR"
	}
	u.line.write(resp.AppendCommand(nil, "CLIENT", "UNBLOCK", strconv.FormatInt(u.over.id, 10), how))
}

// replied implements lineUser.
func (u *unblocking) replied(kind byte, reply []byte) {
	switch {
	case kind == resp.KindError:
		reply = resp.AppendError(nil, errUnblock)
	case kind != resp.KindInt:
		return
	}
	u.end(reply)
}

// ended implements lineUser.
func (u *unblocking) ended() { u.end(resp.AppendError(nil, errUnblock)) }

// end tells the outcome, once.
func (u *unblocking) end(outcome []byte) {
	if u.call.unblock == u {
		u.call.unblock = nil
	}
	if u.done != nil {
		done := u.done
		u.done = nil
		done(outcome)
	}
	if u.line != nil {
		delete(u.line.loop.waiting, u)
		u.line.close()
	}
}

// yield ends a call that no engine has, as was asked.
func (b *blocked) yield() {
	u := b.unblock
	reply := nothingExecuted(b.session.version())
	switch {
	case u.error:
		reply = resp.AppendError(nil, errUnblocked)
	case b.nothing != nil:
		reply = b.nothing
	}
	u.end(resp.AppendInt(nil, 1))
	b.finish(reply)
}
