package proxy

import (
	"slices"

	"github.com/haulout/haulout/resp"
)

// tracking is a client's CLIENT TRACKING: it keeps a cache and wants to be told
// what of it has changed. An engine remembers by the connection what was read over
// it, and says over the same one what has changed of that. So such a client has
// links of its own, one for each shard that it uses, and nothing that comes over
// them overtakes a reply it may be meant for.
//
// When a link's connection ends, as when the master changes, nobody will tell of
// what was read over it. So the client is told that nothing holds any more. The
// same when the right to serve runs out: another may be master by now.
type tracking struct {
	session *session
	on      bool
	trackingOrder
	target  *session // who is told instead
	broken  bool     // that one is gone
	caching bool     // CLIENT CACHING came for the next command or transaction

	links  []*link
	filled bool // something may be in the cache

	asked  *trackingOrder // by a command that waits for its turn
	turn   uint32
	asking bool // other loops are asked for the one to be told
}

// track deals with CLIENT TRACKING. It goes when everything before it is
// answered: the commands of a client stay in order although their links change.
func (s *session) track(_ []byte, args [][]byte) {
	o, problem := readTracking(args)
	if problem == "" {
		problem = s.tracking.problemWith(o)
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	if s.tracking == nil {
		s.more().tracking = &tracking{session: s}
		s.loop.waiting[s.tracking] = struct{}{}
	}
	t := s.tracking
	t.asked, t.turn = &o, s.turn()
	s.pause(pauseBlocked)
	t.advance()
}

// advance implements waiter.
func (t *tracking) advance() {
	s := t.session
	if t.asked != nil && !t.asking && s.head == t.turn {
		t.find()
	}
	if !t.on || s.gone {
		return
	}
	if t.bcast && t.reports() {
		for _, at := range s.endpoint.shards {
			t.link(at)
		}
	}
	l := s.loop
	if left := l.fence.until.Load() - l.clock(); left > 0 {
		t.filled = t.filled || t.bcast
		l.wake(l.now + left)
	} else if t.filled {
		t.flush()
	}
}

// find looks for the client that is to be told instead, if there is one.
func (t *tracking) find() {
	s, id := t.session, t.asked.redirect
	if id == 0 {
		t.begin(nil)
		return
	}
	t.asking = true
	ask(s, func(e *endpoint) *session { return e.session(id) }, func(found []*session, complete bool) {
		t.asking = false
		switch target := oneOf(found); {
		case target != nil:
			t.begin(target)
		case complete:
			t.refuse(errNoTarget)
		default:
			t.refuse(errInquiry)
		}
	})
}

// begin does what was asked.
func (t *tracking) begin(target *session) {
	s, o := t.session, *t.asked
	t.asked = nil
	if !o.enable {
		t.end()
		s.answer(t.turn, resp.AppendSimple(nil, "OK"))
		s.unpause(pauseBlocked)
		return
	}
	known := len(t.prefixes)
	o.prefixes = append(t.prefixes, o.newPrefixes(t.prefixes)...)
	t.on, t.trackingOrder, t.target, t.broken, t.caching = true, o, target, false, false
	a := &agreement{tracking: t, turn: t.turn}
	if t.reports() {
		t.tellLinks(a, known)
	}
	if a.missing == 0 {
		s.answer(t.turn, resp.AppendSimple(nil, "OK"))
	}
	s.unpause(pauseBlocked)
	t.advance()
}

// refuse answers the command. What was asked for earlier goes on.
func (t *tracking) refuse(text string) {
	s := t.session
	t.asked = nil
	if !t.on {
		t.end()
	}
	s.fail(t.turn, text)
	s.unpause(pauseBlocked)
}

// tellLinks tells the links there are of what is new, prefixes behind those known
// before. Where everything is to be
// told of, and not only what is read, every shard must know it before the client
// hears that it is so.
func (t *tracking) tellLinks(a *agreement, known int) {
	s, o := t.session, t.trackingOrder
	o.prefixes = o.prefixes[known:]
	for _, k := range slices.Clone(t.links) {
		words := resp.AppendCommand(nil, "PING")
		switch {
		case k.ear != nil && (k.state != linked || !k.ear.open() || k.ear.deaf):
			k.ear.deaf = true // its next connection begins with all of it
		case k.state == linked:
			words = o.append(nil, k.ear)
		}
		a.send(k, words)
	}
	for _, at := range s.endpoint.shards {
		if t.bcast && t.known(at) == nil {
			a.send(t.link(at), resp.AppendCommand(nil, "PING"))
		}
	}
}

// agreement answers CLIENT TRACKING ON when all links have done it.
type agreement struct {
	tracking *tracking
	turn     uint32
	missing  int
	refusal  []byte
}

func (a *agreement) send(k *link, words []byte) {
	a.missing++
	k.queue(words, call{session: a.tracking.session, job: a, marks: repeatable})
}

// take implements job.
func (a *agreement) take(_ uint32, kind byte, reply []byte) {
	if kind == resp.KindError && a.refusal == nil {
		a.refusal = slices.Clone(reply)
	}
	if a.missing--; a.missing > 0 {
		return
	}
	t := a.tracking
	if a.refusal == nil {
		t.session.answer(a.turn, resp.AppendSimple(nil, "OK"))
		return
	}
	if t.session.tracking == t {
		t.flush()
		t.end()
	}
	t.session.answer(a.turn, a.refusal)
}

// reports reports whether there is anybody whom changes can be told.
func (t *tracking) reports() bool { return t.on && (t.session.version() > 2 || t.redirect != 0) }

// known returns the link to a shard, or nil.
func (t *tracking) known(at *shard) *link {
	for _, k := range t.links {
		if k.shard == at && k.version == t.session.version() && k.as == t.session.user.as() {
			return k
		}
	}
	return nil
}

// told passes on what an engine says of changes.
func (t *tracking) told(message []byte) {
	s, target := t.session, t.target
	switch {
	case target == nil && s.version() == 2:
	case target == nil:
		s.pushBehind(message)
	case target.loop == s.loop:
		if !target.hear(message) {
			t.unheard()
		}
	default:
		message = slices.Clone(message)
		tell := func() {
			if !target.hear(message) {
				s.loop.send(t.unheard)
			}
		}
		if !target.loop.send(tell) {
			t.unheard()
		}
	}
}

// unheard tells the client that nobody is left to be told instead of it.
func (t *tracking) unheard() {
	s := t.session
	t.broken = true
	if s.version() > 2 && s.tracking == t {
		b := resp.AppendBulkString(resp.AppendPushHeader(nil, 3, 2), "tracking-redir-broken")
		s.push(resp.AppendInt(b, t.redirect))
	}
}

const invalidate = ">2\r\n$10\r\ninvalidate\r\n"

// hear takes in what another client has asked to be told to this one. It reports
// whether that is still here. In protocol version 2 only a subscriber can be told.
func (s *session) hear(message []byte) bool {
	switch {
	case s.gone:
		return false
	case s.version() > 2:
		s.push(message)
	case s.isPubSub():
		b := resp.AppendBulkString(resp.AppendBulkString(resp.AppendArrayHeader(nil, 3), "message"), "__redis__:invalidate")
		if what := message[len(invalidate):]; what[0] == resp.KindNull {
			b = resp.AppendNull(b, 2)
		} else {
			b = append(b, what...)
		}
		s.push(b)
	}
	return true
}

// flush tells the client that nothing of its cache holds any more.
func (t *tracking) flush() {
	t.filled = false
	t.told(resp.AppendNull([]byte(invalidate), 3))
}

// lost is called when a connection has ended over which something may have been read.
func (t *tracking) lost() {
	if t.filled || t.bcast {
		t.flush()
	}
}

// prepare puts CLIENT CACHING in front of a command.
func (t *tracking) prepare(raw []byte, c call) ([]byte, call) {
	if !t.caching || !t.reports() {
		return raw, c
	}
	word := "NO"
	if t.optin {
		word = "YES"
	}
	c.before++
	c.marks |= cached
	return append(resp.AppendCommand(nil, "CLIENT", "CACHING", word), raw...), c
}

// readElsewhere is called when a command has been answered that went over a line
// of another kind, where nothing is remembered. What it read is told to have changed.
func (t *tracking) readElsewhere(raw []byte) {
	if !t.reports() {
		return
	}
	var f resp.CommandFramer
	var keys [][]byte
	for len(raw) > 0 {
		args, n, err := f.Next(raw, nil)
		if n == 0 || err != nil {
			break
		}
		raw = raw[n:]
		if c := lookup(args); c != nil && !c.flags.has(write) && c.name != "watch" {
			for _, place := range c.appendKeys(nil, args) {
				keys = append(keys, args[place])
			}
		}
	}
	if len(keys) > 0 {
		t.told(resp.AppendCommandBytes([]byte(invalidate), keys))
	}
}

// end gives the links up. Each ends when what it has been given is answered.
func (t *tracking) end() {
	for _, k := range t.links {
		k.owner, k.warm, k.retiring = nil, false, true
		k.touch()
	}
	t.on, t.links = false, nil
	delete(t.session.loop.waiting, t)
	t.session.more().tracking = nil
}
