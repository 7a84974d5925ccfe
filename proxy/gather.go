package proxy

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/resp"
)

// gather makes one reply of the replies of several shards. The first error
// among them is the whole reply.
type gather struct {
	session *session
	turn    uint32
	missing int
	parts   [][]byte
	broken  []byte // the first error
	join    func(g *gather, b []byte) []byte
	places  [][]int // for each part: where its elements belong in the whole
}

// take implements job.
func (g *gather) take(part uint32, kind byte, reply []byte) {
	if (kind == resp.KindError || kind == resp.KindBulkError) && g.broken == nil {
		g.broken = bytes.Clone(reply)
	}
	g.parts[part] = bytes.Clone(reply)
	if g.missing--; g.missing > 0 {
		g.session.keepsBack(g.turn)
		return
	}
	if g.broken != nil {
		g.session.answer(g.turn, g.broken)
		return
	}
	l := g.session.loop
	l.reply = g.join(g, l.reply[:0])
	g.session.answer(g.turn, l.reply)
}

// everywhere sends a command to all shards.
func (s *session) everywhere(c *command, raw []byte, join func(*gather, []byte) []byte) {
	shards := s.endpoint.shards
	if len(shards) == 0 {
		s.refuse(errUncovered)
		return
	}
	g := &gather{session: s, turn: s.turn(), missing: len(shards), parts: make([][]byte, len(shards)), join: join}
	for i, at := range shards {
		s.send(at, raw, call{turn: g.turn, job: g, part: uint32(i), marks: c.marks()})
	}
}

// split sends a command of many keys to the shards that have them. A key takes
// step words of the command.
func (s *session) split(c *command, raw []byte, args [][]byte, step int, join func(*gather, []byte) []byte) {
	if (len(args)-1)%step != 0 {
		s.refuse("ERR wrong number of arguments for '" + c.name + "' command")
		return
	}
	var shards []*shard
	var words [][][]byte
	var places [][]int
	for i := 1; i < len(args); i += step {
		at := s.endpoint.shardOf(args[i])
		if at == nil {
			s.refuse(errUncovered)
			return
		}
		n := 0
		for n < len(shards) && shards[n] != at {
			n++
		}
		if n == len(shards) {
			shards, places = append(shards, at), append(places, nil)
			words = append(words, [][]byte{args[0]})
		}
		words[n] = append(words[n], args[i:i+step]...)
		places[n] = append(places[n], (i-1)/step)
	}
	if len(shards) == 1 {
		s.send(shards[0], raw, call{turn: s.turn(), marks: c.marks()})
		return
	}
	g := &gather{session: s, turn: s.turn(), missing: len(shards), parts: make([][]byte, len(shards)), join: join, places: places}
	for i, at := range shards {
		s.loop.text = resp.AppendCommandBytes(s.loop.text[:0], words[i])
		s.send(at, s.loop.text, call{turn: g.turn, job: g, part: uint32(i), marks: c.marks()})
	}
}

// The ways to join.

// joinSum adds integers.
func joinSum(g *gather, b []byte) []byte {
	var sum int64
	for _, p := range g.parts {
		n, _ := strconv.ParseInt(string(bytes.TrimSpace(p[1:])), 10, 64)
		sum += n
	}
	return resp.AppendInt(b, sum)
}

// joinFirst takes the first of replies that are all alike.
func joinFirst(g *gather, b []byte) []byte { return append(b, g.parts[0]...) }

// joinAll puts the elements of arrays behind one another.
func joinAll(g *gather, b []byte) []byte {
	n := 0
	lists := make([][][]byte, len(g.parts))
	for i, p := range g.parts {
		lists[i] = elements(p)
		n += len(lists[i])
	}
	b = resp.AppendArrayHeader(b, n)
	for _, list := range lists {
		for _, e := range list {
			b = append(b, e...)
		}
	}
	return b
}

// slowestTold is how many entries a SLOWLOG GET asks for; -1 for all.
func slowestTold(args [][]byte) int {
	if len(args) < 3 {
		return 10
	}
	n, err := strconv.Atoi(string(args[2]))
	if err != nil {
		return 0 // the engines say what is wrong
	}
	return n
}

// joinSlow puts the entries of slow logs in one order, the newest first, and cuts them to
// the most asked for. Numbers stay unique and grow with each shard's own.
func joinSlow(g *gather, b []byte, most int) []byte {
	type entry struct {
		id, at int
		rest   []byte // from its time on, as it came
	}
	var list []entry
	for i, p := range g.parts {
		for _, e := range elements(p) {
			fields := elements(e)
			id, _ := strconv.Atoi(string(bytes.TrimSpace(fields[0][1:])))
			at, _ := strconv.Atoi(string(bytes.TrimSpace(fields[1][1:])))
			list = append(list, entry{id*len(g.parts) + i, at, bytes.Join(fields[1:], nil)})
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id)) })
	if most >= 0 {
		list = list[:min(most, len(list))]
	}
	b = resp.AppendArrayHeader(b, len(list))
	for _, e := range list {
		b = append(resp.AppendInt(resp.AppendArrayHeader(b, 6), int64(e.id)), e.rest...)
	}
	return b
}

// joinPlaces puts the elements of arrays where they belong.
func joinPlaces(g *gather, b []byte) []byte {
	var whole [][]byte
	for i, p := range g.parts {
		for n, e := range elements(p) {
			for g.places[i][n] >= len(whole) {
				whole = append(whole, []byte("$-1\r\n"))
			}
			whole[g.places[i][n]] = e
		}
	}
	b = resp.AppendArrayHeader(b, len(whole))
	for _, e := range whole {
		b = append(b, e...)
	}
	return b
}

// joinLeast takes for each place of arrays of integers the least one: of 0 and
// 1 the answer to whether it is so everywhere.
func joinLeast(g *gather, b []byte) []byte {
	least := elements(g.parts[0])
	for _, p := range g.parts[1:] {
		for i, e := range elements(p) {
			if bytes.Compare(e, least[i]) < 0 {
				least[i] = e
			}
		}
	}
	b = resp.AppendArrayHeader(b, len(least))
	for _, e := range least {
		b = append(b, e...)
	}
	return b
}

// joinAny takes one of the replies that are not null.
func joinAny(g *gather, b []byte) []byte {
	start := rand.IntN(len(g.parts))
	for i := range g.parts {
		p := g.parts[(start+i)%len(g.parts)]
		if p[0] != resp.KindNull && !bytes.HasPrefix(p, []byte("$-1")) {
			return append(b, p...)
		}
	}
	return append(b, g.parts[0]...)
}

// summed are the fields of INFO that are added up over the shards.
var summed = map[string]bool{
	"used_memory": true, "used_memory_rss": true, "used_memory_dataset": true, "maxmemory": true, "blocked_clients": true,
	"total_commands_processed": true, "instantaneous_ops_per_sec": true, "keyspace_hits": true, "keyspace_misses": true,
	"expired_keys": true, "evicted_keys": true, "keys": true, "expires": true,
}

// joinInfo takes the first shard's INFO with the sums of all where sums make sense.
func joinInfo(g *gather, b []byte) []byte {
	sums := map[string]int64{}
	for _, p := range g.parts {
		eachField(content(p), func(name, value string) string {
			n, _ := strconv.ParseInt(value, 10, 64)
			sums[name] += n
			return value
		})
	}
	text := eachField(content(g.parts[0]), func(name, _ string) string { return strconv.FormatInt(sums[name], 10) })
	if strings.Contains(text, "# Keyspace\r\n") && !strings.Contains(text, "\ndb0:") && sums["keys"] > 0 {
		text += fmt.Sprintf("db0:keys=%d,expires=%d,avg_ttl=0\r\n", sums["keys"], sums["expires"])
	}
	from := len(b)
	b = resp.AppendBulkString(b, text)
	b[from] = g.parts[0][0] // a verbatim string is framed in the same way
	return b
}

// eachField has f replace the value of every field of INFO that is summed.
func eachField(info string, f func(name, value string) string) string {
	var out strings.Builder
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch {
		case summed[name]:
			line = name + ":" + f(name, value) + "\r\n"
		case name == "db0":
			pairs := strings.Split(value, ",")
			for i, p := range pairs {
				if field, n, _ := strings.Cut(p, "="); summed[field] {
					pairs[i] = field + "=" + f(field, n)
				}
			}
			line = "db0:" + strings.Join(pairs, ",") + "\r\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// elements returns the elements of a whole aggregate reply as they are written.
func elements(reply []byte) [][]byte {
	head := bytes.IndexByte(reply, '\n') + 1
	n, _ := strconv.Atoi(string(bytes.TrimSpace(reply[1:head])))
	list := make([][]byte, 0, max(n, 0))
	var f resp.ReplyFramer
	for rest := reply[head:]; len(rest) > 0; {
		n, done, err := f.Feed(rest)
		if err != nil || !done {
			break
		}
		list = append(list, rest[:n])
		rest = rest[n:]
	}
	return list
}
