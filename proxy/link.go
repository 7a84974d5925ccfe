package proxy

import (
	"bytes"
	"net/netip"

	"github.com/haulout/haulout/resp"
	"golang.org/x/sys/unix"
)

// link is a loop's shared connection to a shard's master for clients of one
// protocol version, and the queue of commands for it.
//
// out[base:] are the bytes of calls[first:]. The first flight calls, up to
// mark, were written whole; the bytes up to sent were written. What lies behind
// waits. Calls that an engine refused move to parked; once nothing is in flight
// they return to the front, so that the order of commands is kept.
type link struct {
	loop    *loop
	shard   *shard
	version int

	fd      int // -1: no connection
	seat    seat
	target  netip.AddrPort
	history int  // of the shard when it was connected
	placed  bool // it has one of the places at the engine that are for clients
	state   linkState
	stamp   uint16 // of the engine process behind the connection
	warm    bool   // connect even if nothing waits
	full    bool   // the socket takes no more for now
	dirty   bool

	out              []byte
	usual            usual
	base, mark, sent int
	calls            []call
	first, flight    int

	parked      []call
	parkedBytes []byte
	lastRefusal []byte // the reply, to be given when patience is over

	framer  resp.ReplyFramer
	partial []byte // of a reply that cannot be passed on before it is whole
	aborted aborted

	suspect bool  // the engine refused: ask it before sending more
	proven  bool  // it said that it serves us after the last refusal
	waited  bool  // what it has could not be sent when that was tried last
	notYet  int64 // nothing is tried before
	backoff int64
	leaveBy int64 // when waiting for replies of a former master ends; 0: not begun

	as       string    // the user that it is for; "": the default user
	owner    *tracking // of a client that keeps a cache: nobody else uses the link
	ear      *ear      // for an owner of protocol version 2
	retiring bool      // it ends when all it has is answered
}

type linkState uint8

const (
	unconnected linkState = iota
	connecting
	greeting  // logging in
	following // asking to be told of changes, for an owner
	asking    // which process it is
	becoming  // the connection of another user than proxy
	probing   // asking whether it serves us again
	linked
)

// engineUser is whom the engines know the proxy as.
const engineUser = "proxy"

const (
	firstBackoff = int64(1e6) // nanoseconds
	lastBackoff  = int64(50e6)
	leaveLimit   = int64(1e9)
)

// queue appends a command. The bytes are copied.
func (k *link) queue(raw []byte, c call) {
	c.size, c.since = len(raw), k.loop.now
	k.makeRoom(len(raw))
	k.out = k.loop.extend(k.out, raw)
	k.push(c)
}

// makeRoom moves the bytes in use to the front, where that pays, before the
// buffer would grow.
func (k *link) makeRoom(n int) {
	if k.out == nil {
		k.out = k.loop.take(max(n, int(k.usual)))
	}
	if k.base < len(k.out)/2 || len(k.out)+n <= cap(k.out) {
		return
	}
	k.out = k.out[:copy(k.out, k.out[k.base:])]
	k.mark -= k.base
	k.sent -= k.base
	k.base = 0
}

func (k *link) push(c call) {
	if len(k.calls) == cap(k.calls) && k.first > len(k.calls)/2 {
		n := copy(k.calls, k.calls[k.first:])
		clear(k.calls[n:])
		k.calls, k.first = k.calls[:n], 0
	}
	k.calls = append(k.calls, c)
	k.loop.queued += c.weight()
	k.touch()
}

// pop removes the first call.
func (k *link) pop() {
	c := &k.calls[k.first]
	k.base += c.size
	k.loop.queued -= c.weight()
	k.mark, k.sent = max(k.mark, k.base), max(k.sent, k.base)
	*c = call{}
	k.first++
	k.flight = max(0, k.flight-1)
	if k.first == len(k.calls) {
		k.empty()
	}
}

// empty is called when the last call is gone.
func (k *link) empty() {
	if k.retiring {
		k.touch()
	}
	k.calls, k.first = k.calls[:0], 0
	k.usual.note(len(k.out))
	k.loop.give(k.out)
	k.out, k.base, k.mark, k.sent = nil, 0, 0, 0
}

// touch has the link looked at when the turn ends.
func (k *link) touch() {
	if !k.dirty {
		k.dirty = true
		k.loop.links = append(k.loop.links, k)
	}
}

// rerouted is called when the shard's route has changed.
func (k *link) rerouted() {
	k.notYet, k.backoff, k.leaveBy = 0, 0, 0
	k.warm = !k.retiring && (k.owner == nil || k.owner.bcast)
	k.touch()
}

// gated reports whether nothing may be sent because of the route or a hold.
func (k *link) gated() bool {
	s := k.shard
	return s.hold != nil || s.lost || !s.address.IsValid() || k.strays()
}

// strays reports whether the connection is not the one that is needed now.
func (k *link) strays() bool {
	return k.state != unconnected && (k.target != k.shard.address || k.history != k.shard.history || k.ear != nil && k.ear.deaf)
}

// advance does the link's next step: leave a former master, connect, ask,
// write, or wait.
func (k *link) advance() {
	if k.strays() && !k.left() {
		return
	}
	if k.retiring && len(k.calls) == 0 && len(k.parked) == 0 {
		k.retire()
		return
	}
	if k.flight == 0 && len(k.parked) > 0 {
		k.unpark()
	}
	if k.shard.lost && k.flight == 0 {
		k.failWaiting(errLost)
		return
	}
	if k.sent == len(k.out) && !(k.warm && k.state == unconnected) {
		return
	}
	if k.waits() {
		k.waited = true
		k.expire()
		return
	}
	if k.waited {
		k.waited = false
		if k.dropUnwanted() {
			k.touch()
			return
		}
	}
	switch k.state {
	case unconnected:
		k.dial()
	case linked:
		if k.suspect {
			k.probe()
		} else {
			k.flush()
		}
	}
}

// waits reports whether the link has to wait with what it would do next.
func (k *link) waits() bool {
	switch {
	case k.gated():
	case k.loop.now < k.notYet:
		k.loop.wake(k.notYet)
	case k.suspect && k.flight > 0, k.state != unconnected && k.state != linked:
	case !k.shard.serving():
	case k.state == unconnected && k.ear != nil && !k.ear.open() && !k.ear.line.stray():
	default:
		return false
	}
	return true
}

// left reports whether the link has left a master that is no longer the one of
// the route: when all it was sent is answered, or by a time limit.
func (k *link) left() bool {
	if k.flight > 0 && k.state == linked {
		if k.leaveBy == 0 {
			k.leaveBy = k.loop.now + leaveLimit
		}
		if k.loop.now < k.leaveBy {
			k.loop.wake(k.leaveBy)
			return false
		}
	}
	k.leaveBy = 0
	k.abandon()
	return true
}

// flush writes what waits.
func (k *link) flush() {
	if k.full {
		return
	}
	n, err := transmit(k.fd, k.out[k.sent:])
	if err != nil && !later(err) {
		k.broken()
		return
	}
	k.sent += max(n, 0)
	for k.first+k.flight < len(k.calls) {
		size := k.calls[k.first+k.flight].size
		if k.mark+size > k.sent {
			break
		}
		k.mark += size
		k.flight++
	}
	if k.sent < len(k.out) {
		k.full = true
		k.loop.watch(k.fd, k.seat, unix.EPOLLIN|unix.EPOLLOUT)
	}
}

// ready handles what epoll tells of the engine's socket.
func (k *link) ready(events uint32) {
	if k.state == connecting {
		k.greet()
		return
	}
	if events&unix.EPOLLOUT != 0 {
		k.full = false
		k.loop.watch(k.fd, k.seat, unix.EPOLLIN)
		k.touch()
	}
	if events&^unix.EPOLLOUT != 0 {
		k.read()
	}
}

func (k *link) read() {
	n, err := receive(k.fd, k.loop.buf)
	if n <= 0 {
		if n == 0 || !later(err) {
			k.broken()
		}
		return
	}
	for p := k.loop.buf[:n]; len(p) > 0; {
		n, done, err := k.framer.Feed(p)
		if err != nil {
			k.loop.log.Error("engine sent no reply", "address", k.target, "error", err)
			k.broken()
			return
		}
		if !k.take(p[:n], done) {
			return
		}
		p = p[n:]
	}
	if k.flight == 0 {
		k.touch()
	}
}

// take takes in a piece of a reply. It reports whether the connection stands.
func (k *link) take(piece []byte, done bool) bool {
	kind := k.framer.Kind()
	if k.state != linked || k.flight == 0 || kind == resp.KindPush {
		return k.takeOwn(piece, done)
	}
	c := &k.calls[k.first]
	if c.marks&dropped != 0 {
		if done {
			k.pop()
		}
		return true
	}
	if len(k.partial) == 0 {
		if c.plain() && kind != resp.KindError && len(k.parked) == 0 && !k.shard.confirms(c.marks) && k.stream(c, piece, done) {
			return true
		}
		if done {
			k.finish(kind, piece)
			return true
		}
	}
	k.partial = append(k.partial, piece...)
	if done {
		whole := k.partial
		k.partial = nil
		k.finish(kind, whole)
		if cap(whole) <= keepScratch {
			k.partial = whole[:0]
		}
	}
	return true
}

// stream passes a piece of a reply on to the client if it is the client's turn.
func (k *link) stream(c *call, piece []byte, done bool) bool {
	s := c.session
	if s.gone {
		if done {
			k.pop()
		}
		return true
	}
	if s.head != c.turn {
		return false
	}
	if !s.streaming {
		if !done && k.divert(c) {
			return true
		}
		s.newest = 0
	}
	if s.silent == nil || !s.mutes(c.turn) {
		s.newest.grow(len(piece))
		s.write(piece)
	}
	s.streaming = !done
	if done {
		marks := c.marks
		k.answered(c)
		k.pop()
		s.next()
		k.served(marks)
	}
	return true
}

// answered notes that the engine serves us.
func (k *link) answered(c *call) {
	k.backoff = 0
	if c.marks&again != 0 {
		c.session.endpoint.retried++
	}
}

// takeOwn takes in what the engine says to the link itself. It reports whether
// the connection stands.
func (k *link) takeOwn(piece []byte, done bool) bool {
	k.partial = append(k.partial, piece...)
	if !done {
		return true
	}
	reply := k.partial
	k.partial = k.partial[:0]
	kind := k.framer.Kind()
	switch {
	case kind == resp.KindPush:
		if k.owner != nil {
			k.owner.told(reply)
		}
		return true
	case k.state == probing:
		k.probed(kind)
		return true
	case k.state == greeting && kind != resp.KindError:
		if kind == resp.KindArray || kind == resp.KindMap {
			k.shard.greetings[k.version-2] = bytes.Clone(reply)
		}
		if k.state = asking; k.owner != nil {
			k.state = following
		}
		return true
	case k.state == following && kind != resp.KindError:
		k.state = asking
		return true
	case k.state == asking && k.as != "":
		k.state, k.stamp = becoming, stampOf(reply)
		return true
	case k.state == asking:
		k.state, k.suspect, k.stamp = linked, false, stampOf(reply)
		k.touch()
		return true
	case k.state == becoming && kind != resp.KindError:
		// The login is the answer to whether the user has its rights.
		k.state, k.suspect, k.proven = linked, false, true
		k.touch()
		return true
	}
	k.loop.log.Warn("engine does not serve the proxy", "address", k.target, "reply", firstWord(reply))
	k.broken()
	return false
}

// dial begins to connect to the shard's master.
func (k *link) dial() {
	if !k.hears() {
		return
	}
	k.warm = false
	k.target, k.history = k.shard.address, k.shard.history
	dial := dialTCP
	if k.placed = k.owner != nil; k.placed {
		dial = k.loop.dialOwn
	}
	fd, err := dial(k.target)
	if err != nil {
		k.delay()
		return
	}
	k.fd, k.state = fd, connecting
	k.seat = k.loop.add(fd, unix.EPOLLOUT, k)
}

// greet logs in to the engine once the connection is there.
func (k *link) greet() {
	if connected(k.fd) != nil {
		k.broken()
		return
	}
	k.loop.watch(k.fd, k.seat, unix.EPOLLIN)
	k.state = greeting
	hello := greetingFor(k.version, k.shard.secret)
	if k.owner != nil {
		hello = k.owner.append(hello, k.ear)
	}
	hello = resp.AppendCommand(hello, "INFO", "server")
	if k.as != "" {
		hello = append(hello, k.shard.loginAs(k.as)...)
	}
	k.say(hello)
}

func greetingFor(version int, secret string) []byte {
	words := []string{"HELLO", "2"}
	if version == 3 {
		words[1] = "3"
	}
	if secret != "" {
		words = append(words, "AUTH", engineUser, secret)
	}
	return resp.AppendCommand(nil, words...)
}

// probe asks the engine whether it serves us again. Nothing else is in flight.
func (k *link) probe() {
	k.state = probing
	if k.as != "" {
		k.say(k.shard.loginAs(k.as))
		return
	}
	k.say(resp.AppendCommand(nil, "PING"))
}

func (k *link) probed(kind byte) {
	k.state = linked
	if kind == resp.KindError {
		k.delay()
	} else {
		k.suspect, k.proven = false, true
	}
	k.touch()
}

// say writes a few bytes of the link's own, which always fit.
func (k *link) say(b []byte) {
	if n, _ := transmit(k.fd, b); n < len(b) {
		k.broken()
	}
}

// broken is called when the connection cannot be used any more.
func (k *link) broken() {
	k.abandon()
	k.delay()
}

// delay puts off the next try, longer each time.
func (k *link) delay() {
	k.backoff = min(max(2*k.backoff, firstBackoff), lastBackoff)
	k.notYet = k.loop.now + k.backoff
	k.touch()
}

// disconnect closes the connection. What was written in part waits again.
func (k *link) disconnect() {
	if k.fd >= 0 {
		k.loop.drop(k.fd, k.seat)
		if k.placed {
			k.loop.places.leave(k.target)
		}
	}
	known := k.state > following
	k.fd, k.state, k.full = -1, unconnected, false
	k.framer, k.partial, k.aborted = resp.ReplyFramer{}, nil, nil
	k.sent = k.mark
	k.ownerLost(known)
}
