package proxy

import (
	"bytes"

	"github.com/haulout/haulout/resp"
)

// A transaction goes to the engine in one piece. What the proxy answers itself
// is carried out when the engine has executed the rest: something that changes
// nothing is queued there in its place, and its reply put where the reply to that
// stands. If the transaction is not executed, neither is that.

// atOnce are the commands that the proxy answers from what it knows, without
// asking anybody.
var atOnce = map[string]bool{
	"select": true, "auth": true, "readonly": true, "readwrite": true, "asking": true, "role": true,
	"client|setname": true, "client|getname": true, "client|id": true, "client|info": true, "client|setinfo": true, "client|capa": true,
	"client|no-touch": true, "client|no-evict": true, "client|help": true, "client|getredir": true, "client|trackinginfo": true,
	"config|get": true, "config|help": true,
}

// enlisted is one of those, or a command whose reply has to be changed.
type enlisted struct {
	place  int // among the commands of the transaction
	answer func(reply []byte) []byte
}

// enlistOwn queues a command that the proxy has its own way with. It reports
// whether that can be.
func (s *session) enlistOwn(c *command, raw []byte, args [][]byte) bool {
	t := s.transaction
	switch {
	case c.name == "scan":
		j, words, problem := s.scanning(args)
		switch {
		case problem != "":
			words = append([][]byte{args[0], []byte("no cursor")}, args[2:]...) // as the engine will say, in its time
		case t.shard != nil && t.shard != j.shard:
			s.spoil()
			s.refuse(errCrossSlot)
			return true
		default:
			t.shard = j.shard
			t.own = append(t.own, enlisted{t.count, j.mend})
		}
		s.enlist(c, resp.AppendCommandBytes(nil, words), words)
	case c.name == "pubsub|shardchannels":
		t.own = append(t.own, enlisted{t.count, withoutMarks})
		s.enlist(c, raw, args)
	case c.name == "client":
		s.spoil()
		c.own(s, raw, args) // there is no such sub-command
	case atOnce[c.name] && !(s.user != nil && s.user.lacks["ping"]):
		raw, args := cloneCommand(raw)
		t.own = append(t.own, enlisted{t.count, func([]byte) []byte { return s.captured(func() { c.own(s, raw, args) }) }})
		s.enlist(commands["ping"], resp.AppendCommand(nil, "PING"), [][]byte{[]byte("PING")})
	default:
		return false
	}
	return true
}

// cloneCommand copies a command and takes it apart.
func cloneCommand(raw []byte) ([]byte, [][]byte) {
	var f resp.CommandFramer
	raw = bytes.Clone(raw)
	args, _, _ := f.Next(raw, nil)
	return raw, args
}

// captured returns what a command answers at once, instead of sending it.
func (s *session) captured(do func()) []byte {
	var reply []byte
	x := s.more()
	x.capture = &reply
	do()
	x.capture = nil
	return reply
}

// executing is a transaction under way in which there is something enlisted. The
// client's input waits: what comes behind may depend on it.
type executing struct {
	session *session
	turn    uint32
	own     []enlisted
}

// take implements job.
func (e *executing) take(_ uint32, _ byte, reply []byte) {
	s := e.session
	if s.gone {
		return
	}
	s.answer(e.turn, withOwn(e.own, reply))
	s.unpause(pauseExec)
}

// withOwn puts the replies to what was enlisted into the reply to EXEC.
func withOwn(own []enlisted, reply []byte) []byte {
	if len(own) == 0 || reply[0] != resp.KindArray || bytes.HasPrefix(reply, []byte("*-1")) {
		return reply
	}
	parts := elements(reply)
	for _, e := range own {
		parts[e.place] = e.answer(parts[e.place])
	}
	b := resp.AppendArrayHeader(nil, len(parts))
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
