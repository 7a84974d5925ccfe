package discovery

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// subscriber is a client of s that has subscribed to everything. Nothing is
// between the two that would take what the client does not read.
func subscriber(t *testing.T, s *Server) *resp.Conn {
	t.Helper()
	there, here := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); s.serve(t.Context(), there) }()
	t.Cleanup(func() { here.Close(); <-done })
	_ = here.SetDeadline(time.Now().Add(20 * time.Second))
	c := resp.NewConn(here)
	if _, err := fmt.Fprint(here, "PSUBSCRIBE *\r\n"); err != nil {
		t.Fatal(err)
	}
	if v, err := c.ReadValue(); err != nil || v.IsError() {
		t.Fatalf("got %v, %v", v, err)
	}
	return c
}

func TestWhoDoesNotReadDelaysNobody(t *testing.T) {
	s := New(Config{Logger: slog.New(slog.DiscardHandler)})
	for range 3 {
		subscriber(t, s)
	}
	reads := subscriber(t, s)
	heard := make(chan time.Time, 1)
	go func() {
		if v, err := reads.ReadValue(); err != nil || v.Strings()[3] != "news" {
			t.Errorf("got %v, %v", v, err)
		}
		heard <- time.Now()
	}()
	before := time.Now()
	s.publish("+switch-master", "news")
	if took := time.Since(before); took >= writeTimeout {
		t.Errorf("took %v", took)
	}
	if took := (<-heard).Sub(before); took >= writeTimeout {
		t.Errorf("heard after %v", took)
	}
	eventually(t, "those are closed", func() error {
		if n := len(s.connected()); n != 1 {
			return fmt.Errorf("%d are connected", n)
		}
		return nil
	})
}

// What waits for a client is bounded: the connection is closed before a message
// is left out.
func TestWhoDoesNotReadIsClosed(t *testing.T) {
	s := New(Config{Logger: slog.New(slog.DiscardHandler)})
	closed := subscriber(t, s)
	c := s.connected()[0]
	news := strings.Repeat("x", 1000)
	before := time.Now()
	for range 2*maxMessages/len(news) + 1 { // half of them may have been taken to be written
		s.publish("+switch-master", news)
		c.mu.Lock()
		if n := len(c.queued); n > maxMessages {
			t.Errorf("%d bytes wait", n)
		}
		c.mu.Unlock()
	}
	if _, err := closed.ReadValue(); err == nil {
		t.Error("it is open")
	}
	if took := time.Since(before); took >= writeTimeout {
		t.Errorf("closed after %v", took)
	}
}

// Whoever has subscribed hears everything from then on, in order, and replies
// are whole.
func TestMessagesAndRepliesKeepTheirOrder(t *testing.T) {
	const messages, pings = 400, 400
	for _, protocol := range []string{"2", "3"} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			h := newHost(t, patienceInTests)
			conn, err := net.Dial("tcp", h.sentinel(1))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			c := resp.NewConn(conn)
			fmt.Fprintf(conn, "HELLO %s\r\n", protocol)
			if _, err := c.ReadValue(); err != nil {
				t.Fatal(err)
			}
			var busy sync.WaitGroup
			defer busy.Wait()
			busy.Go(func() {
				for n := range messages {
					h.servers[0].publish("+switch-master", strconv.Itoa(n))
				}
			})
			busy.Go(func() {
				fmt.Fprint(conn, "SUBSCRIBE +switch-master\r\n"+strings.Repeat("PING\r\n", pings))
			})
			next, pongs := -1, 0
			for i := 0; pongs < pings || next < messages; i++ {
				v, err := c.ReadValue()
				if err != nil {
					t.Fatalf("after %d pongs, waiting for message %d: %v", pongs, next, err)
				}
				words := v.Strings()
				switch {
				case i == 0:
					if len(words) != 3 || words[0] != "subscribe" {
						t.Fatalf("begins with %v", v)
					}
					next = messages // unless one follows
				case len(words) == 3 && words[0] == "message":
					n, _ := strconv.Atoi(words[2])
					if next != messages && n != next {
						t.Fatalf("got message %d, want %d", n, next)
					}
					next = n + 1
				case v.Text() == "PONG", len(words) == 2 && words[0] == "pong":
					pongs++
				default:
					t.Fatalf("got %v", v)
				}
			}
		})
	}
}
