package proxy

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/haulout/haulout/resp"
)

// tap is a subscriber's connection to one shard. When the master changes, a
// second line is subscribed to the same topics at the new one, while the old
// one, a replica by now, still gives everything that is published.
//
// Where the old line ends and the new one begins is said by a mark: a message
// published on the new master to a channel of the tap's own. What comes over the
// old line in front of it, and over the new one behind it, is every message
// exactly once. The channel is a shard channel, which no pattern covers.
type tap struct {
	subscriber *subscriber
	shard      *shard
	channel    string // for marks

	line    *line // in use
	next    *line // to take its place
	toCome  int   // confirmations that next still has to give
	notYet  int64
	backoff int64

	mark   string   // published; "": not yet
	limit  int64    // when the old line is waited for no longer
	early  [][]byte // what came over next
	marked int      // how many of those came before the mark; -1: it has not come
	done   bool     // the mark came over the old line first
	seen   int      // messages over the old line since next gives any
	bytes  int      // of early

	// Of the command under way.
	sent bool
	got  int

	// Of a user: the login in front of what is asked was taken, and how often it was
	// refused nevertheless.
	let    bool
	denied int
	named  bool // it has been a user's: what is none's begins with a login, too
}

const (
	markLimit  = int64(2e9)
	markPrefix = "__haulout:"
)

func newTap(b *subscriber, at *shard) *tap {
	return &tap{subscriber: b, shard: at, channel: markPrefix + strconv.FormatUint(rand.Uint64(), 36)}
}

// confirmed reports whether the tap has done what the command under way asks.
func (t *tap) confirmed() bool {
	return t.shard.lost || t.next == nil && t.sent && t.got >= len(t.subscriber.order.ask)
}

// advance does the next step: get a line to the right master, then send what waits.
func (t *tap) advance() {
	b := t.subscriber
	if t.next != nil && t.next.stray() {
		t.dropNext()
	}
	if t.next == nil && (t.line == nil || t.line.stray()) {
		t.connect()
	}
	if t.mark != "" && t.subscriber.session.loop.now >= t.limit {
		t.takeOver(t.seen)
	}
	if t.line != nil && t.next == nil && b.active && !t.sent && b.session.head == b.turn && t.shard.loop.now >= t.notYet {
		t.sent, t.got = true, 0
		t.line.write(resp.AppendCommand(t.login(nil), append([]string{b.order.word()}, b.order.ask...)...))
	} else if t.line != nil {
		t.line.flush() // what the right to serve was missing for
	}
}

// connect opens the next line as soon as it may.
func (t *tap) connect() {
	at, l := t.shard, t.shard.loop
	switch {
	case l.now < t.notYet:
		l.wake(t.notYet)
	case at.hold != nil || !at.address.IsValid() || !at.serving():
		l.wake(l.now + lastBackoff)
	default:
		// Always of version 3: only the first byte of a message differs.
		if t.next = l.openOwn(at, 3, "", &successor{tap: t}); t.next == nil {
			t.delay()
		}
	}
}

func (t *tap) delay() {
	l := t.shard.loop
	t.backoff = min(max(2*t.backoff, firstBackoff), lastBackoff)
	t.notYet = l.now + t.backoff
	l.wake(t.notYet)
}

var (
	plainMessage   = []byte(">3\r\n$7\r\nmessage\r\n")
	patternMessage = []byte(">4\r\n$8\r\npmessage\r\n")
)

// replied implements lineUser for the line in use: confirmations and messages.
func (t *tap) replied(kind byte, reply []byte) {
	b := t.subscriber
	if bytes.HasPrefix(reply, plainMessage) || bytes.HasPrefix(reply, patternMessage) {
		t.message(reply)
		return
	}
	what, name, text := subject(reply)
	switch {
	case kind == resp.KindError:
		t.refused(reply)
	case kind != resp.KindPush:
		t.let = true
	case strings.HasSuffix(what, "subscribe"):
		if t.got++; b.active && t.confirmed() {
			b.advance()
		}
	case name == t.channel:
		if t.done = t.mark != "" && text == t.mark; t.done && t.marked >= 0 {
			t.takeOver(t.marked)
		}
	default:
		t.message(reply)
	}
}

// login appends how the line becomes that of the client's user, which is said in
// front of all that the user must have a right to.
func (t *tap) login(b []byte) []byte {
	t.let = false
	if u := t.subscriber.session.user; u != nil {
		t.named = true
		return append(b, t.shard.loginAs(u.Name)...)
	}
	if t.named {
		b = append(b, t.shard.loginAs(engineUser)...)
	}
	return b
}

// denies reports whether it is the user who may not do it, and not the master that
// is about to change.
func (t *tap) denies(reply []byte) bool {
	if t.let && t.subscriber.session.user != nil && refusalOf(reply) == forRights {
		t.denied++
	}
	return t.denied > 1
}

// refused tries what was asked again later, unless the user may not do it.
func (t *tap) refused(reply []byte) {
	if b := t.subscriber; b.active && t.denies(reply) {
		b.deny(reply)
		return
	}
	t.sent = false
	t.delay()
}

// message passes on what comes over the line in use, up to the mark.
func (t *tap) message(reply []byte) {
	if t.seen++; !t.done {
		t.subscriber.pass(reply)
	}
}

// opened implements lineUser; the line in use was open when it came to be used.
func (t *tap) opened() {}

// ended implements lineUser: the line in use broke.
func (t *tap) ended() {
	t.line, t.sent = nil, false
	if t.mark != "" {
		t.takeOver(t.seen)
	}
	t.shard.loop.wake(t.shard.loop.now)
}

func (t *tap) close() {
	for _, n := range []*line{t.line, t.next} {
		if n != nil {
			n.close()
		}
	}
	t.line, t.next = nil, nil
}

func (t *tap) dropNext() {
	t.next.close()
	t.forgetNext()
}

func (t *tap) forgetNext() {
	t.next, t.mark, t.early, t.bytes, t.seen, t.marked, t.done = nil, "", nil, 0, 0, -1, false
}

// takeOver makes the new line the one in use. The first of the messages that
// came over it have been seen.
func (t *tap) takeOver(seen int) {
	next, early := t.next, t.early
	if t.line != nil {
		t.line.close()
	}
	t.forgetNext()
	t.line, t.sent, t.backoff = next, false, 0
	t.line.user = t
	for _, message := range early[min(seen, len(early)):] {
		t.subscriber.pass(message)
	}
	t.subscriber.advance()
}

// successor is told of the line that is to be used next.
type successor struct{ *tap }

// opened subscribes the new line to all topics.
func (n *successor) opened() {
	t := n.tap
	lists := map[string][]string{}
	for topic := range t.subscriber.topics {
		if lists[topic.kind] == nil {
			lists[topic.kind] = []string{topic.kind + "subscribe"}
		}
		lists[topic.kind] = append(lists[topic.kind], topic.name)
	}
	out := t.login(resp.AppendCommand(nil, "SSUBSCRIBE", t.channel))
	for _, words := range lists {
		out = resp.AppendCommand(out, words...)
	}
	t.toCome, t.marked, t.seen = len(t.subscriber.topics)+1, -1, 0
	t.next.write(out)
}

// replied counts the confirmations and keeps the messages: most of them come
// over the old line, too.
func (n *successor) replied(kind byte, reply []byte) {
	t := n.tap
	switch {
	case kind == resp.KindError && t.denies(reply):
		// An engine would have closed a client with channels that are not its any more.
		t.subscriber.session.close()
		return
	case kind == resp.KindError:
		t.next.end()
		return
	case kind != resp.KindPush:
		t.let = true
		return
	}
	switch what, name, text := subject(reply); {
	case strings.HasSuffix(what, "subscribe"):
		if t.toCome--; t.toCome == 0 {
			n.subscribed()
		}
	case name == t.channel:
		if text != t.mark || t.marked >= 0 {
			return
		}
		if t.marked = len(t.early); t.done {
			t.takeOver(t.marked)
		}
	default:
		t.early = append(t.early, bytes.Clone(reply))
		if t.bytes += len(reply); t.bytes > t.shard.loop.maxOutput {
			t.takeOver(t.seen)
		}
	}
}

// subscribed publishes the mark, or goes without where there is no old line.
func (n *successor) subscribed() {
	t := n.tap
	t.denied = 0
	if t.line == nil {
		t.takeOver(t.seen)
		return
	}
	l := t.shard.loop
	t.mark, t.limit = strconv.FormatUint(rand.Uint64(), 36), l.now+markLimit
	l.wake(t.limit)
	raw := resp.AppendCommand(nil, "SPUBLISH", t.channel, t.mark)
	t.shard.link(3).queue(raw, call{session: t.subscriber.session, job: nobody{}, marks: repeatable})
}

// nobody is the job of a command whose reply does not matter.
type nobody struct{}

func (nobody) take(uint32, byte, []byte) {}

// ended is called when the new line broke before it was used.
func (n *successor) ended() {
	n.forgetNext()
	n.delay()
}
