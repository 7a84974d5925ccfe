package proxy

import "slices"

// publication is a message that came while subscriptions were under way. An engine takes
// commands in the order in which they come, whoever sends them; here a subscription has
// to get to all shards first, so a message waits for those that came before it.
type publication struct {
	session *session
	command *command
	raw     []byte
	after   []pending
	since   int64
}

// publishLatest bounds the wait: a subscription that does not come about, because a shard is
// out of reach, holds nobody's messages up for longer.
const publishLatest = int64(100e6)

// pending is a subscription under way.
type pending struct {
	subscriber *subscriber
	turn       uint32
}

// publishLater keeps the message and the rest of what its client sends.
func (s *session) publishLater(c *command, raw []byte) {
	p := &publication{session: s, command: c, raw: slices.Clone(raw), since: s.loop.now}
	for b := range s.endpoint.subscribing {
		p.after = append(p.after, pending{b, b.turn})
	}
	s.more().publication = p
	s.loop.waiting[p] = struct{}{}
	s.loop.messages++
	s.loop.wake(p.since + publishLatest)
	s.pause(pauseBlocked)
}

// advance publishes when no subscription is left that came before, or when it is time.
func (p *publication) advance() {
	s := p.session
	latest := p.since + publishLatest
	under := slices.ContainsFunc(p.after, func(o pending) bool { return o.subscriber.active && o.subscriber.turn == o.turn })
	if under && s.loop.now < latest {
		s.loop.wake(latest)
		return
	}
	p.close()
	s.publication = nil
	s.unpause(pauseBlocked) // first: a long message makes a call of its own, which pauses
	s.pass(p.command, p.raw, nil)
}

func (p *publication) close() {
	delete(p.session.loop.waiting, p)
	p.session.loop.messages--
}

// settled takes the subscriber out of those under way and lets messages go that wait.
func (b *subscriber) settled() {
	s := b.session
	delete(s.endpoint.subscribing, b)
	if s.loop.messages > 0 {
		s.loop.wake(s.loop.now)
	}
}
