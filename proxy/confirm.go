package proxy

import (
	"net/netip"
	"strconv"

	"github.com/haulout/haulout/resp"
)

// confirmer holds back the replies to the writes of a shard whose database has
// min_replicas, until so many replicas have them. It asks the master on a line of
// its own, one question for all that was executed before it, so that nobody's
// reads wait and the links stay busy; what is executed meanwhile is in the next one.
//
// The replies held belong to the present master. When a hand-over makes another
// one master, that one has everything the last one executed, so they are given.
// When the range loses its master in any other way, nobody knows what the next one
// will have, and they are answered with an error.
type confirmer struct {
	shard    *shard
	replicas int // how many must have a write
	line     *line
	stamp    uint16 // of the master's process; 0: not known yet
	question []byte

	held    []call // whose replies are held; since is when they came, size is their length
	first   int
	replies []byte // of held[first:], from base on
	base    int
	dirty   bool

	asking    bool  // a question is under way
	published bool  // the first half of it is answered
	asked     int   // of those held, how many it is about
	askedAt   int64 // when it was asked
	warm      bool  // connect even if nothing is held
	notYet    int64 // no connection is tried before
	backoff   int64
}

// origin says under which master a command was executed.
type origin struct {
	address netip.AddrPort
	history int
}

// confirmChannel is where the question publishes: WAIT asks for what was
// replicated last over its own connection, and so something has to be.
const confirmChannel = markPrefix + "confirm"

// askAgain is how long the engine waits for replicas before it is asked again: one
// that was just linked tells how far it is when it is asked.
const askAgain = int64(100e6)

// confirmBy makes the shard hold writes back until so many replicas have them; 0: none.
func (s *shard) confirmBy(replicas int) {
	switch f := s.confirm; {
	case f != nil && f.replicas == replicas:
		return
	case f != nil:
		f.close()
		s.confirm = nil
	}
	if replicas > 0 {
		s.confirm = &confirmer{shard: s, replicas: replicas, warm: true}
		s.confirm.question = resp.AppendCommand(resp.AppendCommand(nil, "SPUBLISH", confirmChannel, ""),
			"WAIT", strconv.Itoa(replicas), strconv.FormatInt(askAgain/1e6, 10))
		s.loop.waiting[s.confirm] = struct{}{}
		s.confirm.touch()
	}
}

// succeed is called before another becomes master, or nobody. Without any time in
// which nobody was master, or this host may not have known of it, it was a hand-over.
func (s *shard) succeed(address netip.AddrPort, lost bool) {
	if s.confirm == nil {
		return
	}
	handed := s.address.IsValid() && address.IsValid() && !lost && s.loop.leased()
	if !handed {
		s.history++
	}
	s.confirm.settle(handed)
}

// confirms reports whether a reply has to be held back.
func (s *shard) confirms(marks callMark) bool { return s.confirm != nil && marks&writes != 0 }

// hold takes a reply to a write that was executed. The bytes are copied.
func (f *confirmer) hold(c call, from origin, reply []byte) {
	l := f.shard.loop
	switch {
	case from.history != f.shard.history:
		c.fail(l, errUnconfirmed)
		return
	case from.address != f.shard.address:
		c.deliver(reply[0], reply)
		return
	}
	c.since, c.size = l.now, len(reply)
	f.makeRoom(len(reply))
	f.held, f.replies = append(f.held, c), l.extend(f.replies, reply)
	l.queued += c.weight()
	f.touch()
}

// makeRoom moves what is in use to the front, where that pays.
func (f *confirmer) makeRoom(n int) {
	if f.base >= len(f.replies)/2 && len(f.replies)+n > cap(f.replies) {
		f.replies, f.base = f.replies[:copy(f.replies, f.replies[f.base:])], 0
	}
	if f.first > len(f.held)/2 && len(f.held) == cap(f.held) {
		n := copy(f.held, f.held[f.first:])
		clear(f.held[n:])
		f.held, f.first = f.held[:n], 0
	}
}

// touch has the confirmer looked at when the turn ends.
func (f *confirmer) touch() {
	if !f.dirty {
		f.dirty = true
		f.shard.loop.confirmers = append(f.shard.loop.confirmers, f)
	}
}

// idle reports whether nothing is held.
func (f *confirmer) idle() bool { return f.first == len(f.held) }

// pop removes the first reply. It stays as it is until the next one is held.
func (f *confirmer) pop() (call, []byte) {
	c := f.held[f.first]
	reply := f.replies[f.base : f.base+c.size]
	f.held[f.first] = call{}
	f.first++
	f.base += c.size
	f.asked = max(0, f.asked-1)
	f.shard.loop.queued -= c.weight()
	return c, reply
}

// tidy gives the buffer back when nothing is held.
func (f *confirmer) tidy() {
	if f.idle() && f.held != nil {
		f.shard.loop.give(f.replies)
		f.held, f.first, f.replies, f.base = f.held[:0], 0, nil, 0
	}
}

// release gives the first replies to whom they are for.
func (f *confirmer) release(n int) {
	for range n {
		if c, reply := f.pop(); !c.session.gone {
			c.deliver(reply[0], reply)
		}
	}
	f.tidy()
}

// deny answers the first command with an error. It is never sent again.
func (f *confirmer) deny() {
	if c, _ := f.pop(); !c.session.gone {
		c.fail(f.shard.loop, errUnconfirmed)
	}
}

// settle answers everything when the master's time has ended: with the replies, if
// the next one has it all, else with the error.
func (f *confirmer) settle(all bool) {
	f.drop()
	f.stamp, f.notYet, f.backoff, f.warm = 0, 0, 0, true
	if all {
		f.release(len(f.held) - f.first)
	}
	for !f.idle() {
		f.deny()
	}
	f.tidy()
	f.touch()
}

// advance does the next step: asks, or waits for the answer or the line.
func (f *confirmer) advance() {
	f.expire()
	l := f.shard.loop
	switch {
	case f.asking || f.idle() && !f.warm || !f.shard.address.IsValid() || !l.leased():
	case l.now < f.notYet:
		l.wake(f.notYet)
	case f.line == nil:
		f.warm = false
		if f.line = l.openLine(f.shard, 2, "", f); f.line == nil {
			f.delay()
		}
	case f.line.state == linked && !f.idle():
		f.asking, f.published, f.asked, f.askedAt = true, false, len(f.held)-f.first, l.now
		f.line.write(f.question)
	}
}

// expire answers those that have waited too long, and gives up a line on which
// nothing comes any more.
func (f *confirmer) expire() {
	l := f.shard.loop
	for !f.idle() {
		if due := f.held[f.first].since + l.confirmFor; l.now < due {
			l.wake(due)
			break
		}
		f.deny()
	}
	f.tidy()
	switch due := f.askedAt + 2*l.confirmFor; {
	case !f.asking:
	case l.now < due:
		l.wake(due)
	default:
		f.drop()
	}
}

// opened implements lineUser: it is asked first which process the master is.
func (f *confirmer) opened() {
	f.asking, f.published, f.asked, f.askedAt = true, false, 0, f.shard.loop.now
	f.line.write(resp.AppendCommand(nil, "INFO", "server"))
}

// replied implements lineUser.
func (f *confirmer) replied(kind byte, reply []byte) {
	switch kind {
	case resp.KindBulk:
		f.meet(stampOf(reply))
	case resp.KindInt:
		if f.published {
			f.answered(reply)
		}
		f.published = true
	default:
		// Rights taken, or no master any more: what follows is told by the route.
		f.drop()
		f.delay()
	}
}

// meet takes note of the master's process. Another one than before has lost its data.
func (f *confirmer) meet(stamp uint16) {
	f.asking = false
	if f.stamp != 0 && f.stamp != stamp {
		f.shard.history++
		for !f.idle() {
			f.deny()
		}
		f.tidy()
	}
	f.stamp = max(stamp, 1)
	f.touch()
}

// answered takes in how many replicas have what was asked for. It counts only
// while this host may serve: else another may be master by now.
func (f *confirmer) answered(reply []byte) {
	f.asking, f.backoff = false, 0
	have, _ := strconv.Atoi(string(reply[1 : len(reply)-2]))
	if have >= f.replicas && f.shard.loop.leased() {
		f.release(f.asked)
	}
	f.asked = 0
	f.touch()
}

// ended implements lineUser.
func (f *confirmer) ended() {
	f.line, f.asking, f.asked = nil, false, 0
	f.delay()
}

func (f *confirmer) delay() {
	l := f.shard.loop
	f.backoff = min(max(2*f.backoff, firstBackoff), lastBackoff)
	f.notYet = l.now + f.backoff
	f.touch()
}

// drop closes the line.
func (f *confirmer) drop() {
	if f.line != nil {
		f.line.close()
	}
	f.line, f.asking, f.asked = nil, false, 0
}

// close ends the confirmer; what it holds is denied.
func (f *confirmer) close() {
	f.settle(false)
	f.warm = false
	delete(f.shard.loop.waiting, f)
}

// flushConfirmers asks for what was executed in this turn.
func (l *loop) flushConfirmers() {
	for i := 0; i < len(l.confirmers); i++ {
		f := l.confirmers[i]
		f.dirty = false
		f.advance()
	}
	l.confirmers = l.confirmers[:0]
}
