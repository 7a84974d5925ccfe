package peer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// refused is an error of another room that knows how to cross the wire.
type refused struct{}

func (refused) Error() string { return "node 3 is down" }

func (refused) WireError() (code, message, hint string) {
	return "node_down", "node 3 is down", "start it"
}

// pair is a server of node 1 and a client of node 2 that trust each other.
type pair struct {
	*Server
	*Client
	address string
}

func newPair(t *testing.T, register func(*Server)) pair {
	t.Helper()
	a := newAuthority(t)
	server, address := serve(t, a.identity(t, 1, "127.0.0.1"), register)
	client := clientOf(t, a.identity(t, 2, "127.0.0.2"))
	return pair{server, client, address}
}

func serve(t *testing.T, id Identity, register func(*Server)) (*Server, string) {
	t.Helper()
	config, err := id.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(config, slog.New(slog.DiscardHandler))
	register(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server ended with %v", err)
		}
	})
	return s, l.Addr().String()
}

func clientOf(t *testing.T, id Identity) *Client {
	t.Helper()
	config, err := id.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(config)
	t.Cleanup(c.Close)
	return c
}

func TestCallCarriesBodyAnswerAndCaller(t *testing.T) {
	p := newPair(t, func(s *Server) {
		s.Handle("/echo", func(_ context.Context, from int, body json.RawMessage) (any, error) {
			return map[string]any{"from": from, "body": body}, nil
		})
	})
	var out struct {
		From int
		Body []int
	}
	if err := p.Call(t.Context(), p.address, "/echo", []int{1, 2}, &out); err != nil {
		t.Fatal(err)
	}
	if out.From != 2 || len(out.Body) != 2 {
		t.Errorf("answer = %+v", out)
	}
}

func TestConnectionIsReused(t *testing.T) {
	var remotes atomic.Value
	remotes.Store("")
	changes := 0
	p := newPair(t, func(s *Server) {
		s.HandleHTTP("/raw", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			remotes.Store(r.RemoteAddr)
		}))
	})
	last := ""
	for range 5 {
		if err := p.Call(t.Context(), p.address, "/raw/x", nil, nil); err != nil {
			t.Fatal(err)
		}
		if now := remotes.Load().(string); now != last {
			last, changes = now, changes+1
		}
	}
	if changes != 1 {
		t.Errorf("five calls used %d connections", changes)
	}
}

func TestErrorsCrossTheWire(t *testing.T) {
	p := newPair(t, func(s *Server) {
		s.Handle("/refuse", func(context.Context, int, json.RawMessage) (any, error) { return nil, refused{} })
		s.Handle("/break", func(context.Context, int, json.RawMessage) (any, error) {
			return nil, errors.New("password is hunter2")
		})
	})
	for path, want := range map[string]Error{
		"/refuse":  {"node_down", "node 3 is down", "start it"},
		"/break":   {"internal_error", "internal error", ""},
		"/missing": {"not_supported", "no handler for /missing", "the nodes may run different versions"},
	} {
		err := p.Call(t.Context(), p.address, path, nil, nil)
		var got *Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s: error = %#v, want %#v", path, err, want)
		}
	}
}

func TestAnErrorMayBePassedOn(t *testing.T) {
	wire, known := wireError(&Error{"a", "b", "c"})
	if !known || *wire != (Error{"a", "b", "c"}) {
		t.Errorf("passed on as %v", wire)
	}
}

func TestBodyLimitHoldsBothWays(t *testing.T) {
	big := strings.Repeat("x", MaxBody)
	p := newPair(t, func(s *Server) {
		s.Handle("/big", func(context.Context, int, json.RawMessage) (any, error) { return big, nil })
		s.Handle("/sink", func(context.Context, int, json.RawMessage) (any, error) { return nil, nil })
	})
	tooLarge := func(err error) bool {
		var e *Error
		return errors.As(err, &e) && e.Code == "body_too_large"
	}
	if err := p.Call(t.Context(), p.address, "/big", nil, nil); !tooLarge(err) {
		t.Errorf("big answer: %v", err)
	}
	if err := p.Call(t.Context(), p.address, "/sink", big, nil); !tooLarge(err) {
		t.Errorf("big call: %v", err)
	}
	request, _ := http.NewRequest(http.MethodPost, "https://"+p.address+"/sink", strings.NewReader(big+"x"))
	response, err := p.Transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("the server accepted a body over the limit: %s", response.Status)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	p := newPair(t, func(s *Server) {
		s.Handle("/x", func(context.Context, int, json.RawMessage) (any, error) { return nil, nil })
	})
	stranger := clientOf(t, newAuthority(t).identity(t, 2, "127.0.0.1"))
	if err := stranger.Call(t.Context(), p.address, "/x", nil, nil); err == nil {
		t.Error("a client of another authority gets an answer")
	}
	_, address := serve(t, newAuthority(t).identity(t, 1, "127.0.0.1"), func(s *Server) {})
	if err := p.Call(t.Context(), address, "/x", nil, nil); err == nil {
		t.Error("a server of another authority is trusted")
	}
	bare := &tls.Config{InsecureSkipVerify: true}
	if err := NewClient(bare).Call(t.Context(), p.address, "/x", nil, nil); err == nil {
		t.Error("a client without a certificate gets an answer")
	}
}

// A removed node's certificate is still signed by the authority.
func TestRemovedNodesAreRefused(t *testing.T) {
	var removed atomic.Bool
	p := newPair(t, func(s *Server) {
		s.RefuseRemoved(func(node int) bool { return node == 2 && removed.Load() })
		s.Handle("/x", func(context.Context, int, json.RawMessage) (any, error) { return nil, nil })
		s.HandleHTTP("/raw", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	})
	if err := p.Call(t.Context(), p.address, "/x", nil, nil); err != nil {
		t.Fatal(err)
	}
	removed.Store(true)
	for _, path := range []string{"/x", "/raw/y"} { // on the connection that is open
		err := p.Call(t.Context(), p.address, path, nil, nil)
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != "node_removed" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestCallerGivesUp(t *testing.T) {
	entered := make(chan struct{})
	p := newPair(t, func(s *Server) {
		s.Handle("/wait", func(ctx context.Context, _ int, _ json.RawMessage) (any, error) {
			close(entered)
			<-ctx.Done() // the handler learns of it too, or the server would never end
			return nil, ctx.Err()
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if err := p.Call(ctx, p.address, "/wait", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("call = %v, want context canceled", err)
	}
}

func TestDeadlineHoldsAgainstASilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by backlog, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	client := clientOf(t, newAuthority(t).identity(t, 1, "127.0.0.1"))
	if err := client.Call(ctx, l.Addr().String(), "/x", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call = %v, want deadline exceeded", err)
	}
}

func TestRequestsAreForwardedWhole(t *testing.T) {
	p := newPair(t, func(s *Server) {
		s.HandleHTTP("/rest", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-From", nodeName(From(r.Context())))
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		}))
	})
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPut, "/v1/nodes/2%2F3?dry_run=true", strings.NewReader("body"))
	if err := p.Forward(p.address, "/rest", recorder, request); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != http.StatusTeapot || recorder.Header().Get("X-From") != "node-2" {
		t.Errorf("answer = %d, header %v", recorder.Code, recorder.Header())
	}
	if got, want := recorder.Body.String(), "PUT /v1/nodes/2%2F3?dry_run=true body"; got != want {
		t.Errorf("forwarded %q, want %q", got, want)
	}
}

// A daemon that is frozen still takes connections; its callers must not wait for ever.
func TestForwardToTheSilentAndToNobody(t *testing.T) {
	thaw := make(chan struct{})
	p := newPair(t, func(s *Server) {
		s.HandleHTTP("/rest", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-thaw }))
	})
	t.Cleanup(func() { close(thaw) })
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // much less, and much more, than a read may take
	defer cancel()
	for _, address := range []string{p.address, l.Addr().String()} {
		recorder := httptest.NewRecorder()
		err := p.Forward(address, "/rest", recorder, httptest.NewRequest(http.MethodGet, "/v1", nil).WithContext(ctx))
		if err == nil || ctx.Err() != nil || recorder.Body.Len() > 0 || len(recorder.Header()) > 0 {
			t.Errorf("%s: %v, %v, wrote %q %v", address, err, ctx.Err(), recorder.Body, recorder.Header())
		}
	}
}

// guarded counts its connections and who of them has proved itself.
type guarded struct {
	net.Listener
	accepted, known atomic.Int64
}

func (g *guarded) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	g.accepted.Add(1)
	return &guardedConn{c, g}, err
}

type guardedConn struct {
	net.Conn
	g *guarded
}

func (c *guardedConn) Known() { c.g.known.Add(1) }

// A listener that bounds strangers hears who is none.
func TestListenerHearsWhoIsKnown(t *testing.T) {
	a := newAuthority(t)
	config, err := a.identity(t, 1, "127.0.0.1").ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &guarded{Listener: l}
	s := NewServer(config, slog.New(slog.DiscardHandler))
	s.Handle("/hello", func(context.Context, int, json.RawMessage) (any, error) { return nil, nil })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, g) }()
	defer func() { cancel(); <-done }()
	stranger := clientOf(t, newAuthority(t).identity(t, 2, "127.0.0.1"))
	if err := stranger.Call(t.Context(), l.Addr().String(), "/hello", nil, nil); err == nil || g.known.Load() != 0 || g.accepted.Load() == 0 {
		t.Errorf("%v, %d of %d known", err, g.known.Load(), g.accepted.Load())
	}
	if err := clientOf(t, a.identity(t, 2, "127.0.0.1")).Call(t.Context(), l.Addr().String(), "/hello", nil, nil); err != nil || g.known.Load() != 1 {
		t.Errorf("%v, %d known", err, g.known.Load())
	}
}
