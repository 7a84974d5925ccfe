package proxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// invalidated is how a push looks that tells of keys.
func invalidated(keys ...string) string { return "[invalidate [" + strings.Join(keys, " ") + "]]" }

const allInvalidated = "[invalidate nil]"

// quiet sends a PING and fails if anything comes in front of its reply.
func (r *rig) quiet(c *resp.Conn) {
	r.t.Helper()
	if got := r.later(c, "PING", "quiet")(); got != "quiet" {
		r.t.Errorf("got %s", got)
	}
}

func TestTracking(t *testing.T) {
	for _, shards := range []int{1, 3} {
		r := startAnother(t, startEngines(t, shards)...)
		c, other := r.dial(3), r.dial(2)
		r.steps(other, [2]string{"MSET a 1 b 2 c 3", "OK"})
		r.steps(c, [][2]string{{"CLIENT TRACKING ON", "OK"}, {"MGET a b c", "[1 2 3]"}, {"GET a", "1"}}...)
		r.steps(other, [][2]string{{"SET a 2", "OK"}, {"DEL b", "1"}, {"SET none x", "OK"}}...)
		r.hears(c, invalidated("a"), invalidated("b"))
		r.steps(other, [2]string{"SET a 3", "OK"})
		r.quiet(c)
		if got := r.do(c, "EVAL", "return redis.call('get', KEYS[1])", "1", "a").Str; got != "3" {
			t.Error(got)
		}
		r.steps(other, [2]string{"SET a 4", "OK"})
		r.hears(c, invalidated("a"))
		r.steps(c, [2]string{"GET c", "3"})
		r.steps(other, [2]string{"FLUSHALL", "OK"})
		for range shards {
			// Only shards that it has read from tell it.
			r.hears(c, allInvalidated)
		}
		r.steps(c, [][2]string{{"MULTI", "OK"}, {"GET a", "QUEUED"}, {"EXEC", "[nil]"}}...)
		r.steps(other, [2]string{"SET a 1", "OK"})
		r.hears(c, invalidated("a"))
		r.steps(c, [][2]string{{"GET a", "1"}, {"CLIENT TRACKING OFF", "OK"}, {"GET c", "nil"}}...)
		r.steps(other, [2]string{"MSET a 2 c 2", "OK"})
		r.quiet(c)
	}
}

func TestTrackingModes(t *testing.T) {
	for _, shards := range []int{1, 3} {
		r := startAnother(t, startEngines(t, shards)...)
		c, other := r.dial(3), r.dial(2)
		set := func(line string) { r.t.Helper(); r.steps(other, [2]string{"MSET " + line, "OK"}) }
		set("a 1 b 1 c 1")

		r.steps(c, [][2]string{{"CLIENT TRACKING ON OPTIN", "OK"}, {"GET a", "1"}, {"CLIENT CACHING YES", "OK"}, {"MGET b c", "[1 1]"}, {"GET a", "1"}}...)
		set("a 2 b 2")
		r.hears(c, invalidated("b"))
		r.quiet(c)
		r.steps(c, [][2]string{{"CLIENT CACHING YES", "OK"}, {"MULTI", "OK"}, {"GET a", "QUEUED"}, {"GET a", "QUEUED"}, {"EXEC", "[2 2]"}}...)
		set("a 3")
		r.hears(c, invalidated("a"))

		r.steps(c, [][2]string{{"CLIENT TRACKING OFF", "OK"}, {"CLIENT TRACKING ON OPTOUT", "OK"}, {"CLIENT CACHING NO", "OK"}, {"GET a", "3"}, {"GET b", "2"}}...)
		set("a 4 b 4")
		r.hears(c, invalidated("b"))
		r.quiet(c)

		r.steps(c, [][2]string{{"CLIENT TRACKING OFF", "OK"}, {"CLIENT TRACKING ON NOLOOP", "OK"}, {"GET a", "4"}, {"SET a 5", "OK"}, {"GET a", "5"}}...)
		r.quiet(c)
		set("a 6")
		r.hears(c, invalidated("a"))

		r.steps(c, [][2]string{{"CLIENT TRACKING OFF", "OK"}, {"CLIENT TRACKING ON BCAST PREFIX x: PREFIX y:", "OK"}}...)
		for i := range 6 {
			set(fmt.Sprintf("x:%d 1 z:%d 1", i, i))
			r.hears(c, invalidated(fmt.Sprintf("x:%d", i)))
		}
		r.steps(c, [2]string{"CLIENT TRACKING ON BCAST PREFIX z:", "OK"})
		for i := range 6 {
			set(fmt.Sprintf("z:%d 1 w:%d 1", i, i))
			r.hears(c, invalidated(fmt.Sprintf("z:%d", i)))
		}
		r.steps(c, [2]string{"CLIENT TRACKINGINFO", "[flags [on bcast] redirect 0 prefixes [x: y: z:]]"})
	}
}

// More prefixes for a client of version 2 cost it nothing of its cache.
func TestPrefixesAreAddedForVersion2(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c, listener, other := r.dial(2), r.dial(2), r.dial(2)
	id := r.say(listener, "CLIENT ID")
	next := r.later(listener, "SUBSCRIBE", "__redis__:invalidate")
	next()
	for _, prefix := range []string{"a", "b", "c"} {
		r.steps(c, [2]string{"CLIENT TRACKING ON BCAST REDIRECT " + id + " PREFIX " + prefix, "OK"})
		for p := 'a'; string(p) <= prefix; p++ {
			r.steps(other, [2]string{"SET " + string(p) + " 1", "OK"})
			if got, want := next(), "[message __redis__:invalidate ["+string(p)+"]]"; got != want {
				t.Errorf("prefixes to %s: got %s, want %s", prefix, got, want)
			}
		}
	}
}

// What is told for a client of protocol version 2 goes to another client, whatever
// its version.
func TestTrackingRedirected(t *testing.T) {
	for _, shards := range []int{1, 3} {
		r := startAnother(t, startEngines(t, shards)...)
		other := r.dial(2)
		for _, version := range []int{2, 3} {
			c, listener, heir := r.dial(version), r.dial(2), r.dial(3)
			id, heirID := r.say(listener, "CLIENT ID"), r.say(heir, "CLIENT ID")
			next := r.later(listener, "SUBSCRIBE", "__redis__:invalidate")
			next()
			r.steps(other, [2]string{"MSET a 1 b 1", "OK"})
			r.steps(c, [][2]string{{"CLIENT TRACKING ON REDIRECT " + id, "OK"}, {"MGET a b", "[1 1]"}, {"CLIENT GETREDIR", id}}...)
			r.steps(other, [2]string{"SET a 2", "OK"})
			if got := next(); got != "[message __redis__:invalidate [a]]" {
				t.Errorf("got %s", got)
			}
			r.steps(other, [2]string{"FLUSHALL", "OK"})
			if got := next(); got != "[message __redis__:invalidate nil]" {
				t.Errorf("got %s", got)
			}
			r.steps(c, [][2]string{{"CLIENT TRACKING ON REDIRECT " + heirID, "OK"}, {"GET c", "nil"}}...)
			r.steps(other, [2]string{"SET c 1", "OK"})
			got := r.next(heir)
			for shards > 1 && got == allInvalidated { // each shard tells of FLUSHALL by itself
				got = r.next(heir)
			}
			if got != invalidated("c") {
				t.Errorf("got %s", got)
			}
			r.steps(c, [2]string{"GET d", "nil"})
			heir.Close()
			eventually(t, "the heir is gone", func() bool { return r.say(other, "CLIENT LIST ID "+heirID) == "" })
			r.steps(other, [2]string{"SET d 1", "OK"})
			if version == 3 {
				r.hears(c, "[tracking-redir-broken "+heirID+"]")
			}
			eventually(t, "it is known to be broken", func() bool { return strings.Contains(r.say(c, "CLIENT TRACKINGINFO"), "broken_redirect") })
			listener.Close()
			c.Close()
			r.steps(other, [2]string{"FLUSHALL", "OK"})
		}
	}
}

// Nobody would tell at the new master what was read from the old one.
func TestTrackingThroughHandover(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from, startEngine(t))
	c, all, bystander, other := r.dial(3), r.dial(3), r.dial(3), r.dial(2)
	key := "key"
	for i := 0; slotOf([]byte(key)) >= 8192; i++ {
		key = "key" + strconv.Itoa(i)
	}
	r.steps(c, [][2]string{{"CLIENT TRACKING ON", "OK"}, {"GET " + key, "nil"}}...)
	r.steps(all, [2]string{"CLIENT TRACKING ON BCAST", "OK"})
	r.steps(bystander, [2]string{"CLIENT TRACKING ON", "OK"})
	for generation := int64(2); generation < 6; generation++ {
		if generation%2 == 0 {
			if drained, err := r.client.Hold(r.ctx(), Hold{rangeID(0), generation, 5 * time.Second}); err != nil || !drained {
				t.Fatalf("hold: drained %v, %v", drained, err)
			}
		}
		switchMaster(t, from, to)
		r.client.Aim(r.ctx(), Aim{rangeID(0), generation, to.addr})
		from, to = to, from
		r.hears(c, allInvalidated)
		r.hears(all, allInvalidated)
		r.quiet(bystander)
		r.say(c, "GET "+key)
		eventually(t, "who wants all is told at the new master", func() bool {
			return strings.Count(from.do(t, "CLIENT", "LIST").Str, "flags=tB") == 1
		})
		r.steps(other, [2]string{"SET " + key + " " + strconv.FormatInt(generation, 10), "OK"})
		r.hears(c, invalidated(key))
		r.hears(all, invalidated(key))
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
		r.say(c, "GET "+key)
	}
}

// Who first wants to be told of some keys and then of all is told of all by the next
// master, too.
func TestTrackingOfAllBesideSome(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c, other := r.dial(3), r.dial(2)
	r.steps(c, [][2]string{{"CLIENT TRACKING ON BCAST PREFIX a", "OK"}, {"CLIENT TRACKING ON BCAST", "OK"}}...)
	r.steps(other, [2]string{"SET b 1", "OK"})
	r.hears(c, invalidated("b"))
	r.handOver(from, to, 2)
	r.hears(c, allInvalidated)
	eventually(t, "the next master knows of it", func() bool { return strings.Contains(to.do(t, "CLIENT", "LIST").Str, "flags=tB") })
	r.steps(other, [2]string{"SET b 2", "OK"})
	r.hears(c, invalidated("b"))
}

// A cache must not outlive the right to serve: somebody else may be master.
func TestTrackingEndsWithTheFence(t *testing.T) {
	r := newRig(t, Config{}, startEngine(t))
	r.serveUntil(1000)
	r.apply()
	c := r.dial(3)
	r.steps(c, [][2]string{{"CLIENT TRACKING ON", "OK"}, {"GET a", "nil"}}...)
	r.clock.Store(2000)
	r.hears(c, allInvalidated)
}

// What goes over lines of another kind is not remembered by the engine.
func TestTrackingOfWhatIsReadElsewhere(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	c, other := r.dial(3), r.dial(2)
	r.steps(c, [][2]string{{"CLIENT TRACKING ON", "OK"}, {"XADD s 1-1 a b", "1-1"}, {"XREAD BLOCK 1000 STREAMS s 0", "[s [[1-1 [a b]]]]"}}...)
	r.hears(c, invalidated("s"))
	r.steps(c, [][2]string{{"WATCH a", "OK"}, {"MULTI", "OK"}, {"GET a", "QUEUED"}, {"SET b 1", "QUEUED"}, {"EXEC", "[nil OK]"}}...)
	r.hears(c, invalidated("a"))
	e.do(t, "SETRANGE", "big", strconv.Itoa(2*longReply), "x")
	if got := r.do(c, "GET", "big"); len(got.Str) != 2*longReply+1 {
		t.Errorf("%d bytes", len(got.Str))
	}
	r.hears(c, invalidated("big"))
	r.steps(c, [2]string{"GET a", "nil"})
	r.steps(other, [2]string{"SET a 1", "OK"})
	r.hears(c, invalidated("a"))
}

// A connection may break between CLIENT CACHING and what it is for: both go again.
func TestCachingIsSaidAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	var broken atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { playEngine(resp.NewConn(conn), said, &broken) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	r := newRig(t, Config{}, &engine{addr: l.Addr().String()})
	r.serveUntil(1 << 62)
	r.apply()
	c := r.dial(3)
	r.steps(c, [][2]string{{"CLIENT TRACKING ON OPTIN", "OK"}, {"CLIENT CACHING YES", "OK"}}...)
	if got := r.later(c, "GET", "k")(); got != "value" {
		t.Errorf("got %s", got)
	}
	var heard []string
	for len(said) > 0 {
		heard = append(heard, <-said)
	}
	const once = "CLIENT TRACKING ON optin,CLIENT CACHING YES,GET k"
	if got := strings.Join(heard, ","); got != once+","+once {
		t.Errorf("said: %s", got)
	}
}

// playEngine answers like an engine, and breaks in front of the reply to GET
// unless it has done so before.
func playEngine(c *resp.Conn, said chan string, broken *atomic.Bool) {
	defer c.Close()
	for {
		v, err := c.ReadValue()
		if err != nil {
			return
		}
		words := v.Strings()
		reply := resp.AppendSimple(nil, "OK")
		switch words[0] {
		case "HELLO", "INFO", "PING":
		case "GET":
			said <- strings.Join(words, " ")
			if !broken.Swap(true) {
				return
			}
			reply = resp.AppendBulkString(nil, "value")
		default:
			said <- strings.Join(words, " ")
		}
		c.Write(reply)
		c.Flush()
	}
}
