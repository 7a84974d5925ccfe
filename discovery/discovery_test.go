package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/haulout/haulout/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patienceInTests = 30 * time.Second

// host is a cluster of three nodes as discovery sees it: a board, and a server
// on each address.
type host struct {
	t       *testing.T
	board   atomic.Pointer[cluster.Board]
	port    int // of discovery
	servers []*Server
	shown   func() (*tls.Config, error)
	late    atomic.Pointer[func() error] // what brings a host's board up to date; nil: nothing has to

	mu    sync.Mutex
	wakes []chan *cluster.Board
}

// database is where the test's one database listens, on every node.
func (h *host) database() int { return h.board.Load().Databases[1].Port }

// newHost starts a server on each of three addresses, with one database whose
// endpoint is on node 1, and whatever else shall stand on the board.
func newHost(t *testing.T, patience time.Duration, more ...cluster.Object) *host {
	h := &host{t: t, port: freePort(t)}
	change := cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "c", Name: "test"},
		cluster.Database{ID: 1, Name: "orders", Status: cluster.DatabaseActive, Port: freePort(t)},
	}}
	for n := 1; n <= 3; n++ {
		change.Put = append(change.Put, cluster.Node{ID: n, Address: address(n), Membership: cluster.Voter})
	}
	change.Put = append(change.Put, more...)
	h.board.Store((*cluster.Board)(nil).With(1, change))
	h.bind(cluster.Endpoint{Nodes: []int{1}, Announced: 1})
	for n := 1; n <= 3; n++ {
		h.start(n, patience)
	}
	return h
}

func (h *host) start(n int, patience time.Duration) {
	s := New(Config{Address: address(n), Port: h.port, Logger: slog.New(slog.DiscardHandler), Board: h.board.Load, Subscribe: h.subscribe, Patience: patience, TLS: h.shown, Sync: h.sync})
	h.servers = append(h.servers, s)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("node %d: %v", n, err)
		}
	})
	eventually(h.t, "discovery listens", func() error { return knock(h.sentinel(n)) })
}

// sync is how servers read the board anew.
func (h *host) sync(context.Context) error {
	if late := h.late.Load(); late != nil {
		return (*late)()
	}
	return nil
}

func (h *host) sentinel(n int) string { return net.JoinHostPort(address(n), strconv.Itoa(h.port)) }

func (h *host) sentinels() []string { return []string{h.sentinel(1), h.sentinel(2), h.sentinel(3)} }

func (h *host) subscribe(ctx context.Context) <-chan *cluster.Board {
	h.mu.Lock()
	defer h.mu.Unlock()
	wake := make(chan *cluster.Board, 1)
	wake <- nil // the present board
	h.wakes = append(h.wakes, wake)
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.wakes = slices.DeleteFunc(h.wakes, func(c chan *cluster.Board) bool { return c == wake })
		close(wake)
	})
	return wake
}

// put commits objects and tells the servers.
func (h *host) put(objects ...cluster.Object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.board.Load()
	h.board.Store(b.With(b.Revision+1, cluster.Change{Put: objects}))
	for _, wake := range h.wakes {
		select {
		case wake <- nil:
		default: // one is waiting to be read
		}
	}
}

// bind commits a state of the database's endpoint.
func (h *host) bind(e cluster.Endpoint) {
	e.ID, e.Port = cluster.EndpointID{Database: 1, Index: 1}, h.database()
	h.put(e)
}

// sentinelClient is a go-redis client of the server on a node.
func (h *host) sentinelClient(n, protocol int) *redis.SentinelClient {
	c := redis.NewSentinelClient(&redis.Options{Addr: h.sentinel(n), Protocol: protocol})
	h.t.Cleanup(func() { c.Close() })
	return c
}

// failoverClient is an unmodified go-redis client with the library's defaults.
func (h *host) failoverClient() *redis.Client {
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "orders", SentinelAddrs: h.sentinels()})
	h.t.Cleanup(func() { c.Close() })
	return c
}

// awaitSubscriber returns when a client has subscribed to something.
func (h *host) awaitSubscriber() {
	h.t.Helper()
	eventually(h.t, "a client has subscribed", func() error {
		for _, s := range h.servers {
			for _, c := range s.connected() {
				c.mu.Lock()
				subscribed := len(c.subscribed) > 0
				c.mu.Unlock()
				if subscribed {
					return nil
				}
			}
		}
		return errors.New("none has")
	})
}

// startEngines runs a real engine on the database's port of each node.
func (h *host) startEngines() []*redis.Client {
	var list []*redis.Client
	for n := 1; n <= 3; n++ {
		list = append(list, startEngine(h.t, address(n), h.database()))
	}
	return list
}

func startEngine(t *testing.T, address string, port int, more ...string) *redis.Client {
	args := append([]string{"--bind", address, "--port", strconv.Itoa(port), "--save", "", "--dir", t.TempDir()}, more...)
	cmd := exec.Command(installed(t, "redis-server", "valkey-server"), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(address, strconv.Itoa(port))})
	t.Cleanup(func() { c.Close() })
	eventually(t, "engine answers", func() error { return knock(c.Options().Addr) })
	return c
}

// installed returns whichever of the programs this machine has.
func installed(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("none of %v is installed", names)
	return ""
}

func address(n int) string { return fmt.Sprintf("127.0.0.%d", n) }

func knock(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

// freePort returns a port that is free on all three addresses.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", address(1)+":0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		free := true
		for n := 2; n <= 3; n++ {
			other, err := net.Listen("tcp", net.JoinHostPort(address(n), strconv.Itoa(port)))
			if err != nil {
				free = false
				continue
			}
			other.Close()
		}
		l.Close()
		if free {
			return port
		}
	}
	t.Fatal("no port is free on 127.0.0.1, .2 and .3")
	return 0
}

// eventually waits until f returns nil.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
