package proxy

import (
	"bytes"
	"strings"

	"github.com/haulout/haulout/resp"
)

// subscriber is a client's line for messages, on the first shard. When the
// master changes, a second line is subscribed to the same topics before it
// takes the place of the first.
type subscriber struct {
	session *session
	line    *line
	next    *line
	toCome  int // confirmations that next still has to give
	notYet  int64
	backoff int64

	topics map[topic]struct{}

	// The command under way, if there is one: it is answered by several confirmations.
	active   bool
	turn     uint32
	raw      []byte
	expected int
	got      int
	sent     bool
	since    int64
}

// topic is a channel or pattern; kind is the command's prefix: "", "p" or "s".
type topic struct{ kind, name string }

// subscribe deals with all commands of the SUBSCRIBE family.
func (s *session) subscribe(raw []byte, args [][]byte) {
	if len(s.endpoint.shards) == 0 {
		s.refuse(errUncovered)
		return
	}
	b := s.subscriber
	if b == nil {
		b = &subscriber{session: s, topics: map[topic]struct{}{}}
		s.subscriber = b
		s.loop.waiting[b] = struct{}{}
	}
	b.active, b.sent, b.got, b.since = true, false, 0, s.loop.now
	b.turn, b.raw, b.expected = s.turn(), bytes.Clone(raw), len(args)-1
	if b.expected == 0 {
		b.expected = max(1, b.countOf(strings.TrimSuffix(strings.ToLower(string(args[0])), "unsubscribe")))
	}
	s.pause(pauseBlocked)
	b.advance()
}

func (b *subscriber) countOf(kind string) (n int) {
	for t := range b.topics {
		if t.kind == kind {
			n++
		}
	}
	return n
}

// subscribedOnly reports whether the command is not allowed to a subscriber,
// which in protocol version 2 can do nothing else.
func (s *session) subscribedOnly(c *command) bool {
	if s.version > 2 || s.subscriber == nil || len(s.subscriber.topics) == 0 {
		return false
	}
	switch c.name {
	case "ping", "quit", "reset":
		return false
	}
	return !strings.HasSuffix(c.name, "subscribe")
}

// shard is where messages come from.
func (b *subscriber) shard() *shard {
	if len(b.session.endpoint.shards) == 0 {
		return nil
	}
	return b.session.endpoint.shards[0]
}

// advance does the next step: get a line to the right master, then send what waits.
func (b *subscriber) advance() {
	at := b.shard()
	if at == nil || !b.active && len(b.topics) == 0 {
		return
	}
	if b.next != nil && b.next.stray() {
		b.next.close()
		b.next = nil
	}
	if b.next == nil && (b.line == nil || b.line.stray()) {
		b.connect(at)
	}
	if b.line != nil && b.next == nil && b.active && !b.sent && b.session.head == b.turn {
		b.sent = true
		b.line.write(b.raw)
	}
	if b.active && !b.sent {
		b.expire()
	}
}

// connect opens the next line as soon as it may.
func (b *subscriber) connect(at *shard) {
	l := b.session.loop
	switch {
	case l.now < b.notYet:
		l.wake(b.notYet)
	case at.hold != nil || !at.address.IsValid() || !l.serving():
		l.wake(l.now + lastBackoff)
	default:
		if b.next = l.openLine(at, b.session.version, &successor{b}); b.next == nil {
			b.delay()
		}
	}
}

func (b *subscriber) delay() {
	l := b.session.loop
	b.backoff = min(max(2*b.backoff, firstBackoff), lastBackoff)
	b.notYet = l.now + b.backoff
	l.wake(b.notYet)
}

func (b *subscriber) expire() {
	l := b.session.loop
	if l.now-b.since < patience {
		l.wake(b.since + patience)
		return
	}
	b.session.write(resp.AppendError(nil, errReach))
	b.finish()
}

// replied implements lineUser for the line in use: confirmations and messages.
func (b *subscriber) replied(kind byte, reply []byte) {
	what, name := subject(reply)
	t := topic{strings.TrimSuffix(strings.TrimSuffix(what, "subscribe"), "un"), name}
	confirms := strings.HasSuffix(what, "subscribe") || kind == resp.KindError
	switch {
	case strings.HasSuffix(what, "unsubscribe"):
		delete(b.topics, t)
	case confirms && kind != resp.KindError:
		b.topics[t] = struct{}{}
	}
	b.session.push(reply)
	if !confirms || !b.active {
		return
	}
	if b.got++; b.got >= b.expected || kind == resp.KindError {
		b.finish()
	}
}

// subject returns the first two words of a message or confirmation.
func subject(reply []byte) (what, name string) {
	list := elements(reply)
	if len(list) < 2 {
		return "", ""
	}
	return content(list[0]), content(list[1])
}

// content returns the text of a bulk string as it is written.
func content(bulk []byte) string {
	_, text, _ := bytes.Cut(bulk, []byte("\r\n"))
	return string(bytes.TrimSuffix(text, []byte("\r\n")))
}

func (b *subscriber) finish() {
	b.active, b.raw = false, nil
	b.session.next()
	b.session.unpause(pauseBlocked)
}

// opened implements lineUser; the line in use was open when it came to be used.
func (b *subscriber) opened() {}

// ended implements lineUser: the line in use broke.
func (b *subscriber) ended() {
	b.line = nil
	if b.active && b.sent {
		b.sent, b.got = false, 0
	}
	b.session.loop.wake(b.session.loop.now)
}

func (b *subscriber) close() {
	delete(b.session.loop.waiting, b)
	for _, n := range []*line{b.line, b.next} {
		if n != nil {
			n.close()
		}
	}
}

// idle reports whether the client would miss nothing if it left.
func (b *subscriber) idle() bool { return !b.active && len(b.topics) == 0 }

// successor is told of the line that is to be used next.
type successor struct{ *subscriber }

// opened subscribes the new line to all topics.
func (n *successor) opened() {
	b := n.subscriber
	lists := map[string][]string{}
	for t := range b.topics {
		if lists[t.kind] == nil {
			lists[t.kind] = []string{t.kind + "subscribe"}
		}
		lists[t.kind] = append(lists[t.kind], t.name)
	}
	var out []byte
	for _, words := range lists {
		out = resp.AppendCommand(out, words...)
	}
	b.toCome = len(b.topics)
	if b.toCome == 0 {
		n.takeOver()
		return
	}
	b.next.write(out)
}

// replied counts the confirmations; messages in between come over the old line too.
func (n *successor) replied(kind byte, reply []byte) {
	b := n.subscriber
	if kind == resp.KindError {
		b.next.end()
		return
	}
	if what, _ := subject(reply); strings.HasSuffix(what, "subscribe") {
		if b.toCome--; b.toCome == 0 {
			n.takeOver()
		}
		return
	}
	if b.line == nil {
		b.session.push(reply)
	}
}

// takeOver makes the new line the one in use.
func (n *successor) takeOver() {
	b := n.subscriber
	if b.line != nil {
		b.line.close()
		b.ended()
	}
	b.line, b.next, b.backoff = b.next, nil, 0
	b.line.user = b
	b.advance()
}

// ended is called when the new line broke before it was used.
func (n *successor) ended() {
	n.next = nil
	n.delay()
}

// push writes a message to the client, between two replies.
func (s *session) push(message []byte) {
	if s.streaming {
		s.pushes = append(s.pushes, message...)
		return
	}
	s.write(message)
}
