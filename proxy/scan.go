package proxy

import (
	"bytes"
	"strconv"

	"github.com/haulout/haulout/resp"
)

// scanning is a SCAN under way. The cursor a client sees holds, from its lowest
// bits up, the range's place plus one, a stamp of the engine process that gave
// it, and the engine's own cursor. To another process, which has its keys in
// another order, that is of no use: the range is scanned anew. So keys may be
// seen twice, which SCAN allows, but none is missed.
type scanning struct {
	session *session
	turn    uint32
	place   int
	link    *link
	resumes bool   // the cursor is not a beginning
	stamp   uint16 // of the process that gave it
}

const (
	placeBits   = 10
	stampBits   = 16
	cursorShift = placeBits + stampBits
)

func clientCursor(place int, stamp uint16, cursor uint64) uint64 {
	return cursor<<cursorShift | uint64(stamp)<<placeBits | uint64(place+1)
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
	at, own := s.endpoint.shards[place], cursor>>cursorShift
	words := append([][]byte{}, args...)
	words[1] = strconv.AppendUint(nil, own, 10)
	s.loop.text = resp.AppendCommandBytes(s.loop.text[:0], words)
	j := &scanning{session: s, turn: s.turn(), place: place, link: s.linkTo(at), resumes: own != 0, stamp: uint16(cursor >> placeBits)}
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
	own, _ := strconv.ParseUint(content(parts[0]), 10, 64)
	s.loop.reply = append(cursorReply(s.loop.reply[:0], j.next(own)), parts[1]...)
	s.answer(j.turn, s.loop.reply)
}

// next returns the cursor with which the client goes on.
func (j *scanning) next(own uint64) uint64 {
	switch {
	case j.resumes && j.stamp != j.link.stamp:
		return clientCursor(j.place, j.link.stamp, 0)
	case own != 0:
		return clientCursor(j.place, j.link.stamp, own)
	case j.place+1 < len(j.session.endpoint.shards):
		return clientCursor(j.place+1, 0, 0)
	}
	return 0
}

func cursorReply(b []byte, cursor uint64) []byte {
	return resp.AppendBulk(resp.AppendArrayHeader(b, 2), strconv.AppendUint(nil, cursor, 10))
}

// stampOf makes a stamp of what INFO says of the process.
func stampOf(info []byte) uint16 {
	_, id, _ := bytes.Cut(info, []byte("run_id:"))
	id, _, _ = bytes.Cut(id, []byte("\r"))
	return crc16(id)
}
