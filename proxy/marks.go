package proxy

import (
	"strings"

	"github.com/haulout/haulout/resp"
)

// unmarked takes the channels for marks out of a list of channels.
type unmarked struct {
	session *session
	turn    uint32
}

// shardChannels sends PUBSUB SHARDCHANNELS to the shard that clients publish on.
func (s *session) shardChannels(raw []byte, args [][]byte) {
	at, _, problem := s.shardFor(lookup(args), args)
	if problem != "" {
		s.refuse(problem)
		return
	}
	j := &unmarked{s, s.turn()}
	s.send(at, raw, call{turn: j.turn, job: j, marks: repeatable})
}

// take implements job.
func (j *unmarked) take(_ uint32, _ byte, reply []byte) {
	j.session.answer(j.turn, withoutMarks(reply))
}

// withoutMarks takes the marks out of a list of channels.
func withoutMarks(reply []byte) []byte {
	if reply[0] != resp.KindArray {
		return reply
	}
	var left [][]byte
	for _, e := range elements(reply) {
		if !strings.HasPrefix(content(e), markPrefix) {
			left = append(left, e)
		}
	}
	b := resp.AppendArrayHeader(nil, len(left))
	for _, e := range left {
		b = append(b, e...)
	}
	return b
}
