package proxy

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// Many calls at once, as where a host is lost with all its masters, leave few connections
// behind: each is a descriptor here and in the proxy.
func TestClientKeepsFewConnections(t *testing.T) {
	const calls = 4 * keepIdle
	socket := filepath.Join(t.TempDir(), "proxy.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var all, serving sync.WaitGroup
	all.Add(calls) // nobody is answered before all have asked
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				in, out := json.NewDecoder(conn), json.NewEncoder(conn)
				for {
					var q request
					if in.Decode(&q) != nil {
						return
					}
					all.Done()
					all.Wait()
					if out.Encode(response{ID: q.ID, Stats: &Stats{}}) != nil {
						return
					}
				}
			})
		}
	})
	c := NewClient(socket)
	var asking sync.WaitGroup
	for range calls {
		asking.Go(func() {
			if _, err := c.Stats(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	if len(c.idle) > keepIdle {
		t.Errorf("%d connections are kept", len(c.idle))
	}
	c.Close()
	listener.Close()
	serving.Wait()
}
