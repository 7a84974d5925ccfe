package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// later sends a command and returns a function that waits for its reply.
func (r *rig) later(c *resp.Conn, words ...string) func() string {
	r.t.Helper()
	c.Write(resp.AppendCommand(nil, words...))
	c.Flush()
	return func() string {
		r.t.Helper()
		c.SetDeadline(time.Now().Add(15 * time.Second))
		v, err := c.ReadValue()
		if err != nil {
			r.t.Errorf("%v: %v", words, err)
		}
		return render(v)
	}
}

func words(line string) []string { return strings.Fields(line) }

func blockedClients(e *engine) string { return e.info(e.t, "clients", "blocked_clients") }

func TestBlockingCommands(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	for _, version := range []int{2, 3} {
		c, other := r.dial(version), r.dial(2)
		for _, call := range []struct{ command, push, want string }{
			{"BLPOP q 0", "RPUSH q x", "[q x]"},
			{"BRPOP none q 0", "RPUSH q x", "[q x]"},
			{"BLMOVE q to LEFT LEFT 0", "RPUSH q x", "x"},
			{"XREAD BLOCK 0 STREAMS s $", "XADD s 1-" + strconv.Itoa(version) + " a 1", "[[s [[1-" + strconv.Itoa(version) + " [a 1]]]]]"},
		} {
			args := append([]string{}, words(call.command)...)
			reply := r.later(c, args...)
			eventually(t, "client blocks", func() bool { return blockedClients(e) == "1" })
			r.say(other, call.push)
			if got := reply(); got != call.want && version == 2 {
				t.Errorf("%s: got %s, want %s", call.command, got, call.want)
			}
			if got := r.say(c, "PING"); got != "PONG" {
				t.Errorf("after %s: %s", call.command, got)
			}
		}
	}
	c := r.dial(2)
	r.steps(c, [][2]string{
		{"BLPOP empty 0.01", "nil"}, {"XREAD STREAMS none 0", "nil"}, {"RPUSH q y", "1"}, {"BLPOP q 0", "[q y]"}, {"WAIT 0 10", "0"},
		{"BLPOP q x", "-ERR timeout is not a float or out of range"},
	}...)
}

// What a client sent before a blocking call is executed before it.
func TestBlockingCallKeepsItsPlace(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	values, err := c.Pipeline(r.ctx(), []string{"RPUSH", "q", "a"}, []string{"BLPOP", "q", "0"}, []string{"EXISTS", "q"})
	if err != nil || render(values[1]) != "[q a]" || render(values[2]) != "0" {
		t.Errorf("got %v, %v", values, err)
	}
}

func TestBlockedClientLeaves(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	c := r.dial(2)
	r.later(c, "BLPOP", "q", "0")
	eventually(t, "client blocks", func() bool { return blockedClients(e) == "1" })
	c.Close()
	eventually(t, "engine is rid of it", func() bool { return blockedClients(e) == "0" })
}

func TestBlockedThroughHandover(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c, other := r.dial(2), r.dial(2)
	reply := r.later(c, "BLPOP", "q", "30")
	eventually(t, "client blocks", func() bool { return blockedClients(from) == "1" })
	if _, err := r.client.Hold(r.ctx(), Hold{rangeID(0), 2, 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	eventually(t, "client blocks on the new master", func() bool { return blockedClients(to) == "1" })
	r.say(other, "RPUSH q x")
	if got := reply(); got != "[q x]" {
		t.Errorf("got %s", got)
	}
}

func TestTimeLimitsAreShortened(t *testing.T) {
	for line, want := range map[string]string{
		"BLPOP q 10":                   "BLPOP q 7.5",
		"BLPOP q 0":                    "BLPOP q 0",
		"BLPOP q 1":                    "BLPOP q 0.001",
		"BLMPOP 10 1 q LEFT":           "BLMPOP 7.5 1 q LEFT",
		"XREAD BLOCK 9 STREAMS s $":    "XREAD BLOCK 1 STREAMS s $",
		"XREAD BLOCK 9000 STREAMS s $": "XREAD BLOCK 6500 STREAMS s $",
	} {
		args := words(line)
		var b [][]byte
		for _, a := range args {
			b = append(b, []byte(a))
		}
		got := limitOf(lookup(b), b).shorten(resp.AppendCommand(nil, args...), 2500e6)
		if string(got) != string(resp.AppendCommand(nil, words(want)...)) {
			t.Errorf("%s: got %q", line, got)
		}
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	other := r.dial(2)
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		next := r.later(c, "SUBSCRIBE", "a", "b")
		for _, want := range []string{"[subscribe a 1]", "[subscribe b 2]"} {
			if got := next(); got != want {
				t.Errorf("version %d: got %s, want %s", version, got, want)
			}
		}
		r.say(other, "PUBLISH a hello")
		if got := next(); got != "[message a hello]" {
			t.Errorf("version %d: got %s", version, got)
		}
		next = r.later(c, "PSUBSCRIBE", "x*")
		if got := next(); got != "[psubscribe x* 3]" {
			t.Errorf("version %d: got %s", version, got)
		}
		next = r.later(c, "GET", "k")
		if got := next(); (got == "nil") != (version == 3) {
			t.Errorf("version %d: GET while subscribed: %s", version, got)
		}
		next = r.later(c, "PING")
		if got, want := next(), map[int]string{2: "[pong ]", 3: "PONG"}[version]; got != want {
			t.Errorf("version %d: PING while subscribed: %s", version, got)
		}
		next = r.later(c, "UNSUBSCRIBE")
		next()
		next()
		next = r.later(c, "PUNSUBSCRIBE")
		if got := next(); got != "[punsubscribe x* 0]" {
			t.Errorf("version %d: got %s", version, got)
		}
		next = r.later(c, "GET", "k")
		if got := next(); got != "nil" {
			t.Errorf("version %d: after all: %s", version, got)
		}
	}
}

func TestSubscriptionsFollowTheMaster(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c := r.redis(3).Subscribe(r.ctx(), "news")
	defer c.Close()
	if _, err := c.Receive(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.client.Hold(r.ctx(), Hold{rangeID(0), 2, 5 * time.Second})
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	eventually(t, "subscribed at the new master", func() bool {
		return to.do(t, "PUBSUB", "NUMSUB", "news").Array[1].Int == 1 && from.do(t, "PUBSUB", "NUMSUB", "news").Array[1].Int == 0
	})
	for i := range 3 {
		if err := r.redis(2).Publish(r.ctx(), "news", i).Err(); err != nil {
			t.Fatal(err)
		}
		m, err := c.ReceiveMessage(r.ctx())
		if err != nil || m.Payload != fmt.Sprint(i) {
			t.Fatalf("got %v, %v", m, err)
		}
	}
}

// Entries that come while a reader is between two masters are not missed,
// although it asked for what comes after now.
func TestStreamReaderMissesNothing(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c := r.dial(2)
	r.steps(c, [][2]string{{"XADD s 5-1 a 1", "5-1"}, {"XADD s 5-2 a 1", "5-2"}, {"XDEL s 5-2", "1"}}...)
	reply := r.later(c, "XREAD", "BLOCK", "30000", "STREAMS", "{s}none", "s", "$", "$")
	eventually(t, "client blocks", func() bool { return blockedClients(from) == "1" })
	switchMaster(t, from, to)
	to.do(t, "XADD", "s", "7-1", "a", "1")
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	if got := reply(); got != "[[s [[7-1 [a 1]]]]]" {
		t.Errorf("got %s", got)
	}
	r.steps(c, [][2]string{{"SET k v", "OK"}, {"XREAD BLOCK 1 STREAMS k $", "-WRONGTYPE Operation against a key holding the wrong kind of value"}}...)
	if got := r.do(c, "XREAD", "BLOCK", "1", "STREAMS", "s"); !strings.HasPrefix(got.Str, "ERR Unbalanced ") {
		t.Errorf("got %+v", got)
	}
}

// A call that may wait goes on over many hand-overs, and nothing pushed is lost
// or comes twice.
func TestQueueThroughHandovers(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	const items = 600
	got := make(chan string, items+10)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		c := r.redis(2 + i%2)
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := c.BLPop(r.ctx(), 5*time.Second, "q").Result()
				if err != nil {
					got <- err.Error()
					return
				}
				got <- v[1]
			}
		})
	}
	pushed := make(chan error, 1)
	go func() {
		c := r.redis(2)
		for i := range items {
			if err := c.RPush(r.ctx(), "q", i).Err(); err != nil {
				pushed <- err
				return
			}
		}
		pushed <- nil
	}()
	seen := map[string]bool{}
	take := func(until int) {
		for len(seen) < until {
			v := <-got
			if _, err := strconv.Atoi(v); err != nil || seen[v] {
				t.Fatalf("got %s, seen before: %v", v, seen[v])
			}
			seen[v] = true
		}
	}
	for generation := int64(2); generation < 6; generation++ {
		take(int(generation-1) * items / 5)
		r.handOver(from, to, generation)
		from, to = to, from
	}
	take(items)
	if err := <-pushed; err != nil {
		t.Error(err)
	}
	close(stop)
	r.do(r.dial(2), "RPUSH", "q", "a", "b", "c", "d")
	readers.Wait()
}
