package proxy

import "github.com/haulout/haulout/resp"

// input is what a client has sent: a command that is not all there yet, or commands that
// wait. A client that idles has none.
type input struct {
	framer resp.CommandFramer // of the first command
	bytes  []byte
}

// mostInputs is how many inputs that nobody uses a loop keeps.
const mostInputs = 256

// handleNew handles input that nothing waits before, and keeps the rest.
func (s *session) handleNew(data []byte) {
	var framer resp.CommandFramer
	rest := s.consume(data, &framer)
	if s.gone || len(rest) == 0 {
		return
	}
	s.in = s.loop.newInput()
	s.in.framer, s.in.bytes = framer, s.loop.extend(nil, rest)
}

// proceed handles input that was kept.
func (s *session) proceed() {
	s.queued = false
	if s.gone || s.paused != 0 || s.in == nil {
		return
	}
	in := s.in
	rest := s.consume(in.bytes, &in.framer)
	if !s.gone && len(rest) < len(in.bytes) {
		in.bytes = in.bytes[:copy(in.bytes, rest)]
	}
	s.tidy()
}

// tidy gives back what is empty.
func (s *session) tidy() {
	if s.in != nil && len(s.in.bytes) == 0 {
		s.loop.give(s.in.bytes)
		s.loop.giveInput(s.in)
		s.in = nil
	}
}

// consume handles the commands in data and returns the rest. The framer is where the
// first of them stands.
func (s *session) consume(data []byte, framer *resp.CommandFramer) []byte {
	for len(data) > 0 && s.paused == 0 && !s.gone {
		framer.Stranger = !s.known
		args, n, err := framer.Next(data, s.loop.args[:0])
		if err != nil {
			s.endpoint.counts.Malformed++
			s.answerNow(resp.AppendError(s.loop.reply[:0], err.Error()))
			s.quit()
			return nil
		}
		if n == 0 {
			return data
		}
		s.loop.args = args
		if len(args) > 0 {
			raw := data[:n]
			if data[0] != resp.KindArray {
				s.loop.text = resp.AppendCommandBytes(s.loop.text[:0], args)
				raw = s.loop.text
			}
			s.loop.reader, s.loop.reading = s, len(data)
			s.handle(raw, args)
			s.loop.reader = nil
			if s.tracking != nil {
				s.tracking.handled(s.last)
			}
		}
		data = data[n:]
	}
	return data
}

// newInput returns an empty input.
func (l *loop) newInput() *input {
	last := len(l.inputs) - 1
	if last < 0 {
		return &input{}
	}
	in := l.inputs[last]
	l.inputs = l.inputs[:last]
	return in
}

// giveInput takes back an input that nobody uses any more.
func (l *loop) giveInput(in *input) {
	if *in = (input{}); len(l.inputs) < mostInputs {
		l.inputs = append(l.inputs, in)
	}
}
