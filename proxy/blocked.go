package proxy

import (
	"math"
	"slices"
	"strconv"

	"github.com/haulout/haulout/resp"
)

// blocked is a client's call over a line of the client's own: one that may wait
// in the engine, or that belongs to what was watched on that line. It goes when
// all before it is answered; the client's input waits until it is answered itself.
type blocked struct {
	session *session
	line    *line  // kept between calls, for a while
	used    int64  // when it was last
	watch   *watch // what is watched over it; nil: it is for calls that wait
	as      string // whose rights the call has; "": those of the default user
	denied  bool   // it was refused for lack of them

	active  bool
	turn    uint32
	shard   *shard
	raw     []byte
	ask     []byte // commands that go in front
	asked   uint32 // replies that come before the one that counts
	call    call   // its marks, and the count of those
	limit   limit
	begun   int64
	last    *lastEntries // of the streams that the call waits for
	endless bool         // it may wait without end, for whatever others do
	nothing []byte       // what it is answered when it is ended here; nil: null
	long    bool         // the reply is passed on in pieces

	halfway bool // some of them have been
	held    bool // the reply is there, and waits for replicas to confirm it

	fan     *fan // of which this is a part
	part    int
	unblock *unblocking // somebody wants the call to end

	sent    bool
	waiting int64 // since when it could not be sent
	notYet  int64
	backoff int64
	leaveBy int64
	refusal []byte
}

// block begins a blocking call.
func (s *session) block(c *command, raw []byte, args [][]byte) {
	at, _, problem := s.shardFor(c, args)
	if problem != "" {
		s.refuse(problem)
		return
	}
	b := s.own()
	b.begin(at, s.turn(), slices.Clone(raw), c.marks())
	b.limit, b.endless = limitOf(c, args), true
	if c.flags.has(write) {
		s.writes(at)
	}
	switch c.name {
	case "wait", "waitaof":
		b.askFirst(c)
	case "xread":
		if s.user == nil || !s.user.lacks["xrevrange"] {
			b.askForLastEntries(args)
		}
	}
	b.advance()
}

// askFirst is for WAIT and WAITAOF, which ask for what was replicated last over
// their own connection. Behind something that is, that is all that the engine has
// executed so far.
func (b *blocked) askFirst(c *command) {
	b.ask, b.asked = resp.AppendCommand(nil, "SPUBLISH", confirmChannel, ""), 1
	b.as = "" // whether the user may ask is known; nothing else is
	if b.nothing = []byte(":0\r\n"); c.name == "waitaof" {
		b.nothing = []byte("*2\r\n:0\r\n:0\r\n")
	}
}

// own returns what the client has for calls over a line of its own.
func (s *session) own() *blocked {
	if s.blocked == nil {
		s.more().blocked = &blocked{session: s}
		s.loop.waiting[s.blocked] = struct{}{}
	}
	return s.blocked
}

// begin takes a call. It owns raw.
func (b *blocked) begin(at *shard, turn uint32, raw []byte, marks callMark) {
	s := b.session
	if b.line != nil && (b.line.fd < 0 || b.line.shard != at || b.line.stray() || b.line.history != at.history || b.line.version != s.version()) {
		b.drop()
	}
	*b = blocked{session: s, line: b.line, watch: b.watch, as: s.user.as(), active: true, turn: turn, shard: at, raw: raw,
		call: call{marks: marks}, begun: s.loop.now, waiting: s.loop.now}
	s.pause(pauseBlocked)
}

// drop closes the line.
func (b *blocked) drop() {
	b.line.close()
	b.line = nil
}

// advance does the call's next step.
func (b *blocked) advance() {
	s, l := b.session, b.session.loop
	switch {
	case !b.active:
		b.rest()
	case b.held:
	case s.head != b.turn:
	case b.unblock != nil && !b.sent:
		b.yield()
	case s.hungUp && (b.endless || !b.sent && s.gaveUp):
		// Nobody is left to wait, but what was answered before shall arrive.
		if b.line != nil {
			b.drop()
		}
		if s.flush(); s.out == nil {
			s.close()
		}
	case b.spent():
		b.finish(b.spentReply())
	case b.sent:
		b.watchRoute()
	case b.shard.lost:
		b.fail(errLost)
	case !b.mayGo():
		b.expire()
	case b.line == nil:
		if b.line = l.openOwn(b.shard, s.version(), b.as, b); b.line == nil {
			b.delay()
		}
	case b.line.state == linked:
		b.sent, b.leaveBy = true, 0
		b.call = call{before: b.asked, marks: b.call.marks &^ attemptMarks}
		b.line.out = append(b.line.out, b.ask...) // goes with the next: a write may end the line
		b.line.write(b.limit.shorten(b.raw, l.now-b.begun))
	default:
		b.expire()
	}
}

// rest closes a line that has not been used for long, and one that leads to a
// former master.
func (b *blocked) rest() {
	l := b.session.loop
	switch {
	case b.line == nil || b.watch != nil && b.watch.on:
	case b.line.stray() || l.now >= b.used+lineIdle:
		b.drop()
	default:
		l.wake(b.used + lineIdle)
	}
}

// mayGo reports whether the call may be sent now.
func (b *blocked) mayGo() bool {
	l := b.session.loop
	if b.line != nil && (b.line.stray() || b.line.as != b.as) {
		b.drop()
	}
	if l.now < b.notYet {
		l.wake(b.notYet)
		return false
	}
	return b.shard.hold == nil && b.shard.address.IsValid() && b.shard.serving()
}

// watchRoute gives a former master a little time to send the call back.
func (b *blocked) watchRoute() {
	l := b.session.loop
	b.line.flush()
	switch {
	case b.halfway:
		// A former master goes on with what it has begun to say.
	case !b.sent || !b.line.stray():
		b.leaveBy = 0
	case len(b.line.out) > 0:
		b.line.end()
	case b.leaveBy == 0:
		b.leaveBy = l.now + leaveLimit
		l.wake(b.leaveBy)
	case l.now >= b.leaveBy:
		b.line.end()
	default:
		l.wake(b.leaveBy)
	}
}

func (b *blocked) expire() {
	l := b.session.loop
	limit, text := l.patience, errReach
	if b.shard.hold == nil && !b.shard.serving() {
		limit, text = l.fencePatience, errContact
	} else if b.shard.crowded() {
		text = errPlaces
	}
	if l.now-b.waiting < limit {
		l.wake(b.waiting + limit)
		return
	}
	if b.refusal != nil {
		b.finish(b.refusal)
		return
	}
	if b.fail(text); text == errContact {
		b.session.sendAway()
	}
}

func (b *blocked) delay() {
	l := b.session.loop
	b.backoff = min(max(2*b.backoff, firstBackoff), lastBackoff)
	b.notYet = l.now + b.backoff
	l.wake(b.notYet)
}

// opened implements lineUser.
func (b *blocked) opened() { b.advance() }

// replied implements lineUser.
func (b *blocked) replied(kind byte, reply []byte) {
	if !b.active || !b.sent || kind == resp.KindPush {
		return
	}
	why, before := notRefused, b.call.got < b.call.before
	if kind == resp.KindError {
		why = b.call.refusalOf(reply)
	}
	switch {
	case before && b.watch != nil:
		b.watch.aborted.note(kind, reply)
		b.call.note(why)
	case b.watch != nil:
		b.watched(why, b.watch.aborted.explain(reply))
	case why != notRefused:
		b.refused(why, reply)
	case before:
		b.learn(reply)
		b.call.got++
	default:
		b.conclude(reply)
	}
}

// conclude gives the reply, once replicas have confirmed it where that is asked for.
func (b *blocked) conclude(reply []byte) {
	if !b.shard.confirms(b.call.marks) || reply[0] == resp.KindError {
		b.finish(reply)
		return
	}
	b.held = true
	b.shard.confirm.hold(call{session: b.session, job: b, marks: writes}, origin{b.line.target, b.line.history}, reply)
}

// take implements job: the reply is confirmed, or is an error instead.
func (b *blocked) take(_ uint32, _ byte, reply []byte) { b.finish(reply) }

// refused sends the call again later, unless it has been tried for too long, or the
// user may not make it: the engine has let the user in anew in between.
func (b *blocked) refused(why refusal, reply []byte) {
	l := b.session.loop
	if why == forRights && b.as != "" {
		if b.denied {
			b.finish(reply)
			return
		}
		b.denied = true
	}
	if b.refusal == nil {
		b.waiting = l.now
	}
	b.refusal = slices.Clone(reply)
	b.sent = false
	b.drop()
	if b.unblock != nil {
		b.yield()
		return
	}
	b.session.endpoint.retried++
	b.delay()
	b.expire()
}

// ended implements lineUser.
func (b *blocked) ended() {
	if b.held {
		b.line = nil
		return
	}
	sent := b.sent && len(b.line.out) == 0
	b.line, b.sent = nil, false
	if b.active && b.halfway {
		// Half a reply has gone out: there is no way back for this connection.
		b.session.close()
		return
	}
	if b.active && sent && b.call.marks&repeatable == 0 {
		b.fail(errOutcome)
		return
	}
	b.delay()
}

func (b *blocked) fail(text string) {
	tell(&b.session.endpoint.counts, text)
	b.finish(resp.AppendError(nil, text))
}

func (b *blocked) finish(reply []byte) {
	if b.watch != nil && b.watch.exec {
		b.watch.on = false
		reply = withOwn(b.watch.own, reply)
	}
	s, raw := b.session, b.raw
	b.end()
	if b.fan != nil {
		b.fan.take(b.part, reply)
		return
	}
	s.answer(b.turn, reply)
	if s.tracking != nil {
		s.tracking.readElsewhere(raw)
	}
	s.unpause(pauseBlocked)
}

// end forgets the call, which has been answered.
func (b *blocked) end() {
	b.session.loop.forget(b.raw)
	b.active, b.raw, b.ask, b.refusal, b.last, b.used = false, nil, nil, nil, nil, b.session.loop.now
	b.long, b.halfway, b.held = false, false, false
	if b.unblock != nil && b.unblock.line == nil {
		b.unblock.end(resp.AppendInt(nil, 0)) // it was answered as the call came back
	}
	b.session.loop.wake(b.used + lineIdle)
}

// close gives the call up.
func (b *blocked) close() {
	delete(b.session.loop.waiting, b)
	if b.unblock != nil {
		b.unblock.end(resp.AppendInt(nil, 0))
	}
	if b.line != nil {
		b.line.close()
	}
}

// limit is where a blocking call says how long it waits at most.
type limit struct {
	word int   // its place; 0: it says nothing
	unit int64 // nanoseconds
}

// limitOf finds the time limit of a blocking command.
func limitOf(c *command, args [][]byte) limit {
	switch c.name {
	case "blpop", "brpop", "brpoplpush", "blmove", "bzpopmin", "bzpopmax":
		return limit{len(args) - 1, 1e9}
	case "blmpop", "bzmpop":
		return limit{1, 1e9}
	case "xread", "xreadgroup":
		return limit{blockWord(args), 1e6}
	case "wait":
		return limit{2, 1e6}
	case "waitaof":
		return limit{3, 1e6}
	}
	return limit{}
}

// blockWord returns the place of the number behind the last BLOCK, or 0. Words that
// belong to others, such as the name of a group, may be any.
func blockWord(args [][]byte) (at int) {
	for i := 1; i+1 < len(args) && !equalFold(args[i], "STREAMS"); i++ {
		switch {
		case equalFold(args[i], "BLOCK"):
			i++
			at = i
		case equalFold(args[i], "COUNT"):
			i++
		case equalFold(args[i], "GROUP"):
			i += 2
		}
	}
	return at
}

// shorten returns the command with the time already gone taken off its limit.
func (m limit) shorten(raw []byte, gone int64) []byte {
	if m.word == 0 || gone < 1e6 {
		return raw
	}
	var f resp.CommandFramer
	args, n, err := f.Next(raw, nil)
	if n == 0 || err != nil || m.word >= len(args) {
		return raw
	}
	left, err := strconv.ParseFloat(string(args[m.word]), 64)
	if err != nil || left <= 0 {
		return raw
	}
	left = max(left-float64(gone)/float64(m.unit), 1e6/float64(m.unit))
	if m.unit == 1e6 {
		left = math.Ceil(left)
	}
	args[m.word] = strconv.AppendFloat(nil, left, 'f', -1, 64)
	return resp.AppendCommandBytes(nil, args)
}
