package proxy

import (
	"slices"

	"github.com/haulout/haulout/resp"
)

// watch is what a client watches. The engine remembers it by a connection, so
// WATCH and the EXEC that belongs to it go over a line of the client's own, and
// everything in between over the links. All that may have happened unseen (a
// change of master, a broken connection) makes EXEC execute nothing, as if a
// watched key had been touched.
type watch struct {
	on         bool  // something is watched
	stale      bool  // the engine watches what the client has given up
	line       *line // over which it was said
	generation int64 // of the shard then
	exec       bool  // the call under way is EXEC
	forbidden  []byte
	own        []enlisted // in the transaction under way
	aborted    aborted
}

// lineIdle is how long a line is kept for the next call, in nanoseconds.
const lineIdle = int64(10e9)

// watchKeys deals with WATCH.
func (s *session) watchKeys(raw []byte, args [][]byte) {
	at, _, problem := s.shardFor(commands["watch"], args)
	b := s.watching
	if problem == "" && s.watches() && b.shard != at {
		problem = errCrossSlot
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	if b == nil {
		b = &blocked{session: s, watch: &watch{}}
		s.more().watching = b
		s.loop.waiting[b] = struct{}{}
	}
	w := b.watch
	w.exec = false
	b.begin(at, s.turn(), slices.Clone(raw), repeatable)
	if w.stale {
		b.ask, b.asked = resp.AppendCommand(nil, "UNWATCH"), 1
	}
	b.advance()
}

// watches reports whether the client watches anything.
func (s *session) watches() bool { return s.watching != nil && s.watching.watch.on }

// unwatch forgets what is watched; the engine is told when it matters.
func (s *session) unwatch() {
	if s.watches() {
		w := s.watching.watch
		w.on, w.stale = false, true
	}
}

// unwatchKeys deals with UNWATCH.
func (s *session) unwatchKeys([]byte, [][]byte) {
	s.unwatch()
	s.ok()
}

// execWatched sends a transaction over the line on which its keys were watched.
func (s *session) execWatched(t *transaction) {
	b := s.watching
	b.watch.exec, b.watch.forbidden, b.watch.own = true, nil, t.own
	b.begin(b.shard, s.turn(), resp.AppendCommand(t.raw, "EXEC"), t.marks)
	b.asked = uint32(t.count + 1)
	s.writes(b.shard)
	b.advance()
}

// firm reports whether the engine still knows what is watched, and nothing can
// have happened that it does not know of.
func (b *blocked) firm() bool {
	w := b.watch
	return b.line != nil && b.line == w.line && b.line.fd >= 0 && !b.line.stray() &&
		b.shard.generation == w.generation && b.line.version == b.session.version() && b.line.as == b.session.user.as()
}

// spent reports whether the call has nothing to ask the engine any more: a
// watched transaction that is not firm executes nothing.
func (b *blocked) spent() bool {
	w := b.watch
	switch {
	case w == nil || !w.on || b.sent || b.denied && !w.exec:
		return false
	case w.forbidden != nil:
		// The refusal was for good only if the same master serves us otherwise.
		return b.shard.generation != w.generation || b.line != nil && b.line.state == linked
	}
	return !b.firm()
}

func (b *blocked) spentReply() []byte {
	w := b.watch
	if !w.exec {
		return resp.AppendSimple(nil, "OK")
	}
	if w.forbidden != nil && b.shard.generation == w.generation {
		return w.forbidden
	}
	return nothingExecuted(b.session.version())
}

// nothingExecuted is what EXEC answers when a watched key was touched.
func nothingExecuted(version int) []byte {
	if version == 3 {
		return resp.AppendNull(nil, 3)
	}
	return []byte("*-1\r\n")
}

// watched takes in the reply to WATCH or EXEC.
func (b *blocked) watched(why refusal, reply []byte) {
	w := b.watch
	own := why
	why = b.call.verdict(why)
	switch {
	case !w.exec && why != notRefused:
		b.refused(why, reply)
	case !w.exec:
		if !w.on {
			w.line, w.generation = b.line, b.shard.generation
		}
		w.on, w.stale = true, false
		b.finish(reply)
	case b.call.marks&partExecuted != 0:
		b.fail(errPartly)
	case why == forRights && own != forRights && b.call.marks&withoutMulti == 0:
		w.forbidden = slices.Clone(reply)
		b.refused(notRefused, reply)
	case why != notRefused:
		b.drop()
		b.finish(b.spentReply())
	default:
		b.conclude(reply)
	}
}
