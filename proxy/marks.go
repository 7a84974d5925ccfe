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
func (j *unmarked) take(_ uint32, kind byte, reply []byte) {
	if kind != resp.KindArray {
		j.session.answer(j.turn, reply)
		return
	}
	var left [][]byte
	for _, e := range elements(reply) {
		if !strings.HasPrefix(content(e), markPrefix) {
			left = append(left, e)
		}
	}
	l := j.session.loop
	l.reply = resp.AppendArrayHeader(l.reply[:0], len(left))
	for _, e := range left {
		l.reply = append(l.reply, e...)
	}
	j.session.answer(j.turn, l.reply)
}
