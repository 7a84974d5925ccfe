package proxy

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// slowReader has sent a command and read nothing of its reply.
func (r *rig) slowReader(args ...string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	c.(*net.TCPConn).SetReadBuffer(64 << 10)
	c.Write(resp.AppendCommand(nil, "AUTH", clientSecret))
	if _, err := io.ReadFull(c, make([]byte, len("+OK\r\n"))); err != nil {
		r.t.Fatal(err)
	}
	c.Write(resp.AppendCommand(nil, args...))
	return c
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A long reply is held by nobody, and whoever reads it slowly keeps nobody
// else from the engine.
func TestLongReplyIsPassedOnAsItIsRead(t *testing.T) {
	const length = 100 << 20
	e := startEngine(t)
	r := startProxy(t, e)
	e.do(t, "SETRANGE", "big", strconv.Itoa(length-1), "x")
	before := heap()
	c := r.slowReader("GET", "big")
	other := r.dial(2)
	head := fmt.Sprintf("$%d\r\n", length)
	part := make([]byte, 1<<20)
	if _, err := io.ReadFull(c, part[:len(head)]); err != nil || string(part[:len(head)]) != head {
		t.Fatalf("%q, %v", part[:len(head)], err)
	}
	most := 0
	for n := range length / len(part) {
		if n%20 == 0 {
			if got := r.say(other, "INCR n"); got != strconv.Itoa(n/20+1) {
				t.Fatal(got)
			}
			most = max(most, heap()-before)
		}
		if _, err := io.ReadFull(c, part); err != nil {
			t.Fatal(err)
		}
	}
	if string(part[len(part)-2:]) != "\x00x" {
		t.Errorf("ends with %q", part[len(part)-2:])
	}
	if most > 24<<20 {
		t.Errorf("%d MB were held", most>>20)
	}
	io.ReadFull(c, part[:2])
	c.Write(resp.AppendCommand(nil, "ECHO", "after"))
	if n, err := io.ReadAtLeast(c, part, len("$5\r\nafter\r\n")); err != nil || string(part[:n]) != "$5\r\nafter\r\n" {
		t.Errorf("%q, %v", part[:min(n, 100)], err)
	}
}

// What was sent behind it might have changed what is read a second time.
func TestLongReplyIsNotReadAgainBehindAWrite(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	e.do(t, "SETRANGE", "big", strconv.Itoa(20<<20-1), "x")
	values, err := r.dial(2).Pipeline(r.ctx(), []string{"GET", "big"}, []string{"DEL", "big"})
	if err != nil || len(values[0].Str) != 20<<20 || values[1].Int != 1 {
		t.Errorf("%d bytes, %v, %v", len(values[0].Str), values[1], err)
	}
}

// A hand-over in the midst of a long reply is not noticed by its reader.
func TestLongReplyDuringHandover(t *testing.T) {
	const length = 32 << 20
	from, to := pair(t)
	r := startProxy(t, from)
	from.do(t, "SETRANGE", "big", strconv.Itoa(length-1), "x")
	c := r.slowReader("GET", "big")
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if drained, err := r.client.Hold(r.ctx(), Hold{rangeID(0), 2, 5 * time.Second}); err != nil || !drained {
		t.Fatalf("hold: %v, %v", drained, err)
	}
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	if got := r.say(r.dial(2), "STRLEN big"); got != strconv.Itoa(length) {
		t.Error(got)
	}
	rest := int64(length + len(fmt.Sprintf("$%d\r\n\r\n", length)) - 1<<20)
	if n, err := io.CopyN(io.Discard, c, rest); err != nil {
		t.Errorf("%d of %d, %v", n, rest, err)
	}
}

// A long command goes over a line of the client's own, in its turn.
func TestLongCommandsKeepTheirTurn(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c := r.dial(2)
	long := strings.Repeat("x", 12<<20)
	values, err := c.Pipeline(r.ctx(), []string{"SET", "a", "1"}, []string{"APPEND", "a", long}, []string{"STRLEN", "a"},
		[]string{"SET", "a", long[:longCommand]}, []string{"APPEND", "a", "y"})
	if err != nil || values[2].Int != 12<<20+1 || values[4].Int != longCommand+1 {
		t.Fatalf("%v", err)
	}
	r.client.Hold(r.ctx(), Hold{rangeID(0), 2, 5 * time.Second})
	reply := r.later(c, "APPEND", "a", long)
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	if got, want := reply(), strconv.Itoa(longCommand+1+len(long)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
