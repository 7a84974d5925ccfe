package proxy

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// send writes commands at once, without reading.
func (r *rig) send(c *resp.Conn, lines ...string) {
	r.t.Helper()
	var all []byte
	for _, line := range lines {
		all = resp.AppendCommand(all, strings.Fields(line)...)
	}
	r.write(c, all)
}

func (r *rig) write(c *resp.Conn, b []byte) {
	r.t.Helper()
	if _, err := c.Write(b); err != nil {
		r.t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// hear returns the next replies.
func (r *rig) hear(c *resp.Conn, n int) []string {
	r.t.Helper()
	var all []string
	for range n {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		v, err := c.ReadValue()
		if err != nil {
			r.t.Fatalf("behind %q: %v", all, err)
		}
		all = append(all, render(v))
	}
	return all
}

// answers fails unless these are the next replies.
func (r *rig) answers(c *resp.Conn, want ...string) {
	r.t.Helper()
	if got := r.hear(c, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("got %q, want %q", got, want)
	}
}

// Names of groups and consumers are words like others: a call that waits keeps only its
// own client waiting.
func TestBlockingWordsAsNames(t *testing.T) {
	r := startProxy(t, startEngine(t))
	other := r.dial(2)
	r.say(other, "XGROUP CREATE s streams $ MKSTREAM")
	r.say(other, "XGROUP CREATE s block $")
	for _, line := range []string{
		"XREADGROUP GROUP streams me BLOCK 0 STREAMS s >", "XREADGROUP GROUP streams streams COUNT 2 BLOCK 0 NOACK STREAMS s >",
		"XREADGROUP BLOCK 0 GROUP block STREAMS STREAMS s >", "XREADGROUP GROUP block block BLOCK 5 BLOCK 0 STREAMS s >",
	} {
		c := r.dial(2)
		r.send(c, line)
		eventually(t, line+" waits", func() bool { return strings.Contains(r.say(other, "CLIENT LIST"), "flags=b") })
		if got := r.say(other, "SET x 1"); got != "OK" {
			t.Errorf("%s: the next client hears %s", line, got)
		}
		c.Close()
		eventually(t, line+" is gone", func() bool { return !strings.Contains(r.say(other, "CLIENT LIST"), "flags=b") })
	}
}

// Who speaks HTTP is not let through to an engine, which would close the connection that
// others use, too.
func TestHTTP(t *testing.T) {
	r := startProxy(t, startEngine(t))
	other := r.dial(2)
	for n, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "post x\r\n"} {
		c := r.dial(2)
		r.write(c, []byte(text))
		r.send(other, "INCR n", "INCR n", "INCR n")
		r.answers(other, fmt.Sprint(3*n+1), fmt.Sprint(3*n+2), fmt.Sprint(3*n+3))
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		for {
			if _, err := c.ReadValue(); err != nil {
				if !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
					t.Errorf("%q: %v", text, err)
				}
				break
			}
		}
	}
}

// Code may answer any error in any words after it has been executed: that is its reply.
func TestErrorsOfScripts(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	c := r.dial(2)
	long := strings.Repeat("-", longCommand)
	for _, word := range []string{
		"NOPERM no", "READONLY no", "LOADING cache", "MASTERDOWN x", "NOREPLICAS x", "OTHER x",
		"NOPERM this user has no permissions to run the 'get' command", "NOPERM User proxy has no permissions to run the 'config|get' command",
	} {
		for _, comment := range []string{"", long} {
			r.say(c, "DEL n")
			got := r.do(c, "EVAL", "--"+comment+"\nredis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])", "1", "n", word)
			if string(got.Kind) != "-" || got.Str != word {
				t.Errorf("%s: %s", word, render(got))
			}
			if n := e.do(t, "GET", "n").Str; n != "1" {
				t.Errorf("%s: executed %s times", word, n)
			}
		}
	}
}

// What is sent before RESET and HELLO is answered, and carried out, as before them.
func TestStateChangesInPipelines(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	for _, warm := range []int{2, 3} {
		r.say(r.dial(warm), "GET warm")
	}
	c := r.dial(2)
	r.send(c, "CLIENT REPLY OFF", "SET a 1", "INCR a", "RESET", "AUTH "+clientSecret, "GET a")
	r.answers(c, "RESET", "OK", "2")
	r.send(c, "CLIENT REPLY SKIP", "RESET", "AUTH "+clientSecret, "INCR a")
	r.answers(c, "OK", "3")
	r.send(c, "CLIENT REPLY OFF", "INCR a", "CLIENT REPLY ON", "INCR a")
	r.answers(c, "OK", "5")

	cold := startProxy(t, e) // one of its links is there already
	cold.say(cold.dial(3), "GET warm")
	c = cold.dialStranger()
	cold.send(c, "AUTH "+clientSecret, "SET k 1", "HELLO 3", "GET k", "INCR k", "RESET", "AUTH "+clientSecret, "GET k")
	if got := cold.hear(c, 8); got[3] != "1" || got[4] != "2" || got[7] != "2" {
		t.Errorf("%q", got)
	}
	c = cold.dial(3)
	cold.send(c, "CLIENT TRACKING ON", "SET k 5", "RESET", "AUTH "+clientSecret, "GET k")
	if got := cold.hear(c, 5); got[4] != "5" {
		t.Errorf("%q", got)
	}
}

// A message that waits for a subscription takes nothing from what its client sends behind.
func TestLongMessageBehindASubscription(t *testing.T) {
	e, dead := startEngine(t), startEngine(t)
	r := startProxy(t, e, dead)
	c, sub := r.dial(2), r.dial(2)
	r.say(c, "GET b")
	if err := dead.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dead.cmd.Process.Signal(syscall.SIGCONT) }()
	before := r.stats().Commands
	r.send(sub, "SUBSCRIBE news")
	eventually(t, "the subscription is under way", func() bool { return r.stats().Commands > before })
	r.write(c, resp.AppendCommand(resp.AppendCommand(nil, "PUBLISH", "news", strings.Repeat("x", 1<<20)), "BLPOP", "b", "0.1"))
	if got := r.hear(c, 2); got[1] != "nil" {
		t.Errorf("%q", got)
	}
}

// A subscription added while the right to serve was missing for a moment, or after the
// client has become the default user again, is made, and those before it stay.
func TestSubscriptionsAdded(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	c, other := r.dial(3), r.dial(2)
	r.send(c, "SUBSCRIBE a")
	r.answers(c, "[subscribe a 1]")
	commands := r.stats().Commands
	r.serveUntil(0)
	r.send(c, "SUBSCRIBE b")
	eventually(t, "it is asked", func() bool { return r.stats().Commands > commands })
	r.serveUntil(1 << 62)
	r.say(other, "PUBLISH a x") // overtakes the subscription to b, at most
	r.say(other, "PUBLISH a y")
	if got := fmt.Sprint(r.hear(c, 3)); !strings.Contains(got, "[subscribe b 2]") || strings.Count(got, "[message a ") != 2 {
		t.Error(got)
	}

	r.user("app", "~* &news +@all", nil, e)
	c = r.dialAs("app", 3)
	r.send(c, "SUBSCRIBE news", "AUTH default "+clientSecret, "SUBSCRIBE other")
	r.answers(c, "[subscribe news 1]", "OK", "[subscribe other 2]")
	r.say(other, "PUBLISH news x")
	r.answers(c, "[message news x]")
}
