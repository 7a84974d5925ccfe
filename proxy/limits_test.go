package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/resp"
	"github.com/redis/go-redis/v9"
)

// A client that reads nothing is closed when its output grows too long, and
// disturbs nobody until then.
func TestSlowReader(t *testing.T) {
	r := newRig(t, Config{MaxOutput: 1 << 20}, startEngine(t))
	r.serveUntil(1 << 62)
	r.apply()
	slow, quick := r.dial(2), r.dial(2)
	r.do(quick, "SET", "big", strings.Repeat("x", 100_000))
	for range 1000 {
		slow.Write(resp.AppendCommand(nil, "GET", "big"))
	}
	slow.Flush()
	for range 100 {
		if got := r.say(quick, "PING"); got != "PONG" {
			t.Fatal(got)
		}
	}
	eventually(t, "slow reader is closed", func() bool { return r.stats().Connections == 1 })
}

// A client of which more is unread than the limit is read from no more. It gets all when
// it reads, and is closed when it does not.
func TestUnreadOutput(t *testing.T) {
	for _, reads := range []bool{true, false} {
		patience := time.Duration(0) // the usual one
		if !reads {
			patience = time.Second
		}
		r := newRig(t, Config{MaxOutput: 8 << 20, Patience: patience}, startEngines(t, 2)...)
		r.serveUntil(1 << 62)
		r.apply()
		c := r.dial(2)
		r.do(c, "SET", "big", strings.Repeat("x", 8_000))
		batch := resp.AppendCommand(resp.AppendCommand(nil, "GET", "foo"), "GET", "bar")
		const n = 6000 // 48 MB
		for range n {
			batch = resp.AppendCommand(batch, "GET", "big")
		}
		go func() { c.Write(batch); c.Flush() }()
		before, still := int64(0), 0
		eventually(t, "it is not read any more", func() bool {
			now := r.stats().Commands
			if still++; now != before {
				before, still = now, 0
			}
			return before > 100 && still > 25
		})
		if got := r.stats().Commands; got > n/2 {
			t.Errorf("%d commands were read, and no reply", got)
		}
		if !reads {
			eventually(t, "it is closed", func() bool { return r.stats().Connections == 0 && r.stats().Counts.SlowReaders == 1 })
			continue
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		for i := range n + 2 {
			if v, err := c.ReadValue(); err != nil || i > 1 && len(v.Str) != 8_000 {
				t.Fatalf("reply %d: %d bytes, %v", i, len(v.Str), err)
			}
		}
	}
}

// Many clients write a whole pipeline before they read the first reply.
func TestClientThatWritesAllFirst(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	value := strings.Repeat("x", 8_000)
	var batch []byte
	const n = 4000 // 32 MB in each direction
	for range n {
		batch = resp.AppendCommand(resp.AppendCommand(batch, "SET", "k", value), "GET", "k")
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r.write(c, batch)
	for i := range 2 * n {
		if _, err := c.ReadValue(); err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
	}
}

// A client that ends its side behind a blocking call, and reads slowly, gets all that was
// answered before; nothing is taken out of a list for it any more.
func TestHangsUpWithMuchUnread(t *testing.T) {
	engines := startEngines(t, 2)
	r := startProxy(t, engines...)
	quick := r.dial(2)
	const stands, answers = "bar", "foo"
	r.do(quick, "SET", answers, strings.Repeat("x", 500_000))
	r.say(quick, "GET "+stands)
	slow := engines[0]
	defer slow.thaw()
	slow.freeze(t)
	batch := resp.AppendCommand(resp.AppendCommand(nil, "AUTH", clientSecret), "GET", stands)
	const n = 60
	for range n {
		batch = resp.AppendCommand(batch, "GET", answers)
	}
	batch = resp.AppendCommand(batch, "BLPOP", "{"+answers+"}", "0")
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := r.stats().Commands
	if _, err := conn.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is read", func() bool { return r.stats().Commands >= before+n+2 })
	slow.thaw()
	r.say(quick, "GET "+stands)
	r.say(quick, "RPUSH {"+answers+"} kept")
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(conn)
	if err != nil || len(got) < n*500_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if left := r.say(quick, "LLEN {"+answers+"}"); left != "1" {
		t.Errorf("%s in the list", left)
	}
}

// Replies that wait for a shard that stands still take memory within a limit; below that
// they all arrive.
func TestSlowShard(t *testing.T) {
	for _, test := range []struct {
		size  int
		whole bool
	}{{3_000, true}, {100_000, false}} {
		engines := startEngines(t, 2)
		r := newRig(t, Config{MaxOutput: 2 << 20}, engines...)
		r.serveUntil(1 << 62)
		r.apply()
		c, quick := r.dial(2), r.dial(2)
		const stands, answers = "bar", "foo"
		r.do(quick, "SET", answers, strings.Repeat("x", test.size))
		r.say(quick, "GET "+stands)
		slow := engines[0]
		slow.freeze(t)
		batch := resp.AppendCommand(nil, "GET", stands)
		const n = 4000
		for range n {
			batch = resp.AppendCommand(batch, "GET", answers)
		}
		go func() { c.Write(batch); c.Flush() }()
		eventually(t, "the window is full or the client closed", func() bool { return r.stats().Commands > 100 })
		if !test.whole {
			eventually(t, "the client is closed", func() bool { return r.stats().Connections == 1 })
			slow.thaw()
			continue
		}
		slow.thaw()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		for i := range n + 1 {
			if v, err := c.ReadValue(); err != nil || i > 0 && len(v.Str) != test.size {
				t.Fatalf("reply %d: %d bytes, %v", i, len(v.Str), err)
			}
		}
	}
}

// A client that reads late gets everything, in order.
func TestLateReader(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	c := r.dial(2)
	for i := range 20 {
		r.do(c, "SET", "big"+strconv.Itoa(i), strings.Repeat("x", 50_000+i))
	}
	var batch []byte
	for i := range 400 {
		batch = resp.AppendCommand(batch, "GET", "big"+strconv.Itoa(i%20))
	}
	go func() { c.Write(batch); c.Flush() }()
	eventually(t, "commands read", func() bool { return r.stats().Commands > 400 })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for i := range 400 {
		if v, err := c.ReadValue(); err != nil || len(v.Str) != 50_000+i%20 {
			t.Fatalf("reply %d: %d bytes, %v", i, len(v.Str), err)
		}
	}
}

// While nothing can be sent, clients are read only until the queue is full; no
// command is lost.
func TestFullQueueStopsReading(t *testing.T) {
	e := startEngine(t)
	r := newRig(t, Config{MaxQueued: 1 << 20}, e)
	r.serveUntil(1 << 62)
	r.endpoint().Ranges[0].Address = ""
	r.apply()
	const clients, each = 20, 50
	done := make(chan error, clients)
	for i := range clients {
		c := r.dial(2)
		go func() {
			cmds := make([][]string, each)
			for n := range cmds {
				cmds[n] = []string{"APPEND", "k" + strconv.Itoa(i), strings.Repeat("x", 10_000)}
			}
			values, err := c.Pipeline(r.ctx(), cmds...)
			for n, v := range values {
				if v.Int != int64(n+1)*10_000 {
					err = fmt.Errorf("client %d, command %d: %s", i, n, render(v))
					break
				}
			}
			done <- err
		}()
	}
	eventually(t, "queue fills", func() bool { return r.stats().Held > 100 })
	if n := r.stats().Commands; n > 300 {
		t.Errorf("%d commands were read into a queue for about 100", n)
	}
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = e.addr
	r.apply()
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestListenerProblemsAreTold(t *testing.T) {
	r := startProxy(t, startEngine(t))
	blocker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.port = blocker.Addr().(*net.TCPAddr).Port
	r.endpoint().Port = r.port
	r.apply()
	if s := r.stats(); s.Listening || !strings.Contains(s.Reason, "address already in use") {
		t.Errorf("%+v", s)
	}
	blocker.Close()
	eventually(t, "listens", func() bool { return r.stats().Listening })
	if got := r.say(r.dial(2), "PING"); got != "PONG" {
		t.Error(got)
	}
}

func TestUnlistedEndpointIsClosed(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	all := r.routes.Endpoints
	r.routes.Endpoints = nil
	r.apply()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.ReadValue(); err == nil {
		t.Error("connection still open")
	}
	if _, err := net.Dial("tcp", r.addr()); err == nil {
		t.Error("still listening")
	}
	r.routes.Endpoints = all
	r.apply()
	if got := r.say(r.dial(2), "PING"); got != "PONG" {
		t.Error(got)
	}
}

func TestSeveralLoops(t *testing.T) {
	from, to := pair(t)
	r := newRig(t, Config{Loops: 3}, from)
	r.serveUntil(1 << 62)
	r.apply()
	l := r.startLoad(12)
	if drained, err := r.client.Hold(r.ctx(), Hold{rangeID(0), 2, 5 * time.Second}); err != nil || !drained {
		t.Fatalf("hold: %v, %v", drained, err)
	}
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	l.goesOn(t)
	l.end(t)
	if s := r.stats(); !s.Listening || s.Commands < 400 {
		t.Errorf("%+v", s)
	}
}

func TestOneProxyPerSocket(t *testing.T) {
	r := startProxy(t, startEngine(t))
	err := Run(r.ctx(), Config{Socket: r.client.socket})
	if cluster.CodeOf(err) != cluster.CodePortUnavailable {
		t.Errorf("got %v", err)
	}
	if info, err := os.Stat(r.client.socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestStaleSocketAndQuit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	done := make(chan error, 1)
	go func() { done <- Run(context.Background(), Config{Socket: path}) }()
	c := NewClient(path)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	eventually(t, "proxy answers", func() bool { _, err := c.Stats(ctx); return err == nil })
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := c.Stats(ctx); err == nil {
		t.Error("still answers")
	}
}

func TestMalformedInputIsToldAndEnds(t *testing.T) {
	r := startProxy(t, startEngine(t))
	for input, want := range map[string]string{
		"*1\r\n:1\r\n":             "-ERR Protocol error: expected '$', got ':'",
		"*1\r\n$x\r\n":             "-ERR Protocol error: invalid bulk length",
		"get \"x\r\n":              "-ERR Protocol error: unbalanced quotes in request",
		"*11\r\n":                  "-ERR Protocol error: unauthenticated multibulk length",
		strings.Repeat("x", 70000): "-ERR Protocol error: too big inline request",
	} {
		c := r.dialStranger()
		c.Write([]byte(input))
		c.Flush()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if v, err := c.ReadValue(); err != nil || render(v) != want {
			t.Errorf("%.20q: got %s, %v", input, render(v), err)
		}
		if _, err := c.ReadValue(); err == nil {
			t.Errorf("%.20q: still open", input)
		}
	}
}

// An engine killed under load costs writes of unknown outcome, each of which is
// told as such; nothing hangs and nothing else goes wrong.
func TestEngineKilledUnderLoad(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	port, _ := strconv.Atoi(e.addr[len("127.0.0.1:"):])
	l := r.startLoad(16)
	e.kill()
	startEngineOn(t, port)
	eventually(t, "all writers have noticed", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.errs) == 16
	})
	for _, err := range l.errs {
		// Either the outcome is unknown, or the new engine counts from the start.
		if err.Error() != errOutcome && err != redis.Nil && !strings.Contains(err.Error(), "want") {
			t.Error(err)
		}
	}
	l.errs = nil
	if got := r.say(r.dial(2), "INCR after"); got != "1" {
		t.Error(got)
	}
}

// The limit is for what a client leaves unread, not for the length of a value.
func TestValueLongerThanTheLimit(t *testing.T) {
	r := newRig(t, Config{MaxOutput: 1 << 20}, startEngine(t))
	r.serveUntil(1 << 62)
	r.apply()
	c := r.dial(2)
	big := strings.Repeat("x", 8<<20)
	r.do(c, "SET", "big", big)
	reply := r.later(c, "GET", "big")
	eventually(t, "the reply waits", func() bool { return r.stats().Commands == 3 })
	if got := r.say(r.dial(2), "STRLEN big"); got != strconv.Itoa(len(big)) {
		t.Error(got)
	}
	if got := reply(); got != big {
		t.Errorf("%d bytes", len(got))
	}
}
