package proxy

import (
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// Once Apply has returned, nothing reaches the engine of the older route.
func TestClosedGeneration(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	l := r.startLoad(8)
	r.endpoint().Ranges[0].Address = ""
	r.apply()
	before := commandsOf(t, e)
	c := r.dial(2)
	c.Write(resp.AppendCommand(nil, "SET", "late", "1"))
	c.Flush()
	eventually(t, "command waits", func() bool { return r.stats().Held > 0 })
	if after := commandsOf(t, e); after != before {
		t.Errorf("the engine served %d commands behind the closing", after-before)
	}
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = e.addr
	r.apply()
	l.goesOn(t)
	l.end(t)
}

// commandsOf counts the writes and reads an engine has executed for clients.
func commandsOf(t testing.TB, e *engine) (n int) {
	t.Helper()
	stats := e.do(t, "INFO", "commandstats").Str
	for _, name := range []string{"incr", "get", "set"} {
		n += calls(stats, name)
	}
	return n
}

func TestFence(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	r.clock.Store(1000)
	r.serveUntil(2000)
	c := r.dial(2)
	if got := r.say(c, "SET k 1"); got != "OK" {
		t.Fatal(got)
	}
	r.clock.Store(2000)
	c.Write(resp.AppendCommand(nil, "SET", "k", "2"))
	c.Flush()
	eventually(t, "command counted", func() bool { return r.stats().Commands >= 3 })
	if got := e.do(t, "GET", "k").Str; got != "1" {
		t.Errorf("behind the fence the engine got %q", got)
	}
	r.serveUntil(3000)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if v, err := c.ReadValue(); err != nil || v.Str != "OK" {
		t.Fatalf("after the fence has moved: %v, %v", v, err)
	}
	r.clock.Store(3000)
	if got := r.say(c, "GET k"); got != "-"+errContact {
		t.Errorf("in the end the client got %q", got)
	}
}
