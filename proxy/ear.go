package proxy

import (
	"strconv"

	"github.com/haulout/haulout/resp"
)

// ear is a second connection of a link of protocol version 2, over which a client
// can be told nothing: the engine says there what it has to say of the link's.
type ear struct {
	link *link
	line *line
	deaf bool // it broke while the link was in use
}

// hears reports whether the link has what it needs to be told of changes, and
// sees to it.
func (k *link) hears() bool {
	if k.owner == nil || k.version > 2 {
		return true
	}
	if k.ear != nil && k.ear.line.stray() {
		k.ear.line.close()
		k.ear = nil
	}
	if k.ear == nil {
		e := &ear{link: k}
		if e.line = k.loop.openOwn(k.shard, 3, "", e); e.line == nil {
			k.delay()
			return false
		}
		k.ear = e
	}
	return k.ear.open()
}

func (e *ear) open() bool { return e.line.state == linked }

// opened implements lineUser.
func (e *ear) opened() { e.link.touch() }

// replied implements lineUser.
func (e *ear) replied(kind byte, reply []byte) {
	if t := e.link.owner; t != nil && kind == resp.KindPush {
		t.told(reply)
	}
}

// ended implements lineUser: a link that is in use has to get another ear, and
// itself another connection for that.
func (e *ear) ended() {
	k := e.link
	if k.state == unconnected {
		k.ear = nil
		k.delay()
		return
	}
	e.deaf = true
	if k.owner != nil {
		k.owner.lost()
	}
	k.touch()
}

// idIn reads the connection's number from the engine's reply to HELLO.
func idIn(hello []byte) int64 {
	list := elements(hello)
	for i := 0; i+1 < len(list); i += 2 {
		if content(list[i]) == "id" {
			n, _ := strconv.ParseInt(string(list[i+1][1:len(list[i+1])-2]), 10, 64)
			return n
		}
	}
	return 0
}
