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
	shard   *shard
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
	j, words, problem := s.scanning(args)
	if problem != "" {
		s.refuse(problem)
		return
	}
	j.turn = s.turn()
	s.loop.text = resp.AppendCommandBytes(s.loop.text[:0], words)
	s.send(j.shard, s.loop.text, call{turn: j.turn, job: j, marks: repeatable})
}

// scanning reads the cursor and returns what is said to the engine.
func (s *session) scanning(args [][]byte) (j *scanning, words [][]byte, problem string) {
	cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
	place := max(0, int(cursor&(1<<placeBits-1))-1)
	if err != nil || place >= len(s.endpoint.shards) || len(s.endpoint.shards) >= 1<<placeBits {
		return nil, nil, "ERR invalid cursor"
	}
	at, own := s.endpoint.shards[place], cursor>>cursorShift
	words = append([][]byte{}, args...)
	words[1] = strconv.AppendUint(nil, own, 10)
	return &scanning{session: s, shard: at, place: place, link: s.linkTo(at), resumes: own != 0, stamp: uint16(cursor >> placeBits)}, words, ""
}

// take implements job.
func (j *scanning) take(_ uint32, _ byte, reply []byte) { j.session.answer(j.turn, j.mend(reply)) }

// mend puts the client's cursor in place of the engine's.
func (j *scanning) mend(reply []byte) []byte {
	parts := elements(reply)
	if reply[0] != resp.KindArray || len(parts) != 2 {
		return reply
	}
	own, _ := strconv.ParseUint(content(parts[0]), 10, 64)
	return append(cursorReply(nil, j.next(own)), parts[1]...)
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
