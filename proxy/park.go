package proxy

import (
	"bytes"
	"slices"

	"github.com/haulout/haulout/resp"
)

const (
	errOutcome  = "ERR the connection to the shard broke after the command was sent; it may have been executed"
	errPartly   = "ERR the master changed during the transaction; a part of it may have been executed"
	errNoMaster = "CLUSTERDOWN Hash slot not served: it has no master for now"
	// The first word is stable: clients tell by it that a write may have been executed.
	errUnconfirmed = "UNCONFIRMED the write was executed and not confirmed by min_replicas replicas in time; it may be kept or lost"
	errReach       = "CLUSTERDOWN Hash slot not served: its master cannot be reached"
	errContact     = "CLUSTERDOWN endpoint lost contact with its cluster"
	errLost        = "CLUSTERDOWN Hash slot not served: shard lost until restored"
	errGone        = "CLUSTERDOWN the database is not served here any more"
)

// finish takes in a whole reply to the first call.
func (k *link) finish(kind byte, reply []byte) {
	c := &k.calls[k.first]
	why := notRefused
	if kind == resp.KindError {
		why = c.refusalOf(reply)
	}
	if c.got < c.lead() {
		c.got++
		if kind == resp.KindError {
			c.marks |= uncached
		}
		return
	}
	if c.got < c.before {
		k.aborted.note(kind, reply)
		c.note(why)
		return
	}
	why = c.verdict(why)
	if c.before > c.lead() {
		reply = k.aborted.explain(reply)
	}
	switch {
	case c.marks&partExecuted != 0:
		kind, reply = resp.KindError, resp.AppendError(nil, errPartly)
	case why != notRefused && !k.final(c, why):
		k.park(c, why, reply)
		return
	case len(k.parked) > 0 && k.overtakes(c):
		k.parkAgain(c)
		return
	}
	k.answered(c)
	done := *c
	k.pop()
	if k.shard.confirms(done.marks) && kind != resp.KindError {
		// What the engine tells of keys that it has read comes behind it all the same.
		done.session.keepsBack(done.turn)
		k.served(done.marks)
		k.shard.confirm.hold(done, origin{k.target, k.history}, reply)
		return
	}
	done.deliver(kind, reply)
	k.served(done.marks)
}

// final reports whether a refusal is to be given to the client: when it has
// waited long enough, or when it is this command that the proxy has no right to
// send, for the engine has just said that it serves us.
func (k *link) final(c *call, why refusal) bool {
	return c.session.gone || k.loop.now-c.since >= k.loop.patience ||
		why == forRights && c.marks&denied != 0 && k.proven
}

// park keeps a refused command to send it again. Everything behind it in
// flight will most likely be refused too.
func (k *link) park(c *call, why refusal, reply []byte) {
	c.marks |= again
	c.marks &^= denied
	if why == forRights {
		c.marks |= denied
	}
	k.lastRefusal = append(k.lastRefusal[:0], reply...)
	if !k.suspect {
		k.suspect, k.proven = true, false
		k.delay()
	}
	k.parkAgain(c)
}

// parkAgain moves the first call to the parked ones.
func (k *link) parkAgain(c *call) {
	c.marks &^= attemptMarks
	c.got = 0
	k.parked = append(k.parked, *c)
	k.parkedBytes = append(k.parkedBytes, k.out[k.base:k.base+c.size]...)
	k.loop.queued += c.weight()
	k.pop()
}

// overtakes deals with a command that was executed although one of the same
// client in front of it was refused. If it only reads, it shall be sent again
// behind that one; if not, that one is too late and gets its refusal.
func (k *link) overtakes(c *call) bool {
	if c.marks&repeatable == 0 {
		k.giveUp(c.session)
		return false
	}
	for i := range k.parked {
		if k.parked[i].session == c.session {
			return true
		}
	}
	return false
}

// giveUp answers the parked commands of a session with the refusal.
func (k *link) giveUp(s *session) {
	calls, data := k.parked, k.parkedBytes
	k.parked, k.parkedBytes = nil, nil
	for i := range calls {
		c, raw := &calls[i], data[:calls[i].size]
		data = data[c.size:]
		if c.session == s {
			k.loop.queued -= c.weight()
			c.deliver(resp.KindError, k.lastRefusal)
			continue
		}
		k.parked = append(k.parked, *c)
		k.parkedBytes = append(k.parkedBytes, raw...)
	}
}

// unpark puts the parked commands in front of what waits. Nothing is in flight.
func (k *link) unpark() {
	if k.sent > k.mark {
		// A command written in part can be sent whole only on a new connection.
		k.disconnect()
	}
	k.refill(k.parked, k.parkedBytes)
	k.parked, k.parkedBytes = nil, nil
}

// refill puts commands in front of what waits. They are in loop.queued already.
func (k *link) refill(calls []call, data []byte) {
	k.calls = append(calls[:len(calls):len(calls)], k.calls[k.first:]...)
	k.out = append(data[:len(data):len(data)], k.out[k.base:]...)
	k.first, k.flight, k.base, k.mark, k.sent = 0, 0, 0, 0, 0
}

// abandon closes the connection although commands may be in flight. Those that
// only read are sent again; of the others nobody knows whether they were executed.
func (k *link) abandon() {
	lost := append([]call(nil), k.calls[k.first:k.first+k.flight]...)
	data := bytes.Clone(k.out[k.base:k.mark])
	for range lost {
		k.pop()
	}
	k.disconnect()
	calls, kept := k.parked, k.parkedBytes
	for i := range lost {
		c := &lost[i]
		if c.marks&(repeatable|dropped) == repeatable && !c.halfOut() && !c.session.gone {
			c.marks = c.marks&^attemptMarks | again
			c.got = 0
			k.loop.queued += c.weight()
			calls, kept = append(calls, *c), append(kept, data[:c.size]...)
		}
		data = data[c.size:]
	}
	k.parked, k.parkedBytes = nil, nil
	k.refill(calls, kept)
	for i := range lost {
		k.lose(&lost[i])
	}
}

// lose tells a client that its command's outcome is not known.
func (k *link) lose(c *call) {
	switch {
	case c.halfOut():
		// Half a reply has gone out: there is no way back for this connection.
		c.session.close()
	case c.marks&repeatable == 0:
		c.fail(k.loop, errOutcome)
	}
}

// expire answers the commands that have waited too long. Nothing can be sent now.
func (k *link) expire() {
	if k.flight > 0 {
		return
	}
	limit, text := k.loop.patience, errReach
	switch {
	case !k.shard.address.IsValid():
		text = errNoMaster
	case k.shard.hold == nil && !k.shard.serving():
		limit, text = k.loop.fencePatience, errContact
	case k.owner != nil && k.state == unconnected && k.shard.crowded():
		text = errPlaces
	}
	for k.first < len(k.calls) {
		c := &k.calls[k.first]
		if k.loop.now-c.since < limit {
			k.loop.wake(c.since + limit)
			return
		}
		s := c.session
		if k.failFirst(text); text == errContact {
			s.sendAway()
		}
	}
}

// sendAway lets the client go, once all is answered, if this proxy may serve nothing of
// its endpoint any more, as where the daemon of its host is gone: it finds out elsewhere
// who does.
func (s *session) sendAway() {
	if !s.gone && !slices.ContainsFunc(s.endpoint.shards, func(at *shard) bool { return at.hold != nil || at.serving() }) {
		s.quit()
	}
}

// halfOut reports whether a part of the reply has gone out to the client.
func (c *call) halfOut() bool {
	return c.job == nil && c.marks&dropped == 0 && c.session.streaming && c.session.head == c.turn
}

// failWaiting answers everything that waits with an error.
func (k *link) failWaiting(text string) {
	for k.first < len(k.calls) {
		k.failFirst(text)
	}
}

func (k *link) failFirst(text string) {
	if k.sent > k.mark {
		k.disconnect()
	}
	c := k.calls[k.first]
	k.pop()
	if c.marks&again != 0 && len(k.lastRefusal) > 0 {
		c.session.endpoint.counts.Unreachable++
		c.deliver(resp.KindError, k.lastRefusal)
		return
	}
	c.fail(k.loop, text)
}

// firstWord is what may be logged of an engine's error.
func firstWord(reply []byte) string {
	word, _, _ := bytes.Cut(bytes.TrimSpace(reply), []byte(" "))
	return string(word)
}
