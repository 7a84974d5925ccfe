package proxy

import (
	"bytes"
	"strconv"

	"github.com/haulout/haulout/resp"
)

// scanning is a SCAN under way. The cursor a client sees holds, from its lowest
// bits up, the range's place plus one, the low bits of its generation, and the
// engine's own cursor. A cursor of another generation is of no use to the master
// of this one, whose keys lie in another order: the range is scanned anew. So
// keys may be seen twice, which SCAN allows, but none is missed.
type scanning struct {
	session    *session
	turn       uint32
	place      int
	shard      *shard
	generation int64
}

const (
	placeBits      = 10
	generationBits = 10
	cursorShift    = placeBits + generationBits
)

func clientCursor(place int, generation int64, cursor uint64) uint64 {
	return cursor<<cursorShift | uint64(generation)&(1<<generationBits-1)<<placeBits | uint64(place+1)
}

// scan sends SCAN to the shard that the cursor names.
func (s *session) scan(_ []byte, args [][]byte) {
	cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
	if err != nil {
		s.refuse("ERR invalid cursor")
		return
	}
	place := max(0, int(cursor&(1<<placeBits-1))-1)
	if place >= len(s.endpoint.shards) || len(s.endpoint.shards) >= 1<<placeBits {
		s.refuse("ERR invalid cursor")
		return
	}
	at := s.endpoint.shards[place]
	own := cursor >> cursorShift
	if cursor>>placeBits&(1<<generationBits-1) != uint64(at.generation)&(1<<generationBits-1) {
		own = 0
	}
	words := append([][]byte{}, args...)
	words[1] = strconv.AppendUint(nil, own, 10)
	s.loop.text = resp.AppendCommandBytes(s.loop.text[:0], words)
	j := &scanning{session: s, turn: s.turn(), place: place, shard: at, generation: at.generation}
	s.send(at, s.loop.text, call{turn: j.turn, job: j, marks: repeatable})
}

// take implements job: it puts the client's cursor in place of the engine's.
func (j *scanning) take(_ uint32, kind byte, reply []byte) {
	s := j.session
	parts := elements(reply)
	if kind != resp.KindArray || len(parts) != 2 {
		s.answer(j.turn, reply)
		return
	}
	_, text, _ := bytes.Cut(parts[0], []byte("\r\n"))
	own, _ := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	s.loop.reply = append(cursorReply(s.loop.reply[:0], j.next(own)), parts[1]...)
	s.answer(j.turn, s.loop.reply)
}

// next returns the cursor with which the client goes on.
func (j *scanning) next(own uint64) uint64 {
	shards := j.session.endpoint.shards
	switch {
	case j.shard.generation != j.generation:
		// Nobody knows which master's cursor this was.
		return clientCursor(j.place, j.shard.generation, 0)
	case own != 0:
		return clientCursor(j.place, j.shard.generation, own)
	case j.place+1 < len(shards):
		return clientCursor(j.place+1, shards[j.place+1].generation, 0)
	}
	return 0
}

func cursorReply(b []byte, cursor uint64) []byte {
	return resp.AppendBulk(resp.AppendArrayHeader(b, 2), strconv.AppendUint(nil, cursor, 10))
}
