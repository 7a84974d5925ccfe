package proxy

import (
	"bytes"
	"regexp"

	"github.com/haulout/haulout/resp"
)

// call is a command on its way to an engine, from the moment it is queued to
// its reply. Its bytes stand in the link's buffer.
type call struct {
	session *session
	job     job    // who takes the reply instead of the session
	turn    uint32 // of the session
	part    uint32 // of the job
	before  uint32 // replies that come before the one that counts
	got     uint32 // of those, how many have come
	size    int    // bytes in the link's buffer
	since   int64
	marks   callMark
}

type callMark uint16

const (
	repeatable callMark = 1 << iota // only reads: may be sent again whatever happened
	again                           // has been refused before
	denied                          // the last refusal was for lack of rights
	dropped                         // somebody else takes care of it: the reply is thrown away
	cached                          // CLIENT CACHING goes in front
	writes                          // it may write: the reply is held back where replicas have to confirm it

	// Of a transaction, in the present attempt:
	partRefused  // one of its parts was refused, so that EXEC executes nothing
	partDenied   // for lack of rights
	withoutMulti // MULTI itself was refused
	partExecuted // and one of the commands behind it was not

	uncached // CLIENT CACHING was refused, in the present attempt

	scripted // runs code of the client's, whose errors may have any words
)

const attemptMarks = partRefused | partDenied | withoutMulti | partExecuted | uncached

// job makes one reply out of several, or of one that must be changed.
type job interface {
	// take takes in a whole reply. The bytes are valid during the call only.
	take(part uint32, kind byte, reply []byte)
}

// deliver gives the reply to whom it is for.
func (c *call) deliver(kind byte, reply []byte) {
	if c.job != nil {
		c.job.take(c.part, kind, reply)
		return
	}
	c.session.answer(c.turn, reply)
}

// callWeight is what a queued command costs besides its bytes.
const callWeight = 96

// weight is what the command adds to the queues, in bytes.
func (c *call) weight() int { return c.size + callWeight }

func (c *call) fail(l *loop, text string) {
	tell(&c.session.endpoint.counts, text)
	l.reply = resp.AppendError(l.reply[:0], text)
	c.deliver(resp.KindError, l.reply)
}

// note takes in a reply that comes before the one that counts: those to MULTI
// and to the commands queued behind it.
func (c *call) note(why refusal) {
	switch {
	case why == notRefused && c.marks&withoutMulti != 0:
		c.marks |= partExecuted
	case why == notRefused:
	case c.got == c.lead():
		c.marks |= withoutMulti | partRefused
	default:
		c.marks |= partRefused
	}
	if why == forRights {
		c.marks |= partDenied
	}
	c.got++
}

// lead is how many replies come before those of a transaction.
func (c *call) lead() uint32 {
	if c.marks&cached != 0 {
		return 1
	}
	return 0
}

// verdict says why nothing was executed, given the last reply's own reason.
func (c *call) verdict(why refusal) refusal {
	switch {
	case c.marks&partDenied != 0:
		return forRights
	case c.marks&partRefused != 0:
		return forState
	}
	return why
}

// plain reports whether the next reply can go out as it comes in.
func (c *call) plain() bool { return c.job == nil && c.got == c.before }

// refusal tells what an error reply means for the command: that it was not
// executed and why. The words are the engine's first ones.
type refusal uint8

const (
	notRefused refusal = iota
	forRights          // the engine took the proxy's rights away: demoted
	forState           // replica, loading, no replicas: may pass
)

var refusals = []struct {
	word []byte
	why  refusal
}{
	{[]byte("NOPERM "), forRights},
	{[]byte("READONLY "), forState},
	{[]byte("NOREPLICAS "), forState},
	{[]byte("MASTERDOWN "), forState},
	{[]byte("LOADING "), forState},
	{[]byte("UNBLOCKED force "), forState},
}

var execAborted = []byte("-EXECABORT Transaction discarded because of: ")

// scriptRefused are an engine's refusals of code, in its own words to the end, as far as
// nothing else has them: the code can give the first words itself, after it was executed.
// What a replica, or a master without replicas, refuses to a command in it was refused to
// all of its writes.
var scriptRefused = regexp.MustCompile(`^-(` +
	`NOPERM (this user|User \S*) has no permissions to run the '(eval|evalsha|fcall)(_ro)?' command\r?\n?$` +
	`|READONLY (You can't write against a read only replica\.|Can not run script with write flag on readonly replica)` +
	`|NOREPLICAS Not enough good replicas to write\.` +
	`|MASTERDOWN Link with MASTER is down` +
	`|LOADING \S+ is loading the dataset in memory` +
	`)`)

// refusalOf classifies the error reply to a call.
func (c *call) refusalOf(reply []byte) refusal {
	if c.marks&scripted != 0 && !scriptRefused.Match(reply) {
		return notRefused
	}
	return refusalOf(reply)
}

// refusalOf classifies an error reply.
func refusalOf(reply []byte) refusal {
	text := reply[1:]
	if bytes.HasPrefix(reply, execAborted) {
		text = reply[len(execAborted):]
	}
	for _, r := range refusals {
		if bytes.HasPrefix(text, r.word) {
			return r.why
		}
	}
	return notRefused
}
