package proxy

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/haulout/haulout/resp"
)

// fan is a call to several shards at once, each over a line of the client's own:
// a link would keep it behind commands of others, or others behind it.
type fan struct {
	session *session
	turn    uint32
	parts   []*blocked
	missing int
	replies [][]byte
	join    func(replies [][]byte) []byte
}

// fans says how the replies to such calls become one.
var fans = map[string]func(replies [][]byte) []byte{
	"wait": joinFewest, "waitaof": joinFewest, "script|kill": joinKilled, "function|kill": joinKilled,
}

// fanOut sends a call to the shards that it concerns.
func (s *session) fanOut(c *command, raw []byte, args [][]byte) {
	shards := s.endpoint.shards
	waits := c.name == "wait" || c.name == "waitaof"
	if waits {
		shards = s.writtenTo()
	}
	if len(shards) == 0 {
		s.refuse(errUncovered)
		return
	}
	f := &fan{session: s, turn: s.turn(), missing: len(shards), replies: make([][]byte, len(shards)), join: fans[c.name]}
	s.more().fan = f
	for i, at := range shards {
		b := &blocked{session: s}
		b.begin(at, f.turn, slices.Clone(raw), c.marks())
		b.fan, b.part, b.endless, b.limit = f, i, true, limitOf(c, args)
		if waits {
			b.askFirst(c)
		}
		f.parts = append(f.parts, b)
		s.loop.waiting[b] = struct{}{}
	}
	f.advance()
}

// writtenTo are the shards that the client has written to, or all of them.
func (s *session) writtenTo() []*shard {
	var list []*shard
	if s.wrote == nil {
		return s.endpoint.shards
	}
	for _, at := range s.endpoint.shards {
		if slices.Contains(*s.wrote, at) {
			list = append(list, at)
		}
	}
	if len(list) == 0 {
		return s.endpoint.shards
	}
	return list
}

// writes notes that the client writes to a shard. Where there is only one nobody asks.
func (s *session) writes(at *shard) {
	if len(s.endpoint.shards) < 2 {
		return
	}
	if s.wrote == nil {
		s.wrote = &[]*shard{at}
	} else if !slices.Contains(*s.wrote, at) {
		*s.wrote = append(*s.wrote, at)
	}
}

// calls are the parts under way.
func (f *fan) calls() []*blocked {
	if f == nil {
		return nil
	}
	return slices.Clone(f.parts)
}

func (f *fan) advance() {
	for _, b := range f.calls() {
		b.advance()
	}
}

// take takes in the reply of a part.
func (f *fan) take(part int, reply []byte) {
	f.replies[part] = bytes.Clone(reply)
	if f.missing--; f.missing > 0 {
		return
	}
	s := f.session
	s.more().fan = nil
	f.close()
	s.answer(f.turn, f.join(f.replies))
	s.unpause(pauseBlocked)
}

func (f *fan) close() {
	for _, b := range f.parts {
		b.close()
	}
}

// joinFewest is for numbers of copies: what one shard has not got to, the client's
// writes as a whole have not. WAITAOF answers two of them.
func joinFewest(replies [][]byte) []byte {
	var fewest []int64
	for _, r := range replies {
		list := [][]byte{r}
		if r[0] == resp.KindArray {
			list = elements(r)
		}
		for i, number := range list {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(number[1:])), 10, 64)
			switch {
			case number[0] != resp.KindInt || err != nil:
				return r
			case i == len(fewest):
				fewest = append(fewest, n)
			default:
				fewest[i] = min(fewest[i], n)
			}
		}
	}
	var b []byte
	if replies[0][0] == resp.KindArray {
		b = resp.AppendArrayHeader(b, len(fewest))
	}
	for _, n := range fewest {
		b = resp.AppendInt(b, n)
	}
	return b
}

// joinKilled says that nothing ran only if nothing ran anywhere, and that all is
// over only if nothing went on.
func joinKilled(replies [][]byte) []byte {
	answer := replies[0]
	for _, r := range replies {
		switch idle := bytes.HasPrefix(r, []byte("-NOTBUSY")); {
		case !idle && r[0] == resp.KindError:
			return r
		case !idle:
			answer = r
		}
	}
	return answer
}
