package proxy

import (
	"math"
	"sync/atomic"

	"github.com/haulout/haulout/resp"
	"golang.org/x/sys/unix"
)

// session is one client's connection. Each command it sends gets a number, its
// turn; replies go out in that order.
//
// There are tens of thousands that idle, so a test holds it to its size.
type session struct {
	loop     *loop
	endpoint *endpoint
	id       int64

	in *input // not yet handled; nil: none

	early   *early // replies that came before their turn; nil: none yet
	out     []byte
	written int

	born, heard int64     // when it came, and when it last sent a command
	last        *command  // that it sent
	wrote       *[]*shard // if there are several
	stayUntil   int64     // although the endpoint drains
	*extra

	head, tail uint32 // turn of the next reply, and of the next command
	keptBack   uint32 // the last turn of which a reply, or a part of one, has come and not gone out
	newest     length // of the reply written last, as far as it has come
	interest   uint32
	fd         int32
	seat       seat

	protocol  uint8 // 2 or 3
	paused    pause
	notices   notices
	known     bool // has shown the password
	streaming bool // a reply has begun to go out and has not ended
	full      bool // the socket takes no more for now
	output    output
	queued    bool // in loop.runnable
	gone      bool // closed
	leaving   bool // to be closed when everything is answered and sent
	hungUp    bool // the client has ended its side in the midst of a call
}

// length is a number of bytes, or 4 GiB less one if there are more.
type length uint32

func (n *length) grow(by int) { *n = length(min(int(*n)+by, math.MaxUint32)) }

// output is what is to be done about a session's output at the end of a turn.
type output uint8

const (
	sent  output = iota // nothing
	dirty               // it is sent, unless there is soon more
	late                // it is sent: it has waited for a turn
)

// pause is why a session's input is not read.
type pause uint8

const (
	pauseWindow  pause = 1 << iota // too many commands unanswered
	pauseQueue                     // the loop's queues are too long
	pauseBlocked                   // a blocking call, or one that must come alone
	pauseExec                      // a transaction that changes something of the session
	pauseEnd                       // the client sends no more, or shall not
	pauseOutput                    // it reads too slowly, or one shard answers later than others
	pauseLogin                     // it has become another user, or speaks otherwise: its commands go another way
)

const (
	window      = 1024 // unanswered commands of one session
	lingerLimit = int64(1e9)
	fewBytes    = 8 << 10
	keepEarly   = 32 // places for early replies that a session keeps

	someUnread = 4 // what part of the output's limit is filled with replies that came early
	longWait   = 4 // times the output's limit that may wait for the client, or for another shard
)

var sessionIDs atomic.Int64

// open takes in a new client.
func (l *loop) open(fd int, e *endpoint) *session {
	s := &session{
		loop: l, endpoint: e, fd: int32(fd), id: sessionIDs.Add(1), protocol: 2, extra: noExtra,
		known: e.open(), interest: unix.EPOLLIN, born: l.now, heard: l.now,
	}
	if e.route.Notices {
		s.stayUntil = l.now + askingTime
	}
	s.seat = l.add(fd, s.interest, s)
	e.clients.add(s)
	if e.drain.active {
		l.wake(l.now + drainPace)
	}
	return s
}

// version is that of the protocol that the client speaks.
func (s *session) version() int { return int(s.protocol) }

// ready handles what epoll tells of the client's socket.
func (s *session) ready(events uint32) {
	if s.lingerTo > 0 {
		s.linger()
		return
	}
	if events&unix.EPOLLOUT != 0 {
		s.full = false
		s.touch()
	}
	switch {
	case events&unix.EPOLLERR != 0, events&unix.EPOLLHUP != 0:
		s.close()
	case events&unix.EPOLLRDHUP != 0 && s.paused&pauseBlocked != 0:
		s.hungUp = true
		s.noteEnd()
		s.touch()
		if s.blocked != nil {
			s.blocked.advance()
		}
		if s.fan != nil {
			s.fan.advance()
		}
	case events&unix.EPOLLIN != 0 && s.paused == 0:
		s.read()
	}
}

func (s *session) read() {
	n, err := receive(int(s.fd), s.loop.buf)
	switch {
	case n > 0 && s.in == nil:
		s.handleNew(s.loop.buf[:n])
	case n > 0:
		if len(s.in.bytes)+n > s.loop.maxInput {
			s.endpoint.counts.LongInput++
			s.close()
			return
		}
		s.in.bytes = s.loop.extend(s.in.bytes, s.loop.buf[:n])
		s.proceed()
	case n == 0:
		s.ended()
	case !later(err):
		s.close()
	}
}

// ended is called when the client will send nothing more. What it has sent is
// answered first.
func (s *session) ended() {
	if s.endpoint.drain.active && s.notices.on {
		s.endpoint.drain.closed++ // it went as it was told
	}
	if s.head == s.tail && len(s.out) == 0 {
		s.close()
		return
	}
	s.noteEnd()
	s.pause(pauseEnd)
	s.leaving = true
}

// turn takes the next turn for a command.
func (s *session) turn() uint32 {
	t := s.tail
	s.tail++
	if s.tail-s.head >= s.window() {
		s.endpoint.counts.WindowFull++
		s.pause(pauseWindow)
	}
	return t
}

// window is how many commands may be unanswered: fewer where replies are long, as all of
// them may come before the client reads the next.
func (s *session) window() uint32 {
	if room := s.loop.maxOutput / 2; int(s.newest) > room/window {
		return uint32(max(1, room/int(s.newest)))
	}
	return window
}

// answerNow answers the command just read, in its turn.
func (s *session) answerNow(reply []byte) {
	s.loop.reply = reply
	if s.capture != nil {
		*s.capture = append(*s.capture, reply...)
		return
	}
	s.answer(s.turn(), reply)
}

// refuse answers the command just read with an error.
func (s *session) refuse(text string) {
	s.answerNow(resp.AppendError(s.loop.reply[:0], text))
}

// fail answers a command with an error.
func (s *session) fail(turn uint32, text string) { s.answer(turn, resp.AppendError(nil, text)) }

// answer gives the reply to a command: at once if it is its turn, else later.
func (s *session) answer(turn uint32, reply []byte) {
	if s.gone {
		return
	}
	if s.silent != nil && s.mutes(turn) {
		reply = nil
	}
	if turn != s.head {
		s.answerEarly(turn, reply)
		return
	}
	s.newest = 0
	s.newest.grow(len(reply))
	s.write(reply)
	s.next()
}

// next moves on to the turns that have been answered already.
func (s *session) next() {
	s.moveOn()
	if s.early != nil {
		s.sayEarly()
	}
	if s.leaving {
		s.touch() // the last reply may have been one that nobody wants
	}
	if s.paused != 0 {
		s.relax()
	}
}

// relax ends the pauses whose reason is gone by an answer.
func (s *session) relax() {
	if s.paused&pauseWindow != 0 && s.tail-s.head <= s.window()/2 {
		s.unpause(pauseWindow)
	}
	if s.paused&pauseLogin != 0 && s.head == s.tail {
		s.unpause(pauseLogin)
	}
	if s.paused&pauseBlocked == 0 {
		return
	}
	if s.blocked != nil {
		s.blocked.advance()
	}
	if s.fan != nil {
		s.fan.advance()
	}
	if s.watching != nil {
		s.watching.advance()
	}
	if s.subscriber != nil {
		s.subscriber.advance()
	}
	if s.tracking != nil {
		s.tracking.advance()
	}
}

func (s *session) answerEarly(turn uint32, reply []byte) {
	if s.early == nil {
		s.early = &early{}
	}
	if need := int(s.tail - s.head); need > len(s.early.replies) {
		s.early.grow(s.head, need)
	}
	*s.early.at(turn) = append(s.loop.take(len(reply)), reply...)
	s.early.count++
	s.early.bytes += len(reply)
	s.keepsBack(turn)
	switch limit := s.loop.maxOutput; {
	case s.early.bytes > longWait*limit:
		s.endpoint.counts.SlowReaders++
		s.close()
	case s.early.bytes > limit:
		s.touch()
	}
}

// sayEarly gives the replies whose turn has come meanwhile, as far as there is room for
// them in the output; flush gives the rest.
func (s *session) sayEarly() {
	e := s.early
	for e.count > 0 && !s.gone {
		place := e.at(s.head)
		if *place == nil || len(s.out)-s.written > s.loop.maxOutput/someUnread {
			return
		}
		s.newest = 0
		s.newest.grow(len(*place))
		s.write(*place)
		e.bytes -= len(*place)
		s.loop.give(*place)
		*place = nil
		e.count--
		s.moveOn()
	}
	if len(e.replies) > keepEarly {
		s.early = nil
	}
}

// write appends to the output.
func (s *session) write(b []byte) {
	s.out = s.loop.extend(s.out, b)
	s.touch()
}

// touch has the session looked at when the turn ends.
func (s *session) touch() {
	if s.output == sent {
		s.output = dirty
		s.loop.dirty = append(s.loop.dirty, s)
	}
}

// soon reports whether the output can wait for a turn: more of it is under way, and all
// of it is then sent at once.
func (s *session) soon() bool {
	return s.output == dirty && s.head != s.tail && len(s.out) > 0 && len(s.out)-s.written < fewBytes && !s.full
}

// flush sends the output, and closes the session if that is all it waited for.
func (s *session) flush() {
	if s.gone {
		return
	}
	for len(s.out) > s.written && !s.full {
		n, err := transmit(int(s.fd), s.out[s.written:])
		if err != nil && !later(err) {
			s.close()
			return
		}
		s.written += max(n, 0)
		if n > 0 && s.slow != nil {
			s.slow.since = s.loop.now
		}
		if s.full = s.written < len(s.out); s.full || s.early == nil {
			break
		}
		s.loop.give(s.out)
		s.out, s.written = nil, 0
		if s.sayEarly(); s.paused != 0 {
			s.relax()
		}
		if s.gone {
			return
		}
	}
	switch {
	case s.written == len(s.out):
		s.loop.give(s.out)
		s.out, s.written = nil, 0
	case len(s.out)-s.written-int(s.newest) > s.mayWait():
		// A single reply may be as long as it likes.
		s.endpoint.counts.SlowReaders++
		s.close()
		return
	case s.written > len(s.out)/2:
		s.out = s.out[:copy(s.out, s.out[s.written:])]
		s.written = 0
	}
	if s.blocked != nil {
		s.blocked.drained()
	}
	s.watchOutput()
	if s.leaving && s.head == s.tail && s.out == nil {
		s.leave()
		return
	}
	s.attend()
}

func (s *session) pause(p pause) {
	s.paused |= p
	s.touch()
}

// unpause removes a reason to pause. The input goes on when it was the last.
func (s *session) unpause(p pause) {
	if s.paused&p == 0 || s.gone {
		return
	}
	s.paused &^= p
	s.touch()
	if s.paused == 0 && !s.queued {
		s.queued = true
		s.loop.runnable = append(s.loop.runnable, s)
	}
}

// attend tells epoll what the session wants to hear of.
func (s *session) attend() {
	var want uint32
	if s.paused == 0 {
		want |= unix.EPOLLIN
	}
	if s.paused&pauseBlocked != 0 && !s.hungUp {
		want |= unix.EPOLLRDHUP
	}
	if s.full {
		want |= unix.EPOLLOUT
	}
	if want != s.interest {
		s.interest = want
		s.loop.watch(int(s.fd), s.seat, want)
	}
}

// quit lets the session end when all is answered, and handles no more input.
func (s *session) quit() {
	s.leaving = true
	s.pause(pauseEnd)
}

// resting reports whether the client can be sent away without noticing more
// than a connection closed between two commands.
func (s *session) resting() bool {
	return s.head == s.tail && s.in == nil && len(s.out) == 0 && s.transaction == nil && !s.watches() && s.paused == 0 &&
		(s.subscriber == nil || s.subscriber.idle()) && (s.bridge == nil || s.bridge.quiet()) && unread(int(s.fd)) == 0
}

// waits reports whether the client is in a call that may take as long as it
// likes, or watches keys.
func (s *session) waits() bool {
	return s.blocked != nil && s.blocked.active || s.fan != nil || s.watches()
}

// leave closes in good order: the client gets everything that was sent, even
// if it sends something itself meanwhile.
func (s *session) leave() {
	s.detach()
	unix.Shutdown(int(s.fd), unix.SHUT_WR)
	s.more().lingerTo = s.loop.now + lingerLimit
	s.loop.lingering = append(s.loop.lingering, s)
	s.loop.watch(int(s.fd), s.seat, unix.EPOLLIN)
	s.loop.wake(s.lingerTo)
}

// linger throws away what the client still sends until it closes.
func (s *session) linger() {
	n, err := receive(int(s.fd), s.loop.buf)
	if n == 0 || n < 0 && !later(err) {
		s.release()
	}
}

func (l *loop) endLingering() {
	left := l.lingering[:0]
	for _, s := range l.lingering {
		switch {
		case s.fd < 0:
		case l.now >= s.lingerTo:
			s.release()
		default:
			l.wake(s.lingerTo)
			left = append(left, s)
		}
	}
	clear(l.lingering[len(left):])
	l.lingering = left
}

// close ends the session at once.
func (s *session) close() {
	if s.gone {
		return
	}
	s.detach()
	s.release()
}

// detach takes the session out of the endpoint. Replies to it are dropped from now on.
func (s *session) detach() {
	s.gone = true
	s.endpoint.clients.remove(s)
	s.closeLines()
	s.forgetSlow()
	s.forget()
	s.early, s.out, s.in = nil, nil, nil
}

// closeLines closes what the session has of its own at the engines.
func (s *session) closeLines() {
	if s.blocked != nil {
		s.blocked.close()
	}
	if s.subscriber != nil {
		s.subscriber.close()
	}
	if s.publication != nil {
		s.publication.close()
	}
	if s.fan != nil {
		s.fan.close()
	}
	if s.watching != nil {
		s.watching.close()
	}
	if s.tracking != nil {
		s.tracking.end()
	}
	if s.extra != noExtra {
		s.blocked, s.fan, s.watching, s.subscriber, s.publication = nil, nil, nil, nil, nil
	}
}

func (s *session) release() {
	if s.fd >= 0 {
		s.loop.drop(int(s.fd), s.seat)
		s.fd = -1
		if s.bridge != nil {
			s.bridge.end()
		}
	}
}
