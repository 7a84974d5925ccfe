package proxy

import (
	"net/netip"

	"github.com/haulout/haulout/resp"
	"golang.org/x/sys/unix"
)

// line is one client's own connection to a shard's master, for calls that
// cannot share a link: those that block, and subscriptions.
type line struct {
	loop    *loop
	shard   *shard
	version int
	as      string // whose rights it has; "": those of the default user
	user    lineUser

	fd      int // -1: closed
	seat    seat
	state   linkState
	target  netip.AddrPort
	history int  // of the shard when it was opened
	placed  bool // it has one of the places at the engine that are for clients

	out     []byte
	full    bool
	quiet   bool // is not read for now
	framer  resp.ReplyFramer
	partial []byte
	id      int64 // of the connection, at the engine
}

// lineUser is told what happens on a line. When it is told of the end the line
// is closed already.
type lineUser interface {
	opened()
	replied(kind byte, reply []byte) // the bytes are valid during the call only
	ended()
}

// openLine begins to connect to the shard's master, as the user of the name. It
// returns nil if that fails at once.
func (l *loop) openLine(s *shard, version int, as string, user lineUser) *line {
	fd, err := dialTCP(s.address)
	return l.newLine(s, version, as, user, fd, err)
}

// openOwn is openLine for what is one client's alone, which may have no place.
func (l *loop) openOwn(s *shard, version int, as string, user lineUser) *line {
	fd, err := l.dialOwn(s.address)
	n := l.newLine(s, version, as, user, fd, err)
	if n != nil {
		n.placed = true
	}
	return n
}

func (l *loop) newLine(s *shard, version int, as string, user lineUser, fd int, err error) *line {
	if err != nil {
		return nil
	}
	n := &line{loop: l, shard: s, version: version, as: as, user: user, fd: fd, state: connecting, target: s.address, history: s.history}
	n.seat = l.add(fd, unix.EPOLLOUT, n)
	return n
}

// write sends bytes to the engine. They must stay as they are until the line is
// closed or answers.
func (n *line) write(b []byte) {
	if len(n.out) == 0 {
		n.out = b[:len(b):len(b)]
	} else {
		n.out = append(n.out, b...)
	}
	n.flush()
}

func (n *line) flush() {
	if len(n.out) == 0 || n.full {
		return
	}
	if n.stray() {
		// The rest of what was begun must not reach a former master.
		return
	}
	if !n.shard.serving() {
		n.loop.wake(n.loop.now + lastBackoff)
		return
	}
	sent, err := transmit(n.fd, n.out)
	if err != nil && !later(err) {
		n.end()
		return
	}
	if n.out = n.out[max(sent, 0):]; len(n.out) == 0 {
		n.out = nil
		return
	}
	n.full = true
	n.attend()
}

// ready handles what epoll tells of the engine's socket.
func (n *line) ready(events uint32) {
	if n.state == connecting {
		n.greet()
		return
	}
	if events&unix.EPOLLOUT != 0 {
		n.full = false
		n.attend()
		n.flush()
	}
	if events&^unix.EPOLLOUT != 0 && n.fd >= 0 {
		n.read()
	}
}

func (n *line) greet() {
	if connected(n.fd) != nil {
		n.end()
		return
	}
	n.loop.watch(n.fd, n.seat, unix.EPOLLIN)
	n.state = greeting
	hello := greetingFor(n.version, n.shard.secret)
	if n.as != "" {
		hello = append(hello, n.shard.loginAs(n.as)...)
	}
	if sent, _ := transmit(n.fd, hello); sent < len(hello) {
		n.end()
	}
}

func (n *line) read() {
	size, err := receive(n.fd, n.loop.buf)
	if size <= 0 {
		if size == 0 || !later(err) {
			n.end()
		}
		return
	}
	for p := n.loop.buf[:size]; len(p) > 0 && n.fd >= 0; {
		size, done, err := n.framer.Feed(p)
		if err != nil {
			n.end()
			return
		}
		whole := p[:size]
		if u, ok := n.user.(pieceUser); ok && n.state == linked && len(n.partial) == 0 && u.piece(n.framer.Kind(), whole, done) {
			p = p[size:]
			continue
		}
		if p = p[size:]; !done || len(n.partial) > 0 {
			n.partial = append(n.partial, whole...)
			whole = n.partial
		}
		if done {
			n.partial = nil
			n.take(n.framer.Kind(), whole)
		}
	}
}

func (n *line) take(kind byte, reply []byte) {
	switch {
	case n.state == linked:
		n.user.replied(kind, reply)
	case kind == resp.KindError:
		n.end()
	case n.state == greeting && n.as != "":
		n.state, n.id = becoming, idIn(reply)
	case n.state == becoming:
		n.state = linked
		n.user.opened()
	default:
		n.state, n.id = linked, idIn(reply)
		n.user.opened()
	}
}

// end closes the line and tells its user.
func (n *line) end() {
	n.close()
	n.user.ended()
}

// close closes the line.
func (n *line) close() {
	if n.fd >= 0 {
		n.loop.drop(n.fd, n.seat)
		n.fd = -1
		if n.placed {
			n.loop.places.leave(n.target)
		}
	}
}

// stray reports whether the line leads to a former master.
func (n *line) stray() bool { return n.target != n.shard.address }
