package resp

import (
	"bytes"
	"errors"
)

// ErrReply says that an engine sent something that is no reply.
var ErrReply = errors.New("protocol error: malformed reply")

// maxNesting is how deep aggregates may stand in aggregates on their way to a
// client: deeper than any script can make them.
const maxNesting = 1 << 14

// ReplyFramer finds the end of one reply after another in an engine's output,
// in either protocol version. It is fed pieces of any size and keeps none of
// them, so replies can be passed on while they still arrive. The zero value is
// ready; it is ready again after each end.
type ReplyFramer struct {
	kind   byte // first byte of the reply; 0 between replies
	state  replyState
	part   byte // type of the part whose head is being read
	number int64
	digits int
	minus  bool
	body   int64   // bytes of a bulk string still to come, line end included
	nested []level // aggregates not yet complete, outermost first
}

type replyState byte

const (
	atType replyState = iota
	inNumber
	inLine
	inBody
)

// level counts the values still to come of an aggregate.
type level struct {
	left      int64
	attribute bool // the value it describes follows it
}

// Kind returns the type of the reply being read, its first byte; after an end,
// that of the reply that ended. Attributes in front do not count. It is 0
// before the first byte.
func (f *ReplyFramer) Kind() byte { return f.kind }

// Left returns how many bytes of the bulk string being read are still to come,
// its line end included; 0 while none is being read.
func (f *ReplyFramer) Left() int64 {
	if f.state != inBody {
		return 0
	}
	return f.body
}

// Idle reports whether the framer stands between two replies.
func (f *ReplyFramer) Idle() bool { return f.state == atType && len(f.nested) == 0 }

// Feed takes in p up to the end of the current reply. It returns how many
// bytes belong to the reply and whether it ends with them; if it does not, all
// of p was taken. An error ends the connection.
func (f *ReplyFramer) Feed(p []byte) (n int, done bool, err error) {
	for n < len(p) {
		var complete bool
		switch f.state {
		case atType:
			n++
			err = f.begin(p[n-1])
		case inNumber:
			n++
			complete, err = f.digit(p[n-1])
		case inLine:
			i := bytes.IndexByte(p[n:], '\n')
			if i < 0 {
				return len(p), false, nil
			}
			n += i + 1
			complete = true
		case inBody:
			step := min(int64(len(p)-n), f.body)
			n += int(step)
			f.body -= step
			complete = f.body == 0
		}
		if err != nil {
			return n, false, err
		}
		if complete && f.complete() {
			return n, true, nil
		}
	}
	return n, false, nil
}

func (f *ReplyFramer) begin(c byte) error {
	if len(f.nested) == 0 {
		f.kind = c
	}
	f.part = c
	switch c {
	case KindBulk, KindBulkError, KindVerbatim, KindArray, KindSet, KindPush, KindMap, KindAttribute:
		f.state, f.number, f.digits, f.minus = inNumber, 0, 0, false
	case KindSimple, KindError, KindInt, KindNull, KindBool, KindDouble, KindBigNumber:
		f.state = inLine
	default:
		return ErrReply
	}
	return nil
}

// digit takes in one byte of a length. It reports whether a value ended with it.
func (f *ReplyFramer) digit(c byte) (bool, error) {
	switch {
	case c >= '0' && c <= '9' && f.number < 1<<40:
		f.number = f.number*10 + int64(c-'0')
		f.digits++
	case c == '-' && f.digits == 0 && !f.minus:
		f.minus = true
	case c == '\r' && f.digits > 0:
	case c == '\n' && f.digits > 0:
		return f.length()
	default:
		return false, ErrReply
	}
	return false, nil
}

// length acts on a length just read.
func (f *ReplyFramer) length() (bool, error) {
	n := f.number
	switch f.part {
	case KindBulk, KindBulkError, KindVerbatim:
		if f.minus {
			return true, nil
		}
		f.state, f.body = inBody, n+2
		return false, nil
	case KindMap, KindAttribute:
		n *= 2
	}
	f.state = atType
	attribute := f.part == KindAttribute
	if f.minus || n == 0 {
		return !attribute, nil
	}
	if len(f.nested) == maxNesting {
		return false, ErrReply
	}
	f.nested = append(f.nested, level{n, attribute})
	return false, nil
}

// complete notes that a value ended. It reports whether the reply did.
func (f *ReplyFramer) complete() bool {
	f.state = atType
	for len(f.nested) > 0 {
		top := &f.nested[len(f.nested)-1]
		if top.left--; top.left > 0 {
			return false
		}
		attribute := top.attribute
		f.nested = f.nested[:len(f.nested)-1]
		if len(f.nested) == 0 && cap(f.nested) > maxDepth {
			f.nested = nil
		}
		if attribute {
			return false
		}
	}
	return true
}
