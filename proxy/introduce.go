package proxy

import "github.com/haulout/haulout/resp"

// introduce answers HELLO in the protocol version chosen, as the engine behind
// does. What that says is known from when a link to it was opened; the first
// client waits for one, if an engine can be asked.
func (s *session) introduce() {
	var silent *shard // it can be asked, and nobody has
	for _, at := range s.endpoint.shards {
		if said := at.greetings[s.version()-2]; said != nil {
			s.answerNow(s.introduction(said, s.version()))
			return
		}
		if silent == nil && at.hold == nil && !at.lost && at.address.IsValid() && at.serving() {
			silent = at
		}
	}
	if silent == nil {
		s.answerNow(s.introduction(nil, s.version()))
		return
	}
	i := &introducing{s, s.turn(), silent, s.version()}
	silent.link(s.version()).queue(resp.AppendCommand(nil, "PING"), call{session: s, turn: i.turn, job: i, marks: repeatable})
}

// introducing is a HELLO that waits until a link is open.
type introducing struct {
	session *session
	turn    uint32
	shard   *shard
	version int
}

// take implements job.
func (i *introducing) take(uint32, byte, []byte) {
	i.session.answer(i.turn, i.session.introduction(i.shard.greetings[i.version-2], i.version))
}

// unknownEngine is what is said of an engine that can not be asked: it is at least that.
var unknownEngine = []byte("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:0\r\n" +
	"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n")

// introduction makes what an engine said to the proxy what it would say to the client.
func (s *session) introduction(said []byte, version int) []byte {
	if said == nil {
		said = unknownEngine
	}
	parts := elements(said)
	b := resp.AppendMapHeader(nil, version, len(parts)/2)
	for i := 0; i+1 < len(parts); i += 2 {
		b = append(b, parts[i]...)
		switch content(parts[i]) {
		case "proto":
			b = resp.AppendInt(b, int64(version))
		case "id":
			b = resp.AppendInt(b, s.id)
		case "role":
			b = resp.AppendBulkString(b, "master")
		default:
			b = append(b, parts[i+1]...)
		}
	}
	return b
}
