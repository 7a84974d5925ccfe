package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/proxy"
)

// pair is a desk with two hosts; what one says to the other is asked of call.
type pair struct {
	*desk
	call func(node int, path string, in any)
}

func (p pair) Alive() map[int]bool { return map[int]bool{1: true, 2: true} }
func (p pair) Call(_ context.Context, node int, path string, in, _ any) error {
	p.call(node, path, in)
	return nil
}

// An endpoint that leaves closes nobody before the other host knows where it goes,
// and tells it as soon as everybody is closed.
func TestNobodyIsClosedBeforeAllHostsKnow(t *testing.T) {
	e := cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Port: freePort(t), Nodes: []int{1}, Announced: 1}
	leaving := e
	leaving.Nodes, leaving.Draining, leaving.Since = []int{2}, []int{1}, time.Now()
	d := &desk{board: (*cluster.Board)(nil).With(1, cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "test"},
		cluster.Node{ID: 1, Address: "127.0.0.1"}, cluster.Node{ID: 2, Address: "127.0.0.2"},
		cluster.Database{ID: 1, Name: "orders", Status: cluster.DatabaseActive}, e,
	}})}
	var mu sync.Mutex // guards what follows
	var client net.Conn
	var served []error
	told := make(chan any, 1)
	all := pair{d, func(node int, path string, in any) {
		switch {
		case node != 2:
			t.Errorf("%s is said to node:%d", path, node)
		case path == PathSeen:
			mu.Lock()
			defer mu.Unlock()
			served = append(served, ping(client))
		case path == PathDrained:
			told <- in
		}
	}}
	socket := filepath.Join(t.TempDir(), "proxy.sock")
	here := make(chan Drained, 1)
	a := New(Config{
		Node: 1, Shards: t.TempDir(), Board: all, Peers: all, Proxy: proxy.NewClient(socket), ProxySocket: socket,
		Report: func(context.Context, cluster.Report) error { return nil }, Drained: func(d Drained) { here <- d },
		Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := proxy.Run(ctx, proxy.Config{Socket: socket}); err != nil {
			t.Error(err)
		}
	})
	awaitProxy(t, a)
	running.Go(func() { _ = a.Run(ctx) }) // it has no error to return
	defer func() { cancel(); running.Wait(); a.cfg.Proxy.Close() }()

	client = dialEventually(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port)))
	defer client.Close()
	d.commit(t, raw{cluster.Change{Put: []cluster.Object{leaving}}})
	want := Drained{e.ID, leaving.Since}
	for _, got := range []any{<-here, <-told} {
		if got != want {
			t.Errorf("told %v, want %v", got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(served) != 1 || served[0] != nil {
		t.Errorf("while the others learned of it, the client got %v", served)
	}
	client.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func awaitProxy(t *testing.T, a *Agent) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := a.cfg.Proxy.Stats(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// dialEventually connects and is served once.
func dialEventually(t *testing.T, address string) net.Conn {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			if err = ping(c); err == nil {
				return c
			}
			c.Close()
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func ping(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // shows when it is read
	if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("answered %q", line)
	}
	return err
}
