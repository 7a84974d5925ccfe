package proxy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/haulout/haulout/resp"
)

// subscriber is what a client is subscribed to. Messages are published on any
// shard, by scripts and as notifications of keys, so it has a tap on each.
type subscriber struct {
	session *session
	taps    []*tap
	topics  map[topic]struct{}
	sharded int // of the topics, those that are shard channels

	// The command under way, if there is one: it is answered when all taps have
	// confirmed it. Messages wait until then if it subscribes to something.
	active bool
	turn   uint32
	order  order
	since  int64
	held   []byte
}

// topic is a channel or pattern; kind is the command's prefix: "", "p" or "s".
type topic struct{ kind, name string }

// order is a command of the SUBSCRIBE family.
type order struct {
	kind  string
	off   bool
	names []string
	ask   []string // the names that the engines must be told of
}

func (o order) word() string {
	if o.off {
		return o.kind + "unsubscribe"
	}
	return o.kind + "subscribe"
}

// subscribe deals with all commands of the SUBSCRIBE family.
func (s *session) subscribe(_ []byte, args [][]byte) {
	if len(s.endpoint.shards) == 0 {
		s.refuse(errUncovered)
		return
	}
	b := s.subscriber
	if b == nil {
		b = &subscriber{session: s, topics: map[topic]struct{}{}}
		s.more().subscriber = b
		s.loop.waiting[b] = struct{}{}
	}
	b.order = b.read(args)
	b.active, b.turn, b.since = true, s.turn(), s.loop.now
	for _, t := range b.taps {
		t.sent, t.got, t.denied = false, 0, 0
	}
	s.endpoint.subscribing[b] = struct{}{}
	s.pause(pauseBlocked)
	b.advance()
}

// read takes the command apart. One that ends all subscriptions of its kind
// names them.
func (b *subscriber) read(args [][]byte) order {
	word := strings.ToLower(string(args[0]))
	rest, off := strings.CutSuffix(word, "unsubscribe")
	o := order{kind: strings.TrimSuffix(rest, "subscribe"), off: off}
	for _, a := range args[1:] {
		o.names = append(o.names, string(a))
	}
	if off && len(o.names) == 0 {
		for t := range b.topics {
			if t.kind == o.kind {
				o.names = append(o.names, t.name)
			}
		}
		slices.Sort(o.names)
	}
	asked := map[string]bool{} // somebody may name very many, and all of the loop would wait
	for _, name := range o.names {
		if _, on := b.topics[topic{o.kind, name}]; on == off && !asked[name] {
			asked[name] = true
			o.ask = append(o.ask, name)
		}
	}
	return o
}

// subscribedOnly reports whether the command is not allowed to a subscriber,
// which in protocol version 2 can do nothing else.
func (s *session) subscribedOnly(c *command) bool {
	if s.version() > 2 || s.subscriber == nil || len(s.subscriber.topics) == 0 {
		return false
	}
	switch c.name {
	case "ping", "quit", "reset":
		return false
	}
	return !strings.HasSuffix(c.name, "subscribe")
}

// advance does the next step: see that every shard has its tap, then answer the
// command when all have confirmed it.
func (b *subscriber) advance() {
	if b.active && b.session.head == b.turn && len(b.order.ask) == 0 {
		b.confirm()
		return
	}
	if b.idle() {
		return
	}
	b.tapShards()
	missing := false
	for _, t := range b.taps {
		t.advance()
		missing = missing || !t.confirmed()
	}
	switch {
	case !b.active || b.session.head != b.turn:
	case missing:
		b.expire()
	default:
		b.confirm()
	}
}

// tapShards gives every shard of the endpoint a tap, and closes the others.
func (b *subscriber) tapShards() {
	shards := b.session.endpoint.shards
	if len(shards) == len(b.taps) && !slices.ContainsFunc(b.taps, func(t *tap) bool { return !slices.Contains(shards, t.shard) }) {
		return
	}
	var taps []*tap
	for _, t := range b.taps {
		if slices.Contains(shards, t.shard) {
			taps = append(taps, t)
		} else {
			t.close()
		}
	}
	for _, at := range shards {
		if !slices.ContainsFunc(taps, func(t *tap) bool { return t.shard == at }) {
			taps = append(taps, newTap(b, at))
		}
	}
	b.taps = taps
}

// confirm answers the command.
func (b *subscriber) confirm() {
	s := b.session
	out := b.confirmations(s.loop.reply[:0])
	s.loop.reply = out
	s.write(out)
	b.finish()
}

func (b *subscriber) confirmations(out []byte) []byte {
	o, version := b.order, b.session.version()
	for _, name := range o.names {
		b.note(topic{o.kind, name}, o.off)
		out = resp.AppendBulkString(resp.AppendPushHeader(out, version, 3), o.word())
		out = resp.AppendInt(resp.AppendBulkString(out, name), b.countFor(o.kind))
	}
	if len(o.names) == 0 {
		out = resp.AppendBulkString(resp.AppendPushHeader(out, version, 3), o.word())
		out = resp.AppendInt(resp.AppendNull(out, version), b.countFor(o.kind))
	}
	return out
}

// note adds a topic, or takes it away.
func (b *subscriber) note(t topic, off bool) {
	before := len(b.topics)
	if off {
		delete(b.topics, t)
	} else {
		b.topics[t] = struct{}{}
	}
	if t.kind == "s" {
		b.sharded += len(b.topics) - before
	}
}

// countFor tells of what the engine counts together: channels and patterns, or
// shard channels.
func (b *subscriber) countFor(kind string) int64 {
	if kind == "s" {
		return int64(b.sharded)
	}
	return int64(len(b.topics) - b.sharded)
}

func (b *subscriber) expire() {
	l := b.session.loop
	if l.now-b.since < l.patience {
		l.wake(b.since + l.patience)
		return
	}
	text := errReach
	if slices.ContainsFunc(b.taps, func(t *tap) bool { return t.line == nil && t.shard.crowded() }) {
		text = errPlaces
	}
	// Some taps may have followed the order: they begin anew without it.
	b.closeTaps()
	tell(&b.session.endpoint.counts, text)
	b.session.write(resp.AppendError(nil, text))
	b.finish()
}

// deny answers the command with the engine's refusal.
func (b *subscriber) deny(reply []byte) {
	refusal := slices.Clone(reply)
	if slices.ContainsFunc(b.taps, func(t *tap) bool { return t.sent && t.got > 0 }) {
		b.closeTaps()
	}
	b.session.write(refusal)
	b.finish()
}

func (b *subscriber) finish() {
	held := b.held
	b.active, b.order, b.held = false, order{}, nil
	b.settled()
	if len(b.topics) == 0 {
		b.closeTaps()
	}
	b.session.write(held)
	b.session.next()
	b.session.unpause(pauseBlocked)
}

// pass gives a message to the client.
func (b *subscriber) pass(message []byte) {
	s := b.session
	if s.gone {
		return
	}
	from := len(b.held)
	if b.active && s.head == b.turn && !b.order.off {
		b.held = append(b.held, message...)
		if s.version() == 2 {
			b.held[from] = resp.KindArray
		}
		if len(b.held) > s.loop.maxOutput {
			s.endpoint.counts.SlowReaders++
			s.close()
		}
		return
	}
	if s.version() == 2 && message[0] == resp.KindPush {
		message = append(s.loop.text[:0], message...)
		message[0], s.loop.text = resp.KindArray, message
	}
	s.push(message)
}

// subject returns the first two words of a message or confirmation, and the
// last one.
func subject(reply []byte) (what, name, text string) {
	list := elements(reply)
	if len(list) < 2 {
		return "", "", ""
	}
	return content(list[0]), content(list[1]), content(list[len(list)-1])
}

// content returns the text of a bulk string as it is written.
func content(bulk []byte) string {
	_, text, _ := bytes.Cut(bulk, []byte("\r\n"))
	return string(bytes.TrimSuffix(text, []byte("\r\n")))
}

func (b *subscriber) close() {
	b.active = false
	b.settled()
	delete(b.session.loop.waiting, b)
	b.closeTaps()
}

func (b *subscriber) closeTaps() {
	for _, t := range b.taps {
		t.close()
	}
	b.taps = nil
}

// idle reports whether the client would miss nothing if it left.
func (b *subscriber) idle() bool { return !b.active && len(b.topics) == 0 }
