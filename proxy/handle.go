package proxy

import (
	"fmt"
	"strings"

	"github.com/haulout/haulout/resp"
)

// handle deals with one command: refuses it, answers it here, or sends it on.
func (s *session) handle(raw []byte, args [][]byte) {
	s.endpoint.commands++
	c := lookup(args)
	s.last, s.heard = c, s.loop.now
	switch {
	case c == nil && (equalFold(args[0], "post") || equalFold(args[0], "host:")):
		s.close() // HTTP: an engine closes such a connection, and ours to it are others', too
		return
	case c == nil && !s.known:
		s.refuse(unknownCommand(args))
		return
	case c == nil:
		s.unknown(raw, args)
		return
	case !c.arityFits(len(args)):
		s.reject(c, "ERR wrong number of arguments for '"+c.name+"' command")
		return
	case !s.known && c.subs != nil && len(args) > 1:
		s.refuse("ERR unknown subcommand '" + printable(args[1]) + "'. Try " + upper(args[0]) + " HELP.")
		return
	case !s.known && !forStrangers(c):
		s.reject(c, "NOAUTH Authentication required.")
		return
	}
	if s.user != nil && s.user.lacks[c.name] || c.never && (s.transaction == nil || !c.flags.has(noMulti)) {
		s.reject(c, "NOPERM this user has no permissions to run the '"+c.name+"' command")
		return
	}
	if s.subscribedOnly(c) {
		s.reject(c, fmt.Sprintf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", c.name))
		return
	}
	if s.transaction != nil && s.transact(c, raw, args) {
		return
	}
	if c.tells && len(s.endpoint.subscribing) > 0 {
		s.publishLater(c, raw)
		return
	}
	if own := c.own; own != nil {
		own(s, raw, args)
		return
	}
	if c.spread != nil && len(s.endpoint.shards) > 1 {
		c.spread(s, raw, args)
		return
	}
	s.pass(c, raw, args)
}

// unknown passes on a command that the table does not have: nearly all newer
// ones have their key first.
func (s *session) unknown(raw []byte, args [][]byte) {
	c := &command{name: string(args[0]), arity: -1, keys: []keySpec{{index: 1, step: 1}}, opaque: true}
	if s.transaction == nil || !s.transact(c, raw, args) {
		s.pass(c, raw, args)
	}
}

// unknownCommand is the engine's answer to those who may not ask it.
func unknownCommand(args [][]byte) string {
	var words strings.Builder
	for _, a := range args[1:] {
		if room := 128 - words.Len(); room > 0 {
			fmt.Fprintf(&words, "'%s' ", a[:min(len(a), room)])
		}
	}
	return fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", args[0][:min(len(args[0]), 128)], words.String())
}

// forStrangers reports whether a client may use the command before it has
// shown the password.
func forStrangers(c *command) bool {
	switch c.name {
	case "auth", "hello", "quit", "reset":
		return true
	}
	return false
}

// pass sends a command to the shard that has its keys.
func (s *session) pass(c *command, raw []byte, args [][]byte) {
	at, _, problem := s.shardFor(c, args)
	if problem != "" {
		s.refuse(problem)
		return
	}
	if len(raw) >= longCommand {
		s.passAlone(at, c.marks(), raw)
		return
	}
	s.send(at, raw, call{turn: s.turn(), marks: c.marks()})
}

const (
	errCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot"
	errUncovered = "CLUSTERDOWN Hash slot not served"
)

func (c *command) marks() callMark {
	switch {
	case c.scripts && c.flags.has(readonly):
		return repeatable | scripted
	case c.scripts:
		return writes | scripted
	case c.flags.has(readonly):
		return repeatable
	case c.flags.has(write) || c.opaque:
		return writes
	}
	return 0
}

// shardFor returns the shard that has all keys of a command. A command that is
// not bound to one may go to any; it gets the first. The problem is an error
// reply if there is no such shard.
func (s *session) shardFor(c *command, args [][]byte) (at *shard, bound bool, problem string) {
	e := s.endpoint
	if c.sorts && len(e.shards) > 1 && sortsElsewhere(args) {
		return nil, true, errSortElsewhere
	}
	if k := c.onlyKey(); k > 0 && k < len(args) {
		at = e.shardOf(args[k])
		return at, true, uncovered(at)
	}
	s.loop.at = c.appendKeys(s.loop.at[:0], args)
	for i, k := range s.loop.at {
		shard := e.shardOf(args[k])
		if i > 0 && shard != at {
			return nil, true, errCrossSlot
		}
		at = shard
	}
	if bound = len(s.loop.at) > 0; !bound && len(e.shards) > 0 {
		at = e.shards[0]
	}
	return at, bound, uncovered(at)
}

func uncovered(at *shard) string {
	if at == nil {
		return errUncovered
	}
	return ""
}

// onlyKey returns the place of the key of a command that has exactly one, else 0.
func (c *command) onlyKey() int {
	if len(c.keys) == 1 && !c.keys[0].counted && c.keys[0].last == 0 {
		return c.keys[0].index
	}
	return 0
}

// send queues a command for a shard.
func (s *session) send(at *shard, raw []byte, c call) {
	k := s.linkTo(at)
	if c.marks&repeatable == 0 {
		s.writes(at)
	}
	if s.tracking != nil {
		raw, c = s.tracking.prepare(raw, c)
	}
	if k.state != linked || k.suspect || k.gated() {
		s.endpoint.held++
	}
	c.session = s
	k.queue(raw, c)
	if s.loop.queued > s.loop.maxQueued && s.paused&pauseQueue == 0 {
		s.endpoint.counts.QueueFull++
		s.pause(pauseQueue)
		s.loop.starved = append(s.loop.starved, s)
	}
}

// linkTo returns the link over which the session's commands go to a shard.
func (s *session) linkTo(at *shard) *link {
	if s.tracking != nil && s.tracking.reports() {
		return s.tracking.link(at)
	}
	if s.user != nil {
		return at.linkAs(s.user.Name, s.version())
	}
	return at.link(s.version())
}

// ok answers the command just read with OK.
func (s *session) ok() { s.answerNow(resp.AppendSimple(s.loop.reply[:0], "OK")) }
