package proxy

import (
	"bytes"
	"slices"

	"github.com/haulout/haulout/resp"
)

// lastEntries is what XREAD with a $ has to know to be sent a second time: the $ meant
// the last entry when the call came first, and must go on meaning that one, or
// entries in between would be missed. So the engine is asked for it in front.
type lastEntries struct {
	args    [][]byte
	streams int   // place of the first stream
	open    []int // places of the $, in the order asked for
}

// askForLastEntries puts the questions in front of the call.
func (b *blocked) askForLastEntries(args [][]byte) {
	n := &lastEntries{args: make([][]byte, len(args))}
	for i, a := range args {
		n.args[i] = bytes.Clone(a)
		if n.streams == 0 && equalFold(a, "STREAMS") {
			n.streams = i + 1
		}
	}
	half := (len(args) - n.streams) / 2
	if n.streams == 0 || n.streams+2*half != len(args) {
		return
	}
	var ask []byte
	for i := n.streams + half; i < len(args); i++ {
		if string(args[i]) == "$" {
			n.open = append(n.open, i)
			ask = resp.AppendCommand(ask, "XREVRANGE", string(args[i-half]), "+", "-", "COUNT", "1")
		}
	}
	if len(n.open) > 0 {
		b.last, b.ask, b.asked = n, ask, uint32(len(n.open))
	}
}

// learn takes in the answer to one of the questions.
func (b *blocked) learn(reply []byte) {
	n := b.last
	if n == nil {
		return
	}
	n.args[n.open[b.call.got]] = lastEntry(reply)
	if int(b.call.got) == len(n.open)-1 {
		// Should it be sent again, there is nothing left to ask.
		b.raw, b.ask, b.asked, b.last = resp.AppendCommandBytes(nil, n.args), nil, 0, nil
	}
}

// lastEntry reads the id of the only entry of a range; what is no stream or has
// no entry has none.
func lastEntry(reply []byte) []byte {
	if len(reply) > 0 && reply[0] == resp.KindArray {
		if list := elements(reply); len(list) == 1 {
			if entry := elements(list[0]); len(entry) == 2 {
				return slices.Clone([]byte(content(entry[0])))
			}
		}
	}
	return []byte("0-0")
}
