package proxy

import (
	"bytes"
	"strings"

	"github.com/haulout/haulout/resp"
)

// transaction is what a client has queued since MULTI. It goes to the engine in
// one piece at EXEC, so that it fits on a connection shared with others.
type transaction struct {
	shard   *shard
	raw     []byte // MULTI and the queued commands
	count   int
	spoiled bool // EXEC shall execute nothing
	marks   callMark
	own     []enlisted
}

const (
	maxTransaction      = 64 << 20 // bytes
	maxTransactionCalls = 1 << 16
)

const errExecAborted = "EXECABORT Transaction discarded because of previous errors."

func (s *session) multi([]byte, [][]byte) {
	s.more().transaction = &transaction{raw: resp.AppendCommand(nil, "MULTI")}
	if s.watches() {
		s.transaction.shard = s.watching.shard
	}
	s.ok()
}

// noMulti answers EXEC and DISCARD outside of a transaction.
func (s *session) noMulti(_ []byte, args [][]byte) {
	s.refuse("ERR " + upper(args[0]) + " without MULTI")
}

func upper(word []byte) string {
	b := make([]byte, len(word))
	for i, c := range word {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		b[i] = c
	}
	return string(b)
}

// spoil makes a later EXEC fail, as after any command refused in between.
func (s *session) spoil() {
	if s.transaction != nil {
		s.transaction.spoiled = true
	}
}

// reject refuses a command for what is seen of it at once: a later EXEC fails by that. A
// refused EXEC is the end of the transaction, and of what was watched for it.
func (s *session) reject(c *command, text string) {
	s.spoil()
	if c.name == "exec" {
		text = string(execAborted[1:]) + strings.TrimPrefix(text, "ERR ")
		s.discard()
	}
	s.refuse(text)
}

// discard ends the transaction without executing it.
func (s *session) discard() {
	if s.transaction != nil {
		s.more().transaction = nil
	}
	s.unwatch()
}

// transact deals with a command inside a transaction. It reports whether that
// was all there is to do.
func (s *session) transact(c *command, raw []byte, args [][]byte) bool {
	switch c.name {
	case "exec":
		s.exec()
	case "discard":
		s.discard()
		s.ok()
	case "multi":
		s.refuse("ERR MULTI calls can not be nested")
	case "watch":
		s.refuse("ERR WATCH inside MULTI is not allowed")
	case "quit", "reset":
		return false
	case "ping", "echo":
		s.enlist(c, raw, args)
	default:
		if c.own != nil && !c.queues && s.enlistOwn(c, raw, args) {
			return true
		}
		if c.own != nil && !c.queues || c.flags.has(noMulti) {
			s.spoil()
			s.refuse("ERR Command not allowed inside a transaction")
			return true
		}
		s.enlist(c, raw, args)
	}
	return true
}

// enlist queues a command. All keys of a transaction belong to one shard.
func (s *session) enlist(c *command, raw []byte, args [][]byte) {
	t := s.transaction
	at, bound, problem := s.shardFor(c, args)
	switch {
	case problem != "":
	case bound && t.shard != nil && at != t.shard:
		problem = errCrossSlot
	case c.flags.has(allShards) && c.own == nil && len(s.endpoint.shards) > 1:
		problem = "ERR '" + c.name + "' concerns all shards and is not allowed inside a transaction here"
	case len(t.raw)+len(raw) > maxTransaction || t.count == maxTransactionCalls:
		problem = "ERR the transaction is too long for this endpoint"
	}
	if problem != "" {
		t.spoiled = true
		s.refuse(problem)
		return
	}
	if bound {
		t.shard = at
	}
	t.raw = append(t.raw, raw...)
	t.count++
	t.marks |= c.marks() & writes
	s.answerNow(resp.AppendSimple(s.loop.reply[:0], "QUEUED"))
}

func (s *session) exec() {
	t := s.transaction
	s.more().transaction = nil
	if t.shard == nil && len(s.endpoint.shards) > 0 {
		t.shard = s.endpoint.shards[0]
	}
	switch {
	case t.spoiled:
		s.unwatch()
		s.refuse(errExecAborted)
	case s.watches():
		s.execWatched(t)
	case t.shard == nil:
		s.refuse(errUncovered)
	default:
		c := call{turn: s.turn(), before: uint32(t.count + 1), marks: t.marks}
		if len(t.own) > 0 {
			c.job = &executing{s, c.turn, t.own}
			s.pause(pauseExec)
		}
		s.send(t.shard, resp.AppendCommand(t.raw, "EXEC"), c)
	}
}

// aborted is the first error of a transaction that the engine said while it was
// queueing. The client has been told that everything was queued, so EXEC has to
// say why it was not executed: in the engine's words for what it finds at EXEC.
type aborted []byte

// note takes in the reply to a part.
func (a *aborted) note(kind byte, reply []byte) {
	if kind == resp.KindError && *a == nil {
		*a = bytes.Clone(reply)
	}
}

// explain returns what is answered to EXEC.
func (a *aborted) explain(reply []byte) []byte {
	why := *a
	if *a = nil; why == nil || string(reply) != "-"+errExecAborted+"\r\n" {
		return reply
	}
	return append(bytes.Clone(execAborted), why[1:]...)
}
