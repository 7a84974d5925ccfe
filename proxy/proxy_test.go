package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/resp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a running proxy with one endpoint of one database.
type rig struct {
	t      testing.TB
	client *Client
	clock  atomic.Int64 // what the proxy takes for the boot-time clock
	routes Routes
	port   int
}

const clientSecret = "client-secret"

// startProxy runs a proxy whose database has a range for each of the engines.
// Its fence is open for good.
func startProxy(t testing.TB, engines ...*engine) *rig {
	files := descriptors(t)
	t.Cleanup(func() { eventually(t, "descriptors closed", func() bool { return descriptors(t) <= files }) })
	return startAnother(t, engines...)
}

// startAnother is startProxy in a test that has one already.
func startAnother(t testing.TB, engines ...*engine) *rig {
	r := newRig(t, Config{}, engines...)
	r.serveUntil(1 << 62)
	r.apply()
	return r
}

func newRig(t testing.TB, c Config, engines ...*engine) *rig {
	t.Helper()
	r := &rig{t: t, port: freePort(t)}
	c.Socket = filepath.Join(t.TempDir(), "proxy.sock")
	if c.Clock == nil {
		c.Clock = r.clock.Load
	}
	c.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	r.client = NewClient(c.Socket)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c) }()
	t.Cleanup(func() {
		r.client.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("proxy: %v", err)
		}
	})
	eventually(t, "proxy answers", func() bool { _, err := r.client.Stats(r.ctx()); return err == nil })
	e := EndpointRoute{
		ID: cluster.EndpointID{Database: 6, Index: 1}, Database: "orders", Address: "127.0.0.1", Port: r.port, Listen: true,
		Password: clientSecret, ProxyPassword: proxySecret,
	}
	for i, engine := range engines {
		size := cluster.Slots / len(engines)
		rr := RangeRoute{ID: rangeID(i), First: i * size, Last: (i+1)*size - 1, Generation: 1, Address: engine.addr}
		if i == len(engines)-1 {
			rr.Last = cluster.Slots - 1
		}
		e.Ranges = append(e.Ranges, rr)
	}
	r.routes = Routes{Revision: 1, Endpoints: []EndpointRoute{e}}
	return r
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) { w.t.Logf("%s", b); return len(b), nil }

func rangeID(i int) cluster.RangeID { return cluster.RangeID{Database: 6, Index: i} }

// descriptors counts this process's open sockets.
func descriptors(t testing.TB) (n int) {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) endpoint() *EndpointRoute { return &r.routes.Endpoints[0] }

func (r *rig) apply() {
	r.t.Helper()
	r.routes.Revision++
	if err := r.client.Apply(r.ctx(), r.routes); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) serveUntil(at int64) {
	r.t.Helper()
	if err := r.client.ServeUntil(r.ctx(), at); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) extend(list ...Extension) {
	r.t.Helper()
	if err := r.client.Extend(r.ctx(), list); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stats() EndpointStats {
	r.t.Helper()
	s, err := r.client.Stats(r.ctx())
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Endpoints[0]
}

func (r *rig) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// dial opens a raw client connection that is logged in.
func (r *rig) dial(version int) *resp.Conn {
	r.t.Helper()
	c := r.dialStranger()
	if _, err := c.Do(r.ctx(), "HELLO", strconv.Itoa(version), "AUTH", "default", clientSecret); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) dialStranger() *resp.Conn {
	r.t.Helper()
	c, err := resp.Dial(r.ctx(), r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// redis returns a go-redis client that does not retry.
func (r *rig) redis(version int) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: r.addr(), Password: clientSecret, Protocol: version, MaxRetries: -1})
	r.t.Cleanup(func() { c.Close() })
	return c
}

// do sends a command and returns its reply, errors included.
func (r *rig) do(c *resp.Conn, args ...string) resp.Value {
	r.t.Helper()
	values, err := c.Pipeline(r.ctx(), args)
	if err != nil {
		r.t.Fatalf("%v: %v", args, err)
	}
	return values[0]
}

// say is do as text.
func (r *rig) say(c *resp.Conn, line string) string {
	r.t.Helper()
	return render(r.do(c, strings.Fields(line)...))
}

// render writes a value as text: errors with '-', arrays in brackets.
func render(v resp.Value) string {
	switch {
	case v.Null:
		return "nil"
	case v.IsError():
		return "-" + v.Str
	case v.Array != nil || v.Kind == resp.KindArray:
		list := make([]string, len(v.Array))
		for i, e := range v.Array {
			list[i] = render(e)
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return v.Text()
}

func TestSimpleCommands(t *testing.T) {
	for _, shards := range []int{1, 3} {
		var engines []*engine
		for range shards {
			engines = append(engines, startEngine(t))
		}
		r := startProxy(t, engines...)
		for _, version := range []int{2, 3} {
			c := r.dial(version)
			for _, step := range [][2]string{
				{"SET k v", "OK"}, {"GET k", "v"}, {"GET none", "nil"}, {"INCR k", "-ERR value is not an integer or out of range"},
				{"HSET h a 1", "1"}, {"HGETALL h", "[a 1]"}, {"PING", "PONG"}, {"PING x", "x"}, {"ECHO y", "y"},
				{"GET", "-ERR wrong number of arguments for 'get' command"}, {"SELECT 0", "OK"},
				{"CLIENT SETNAME me", "OK"}, {"CLIENT GETNAME", "me"},
				{"CONFIG SET port 1", "-NOPERM this user has no permissions to run the 'config|set' command"},
				{"DEL k h", "2"},
			} {
				if got := r.say(c, step[0]); got != step[1] {
					t.Errorf("%d shards, version %d: %s: got %q, want %q", shards, version, step[0], got, step[1])
				}
			}
		}
	}
}

func TestPasswords(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dialStranger()
	for _, step := range [][2]string{
		{"GET k", "-NOAUTH Authentication required."},
		{"HELLO 3", "-" + errHelloAuth},
		{"AUTH wrong", "-" + errWrongPass},
		{"AUTH other " + clientSecret, "-" + errWrongPass},
		{"AUTH default " + clientSecret, "OK"},
		{"GET k", "nil"},
		{"RESET", "RESET"},
		{"GET k", "-NOAUTH Authentication required."},
		{"AUTH " + clientSecret, "OK"},
		{"HELLO 4", "-NOPROTO unsupported protocol version"},
	} {
		if got := r.say(c, step[0]); got != step[1] {
			t.Errorf("%s: got %q, want %q", step[0], got, step[1])
		}
	}
}

func TestPipelineOfTenThousand(t *testing.T) {
	r := startProxy(t, startEngine(t), startEngine(t))
	c := r.dial(2)
	var cmds [][]string
	for i := range 10_000 {
		cmds = append(cmds, []string{"INCR", "n" + strconv.Itoa(i%7)}, []string{"PING", strconv.Itoa(i)})
	}
	values, err := c.Pipeline(r.ctx(), cmds...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		if got, want := values[2*i].Int, int64(i/7+1); got != want {
			t.Fatalf("INCR %d: got %d, want %d", i, got, want)
		}
		if got := values[2*i+1].Str; got != strconv.Itoa(i) {
			t.Fatalf("PING %d: got %q", i, got)
		}
	}
}

func TestBigValues(t *testing.T) {
	r := startProxy(t, startEngine(t), startEngine(t))
	c := r.dial(3)
	for i := range 3 {
		big := strings.Repeat(strconv.Itoa(i), 5<<20)
		key := fmt.Sprintf("big%d", i)
		if v := r.do(c, "SET", key, big); v.Str != "OK" {
			t.Fatal(render(v))
		}
		values, err := c.Pipeline(r.ctx(), []string{"GET", key}, []string{"PING"}, []string{"GET", key})
		if err != nil {
			t.Fatal(err)
		}
		if values[0].Str != big || values[1].Str != "PONG" || values[2].Str != big {
			t.Fatal("big value came back changed")
		}
	}
}

func TestInlineCommands(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	c.Write([]byte("set k \"a b\"\r\n\r\nget k\r\n"))
	c.Flush()
	for _, want := range []string{"OK", "a b"} {
		if v, err := c.ReadValue(); err != nil || v.Str != want {
			t.Fatalf("got %v, %v; want %q", v, err, want)
		}
	}
}

func TestManyClients(t *testing.T) {
	r := startProxy(t, startEngine(t), startEngine(t))
	const clients, rounds = 500, 10
	errs := make(chan error, clients)
	for i := range clients {
		c := r.dial(2 + i%2)
		go func() {
			for n := range rounds {
				v, err := c.Do(r.ctx(), "INCR", fmt.Sprintf("c%d", i))
				if err == nil && v.Int != int64(n+1) {
					err = fmt.Errorf("client %d: got %d, want %d", i, v.Int, n+1)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := r.stats().Connections; n != clients {
		t.Errorf("%d connections counted", n)
	}
}

func TestGoRedis(t *testing.T) {
	r := startProxy(t, startEngine(t), startEngine(t))
	for _, version := range []int{2, 3} {
		c := r.redis(version)
		if err := c.Set(r.ctx(), "k", "v", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if v, err := c.Get(r.ctx(), "k").Result(); err != nil || v != "v" {
			t.Fatalf("got %q, %v", v, err)
		}
		if err := c.HSet(r.ctx(), "h", "a", 1, "b", 2).Err(); err != nil {
			t.Fatal(err)
		}
		if m, err := c.HGetAll(r.ctx(), "h").Result(); err != nil || len(m) != 2 {
			t.Fatalf("got %v, %v", m, err)
		}
	}
}
