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
	if v, err := c.ReadValue(); err == nil {
		t.Errorf("the client stays where nothing is served, and gets %v", v)
	}
}

// Who finds that nothing of the endpoint is served by this proxy any more is sent away, to
// find out who does; calls that block, too, and not before all is answered.
func TestClientsLeaveAProxyThatMayServeNothing(t *testing.T) {
	r := newRig(t, Config{FencePatience: 50 * time.Millisecond}, startEngine(t), startEngine(t))
	r.clock.Store(1000)
	r.serveUntil(2000)
	r.apply()
	idle := r.dial(2)
	for _, words := range []string{"GET a", "BLPOP q 0", "MGET foo bar", "EVAL return{} 0"} {
		r.clock.Store(1000)
		c := r.dial(2)
		r.steps(c, [2]string{"PING", "PONG"})
		r.clock.Store(2000)
		r.send(c, "PING", words, "PING")
		r.answers(c, "PONG", "-"+errContact)
		for {
			v, err := c.ReadValue()
			if err != nil {
				break
			}
			if v.Str != "PONG" {
				t.Errorf("%s: behind it %v", words, v)
			}
		}
	}
	r.clock.Store(1000)
	r.steps(idle, [2]string{"PING", "PONG"})
}

// Behind the fence one range alone may be served, for the generation it was said
// for; the others wait, and so does it when its time is over.
func TestExtension(t *testing.T) {
	r := newRig(t, Config{FencePatience: 200 * time.Millisecond}, startEngine(t), startEngine(t))
	r.clock.Store(1000)
	r.serveUntil(2000)
	r.apply()
	c := r.dial(2)
	here, there := "bar", "foo" // in slots of the first and the second range
	if got := r.say(c, "SET "+here+" 1"); got != "OK" {
		t.Fatal(got)
	}
	r.clock.Store(2500)
	served := r.endpoint().Ranges[0]
	r.extend(Extension{Range: served.ID, Generation: served.Generation, Until: 3000})
	if got := r.say(c, "SET "+here+" 2"); got != "OK" {
		t.Fatal(got)
	}
	if got := r.say(c, "SET "+there+" 2"); got != "-"+errContact {
		t.Errorf("a range without the right answered %q", got)
	}
	r.clock.Store(3000)
	if got := r.say(c, "SET "+here+" 3"); got != "-"+errContact {
		t.Errorf("when its right had ended the range answered %q", got)
	}
	c = r.dial(2)
	r.extend(Extension{Range: served.ID, Generation: served.Generation - 1, Until: 4000})
	if got := r.say(c, "SET "+here+" 4"); got != "-"+errContact {
		t.Errorf("by the right of another generation the range answered %q", got)
	}
	c = r.dial(2)
	r.extend(Extension{Range: served.ID, Generation: served.Generation, Until: 4000})
	if got := r.say(c, "GET "+here); got != "2" {
		t.Errorf("the engine got %q behind the fence", got)
	}
	r.extend()
	if got := r.say(c, "GET "+here); got != "-"+errContact {
		t.Errorf("when it was taken back the range answered %q", got)
	}
}
