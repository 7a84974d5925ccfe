package proxy

import (
	"slices"

	"github.com/haulout/haulout/resp"
	"golang.org/x/sys/unix"
)

// Long commands and replies keep the links free for everybody else: they go
// over a line of the client's own. A long command is held until it is answered,
// like every other one, because it may have to be sent again. A long reply is
// passed on as the client reads it, and nobody holds it.

const (
	longCommand = 1 << 20
	longReply   = 8 << 20
	// readAhead is how much of a long reply may wait for its client.
	readAhead = 1 << 20
)

// passAlone sends a command over the client's own line.
func (s *session) passAlone(at *shard, marks callMark, raw []byte) {
	b := s.own()
	b.begin(at, s.turn(), s.claim(raw), marks)
	if marks&repeatable == 0 {
		s.writes(at)
	}
	s.loop.args = nil // they would keep the bytes from being freed
	b.advance()
}

// claim returns the command just read to be kept: a copy, or the whole input
// buffer if that holds nothing else.
func (s *session) claim(raw []byte) []byte {
	if s.in != nil && len(raw) == len(s.in.bytes) && &raw[0] == &s.in.bytes[0] {
		s.in.bytes = nil
		return raw
	}
	return slices.Clone(raw)
}

// divert has a reply that turns out to be long read a second time, over the
// client's own line: whoever reads slowly must not block the link. What comes
// over the link is dropped. It reports whether that may be done: the command
// only reads, and the client has sent none behind it that could have changed
// what it reads.
func (k *link) divert(c *call) bool {
	s := c.session
	if k.framer.Left() < longReply || c.marks&repeatable == 0 || c.before > 0 || s.tail != c.turn+1 || s.waits() || s.publication != nil {
		return false
	}
	c.marks |= dropped
	b := s.own()
	b.begin(k.shard, c.turn, slices.Clone(k.out[k.base:k.base+c.size]), repeatable)
	b.long = true
	b.advance()
	return true
}

// piece implements pieceUser.
func (b *blocked) piece(kind byte, p []byte, done bool) bool {
	if !b.long || !b.active || !b.sent || kind == resp.KindError || kind == resp.KindPush {
		return false
	}
	s := b.session
	if !b.halfway {
		s.newest = 0
	}
	b.halfway = true
	if s.silent == nil || !s.mutes(b.turn) {
		s.newest.grow(len(p))
		s.write(p)
	}
	if s.streaming = !done; done {
		raw := b.raw
		b.end()
		s.next()
		if s.tracking != nil {
			s.tracking.readElsewhere(raw)
		}
		s.unpause(pauseBlocked)
	} else if len(s.out)-s.written > readAhead {
		b.line.still(true)
	}
	return true
}

// drained goes on with a long reply when the client has read what it was given.
func (b *blocked) drained() {
	if b.line != nil && b.line.quiet && len(b.session.out)-b.session.written < readAhead/2 {
		b.line.still(false)
	}
}

// pieceUser is a user of a line that takes replies as they arrive.
type pieceUser interface {
	// piece takes a piece of a reply, or reports false to get the reply whole.
	piece(kind byte, p []byte, done bool) bool
}

// still stops the reading of the line, or lets it go on.
func (n *line) still(quiet bool) {
	n.quiet = quiet
	n.attend()
}

// attend tells epoll what the line wants to hear of.
func (n *line) attend() {
	var want uint32
	if !n.quiet {
		want |= unix.EPOLLIN
	}
	if n.full {
		want |= unix.EPOLLOUT
	}
	n.loop.watch(n.fd, n.seat, want)
}
