package peer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// MaxBody is the largest body in bytes that is sent or accepted, either way.
const MaxBody = 8 << 20

// grace is how long requests in progress may take to end when the server stops.
const grace = 2 * time.Second

// Handler answers one kind of call. From is the node id in the caller's
// certificate. The result is sent as JSON; see [WireError] for what the caller
// sees of an error.
type Handler func(ctx context.Context, from int, body json.RawMessage) (any, error)

// Server answers calls of other daemons. Handlers are registered before Serve.
type Server struct {
	tls     *tls.Config
	log     *slog.Logger
	mux     *http.ServeMux
	removed func(node int) bool
	running sync.WaitGroup
}

// NewServer returns a server. The configuration has to demand client certificates:
// see [Identity.ServerTLS].
func NewServer(config *tls.Config, log *slog.Logger) *Server {
	s := &Server{tls: config, log: log, mux: http.NewServeMux(), removed: func(int) bool { return false }}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &Error{Code: codeUnknown, Message: "no handler for " + r.URL.Path, Hint: "the nodes may run different versions"})
	})
	return s
}

// RefuseRemoved has every request refused whose certificate was issued to a node
// for which removed answers true, on connections that are open already, too: a
// certificate outlives its node's membership. It is called once for each request.
func (s *Server) RefuseRemoved(removed func(node int) bool) { s.removed = removed }

// Handle registers the handler of calls to the path, which begins with a slash.
func (s *Server) Handle(path string, h Handler) {
	s.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			writeError(w, unreadable(err))
			return
		}
		result, err := h(r.Context(), From(r.Context()), body)
		if err != nil {
			s.refuse(w, path, err)
			return
		}
		s.answer(w, path, result)
	})
}

// HandleHTTP hands every request below the prefix ("/rest/") to h, with the
// prefix cut off. [From] tells h which node sent it.
func (s *Server) HandleHTTP(prefix string, h http.Handler) {
	prefix = "/" + strings.Trim(prefix, "/")
	s.mux.Handle(prefix+"/", http.StripPrefix(prefix, h))
}

// Serve answers on the listener until ctx ends, and returns when its goroutines are
// gone. It closes the listener. Connections of the listener that have a method Known
// hear by it that the other end has proved itself and asks something.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		TLSConfig:         s.tls,
		Protocols:         new(http.Protocols),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, // holds for handshakes, too
		ConnState:         tellKnown,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	// One connection that is stuck then delays one call, not all of them.
	server.Protocols.SetHTTP1(true)
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { stopped <- shutdown(server) })
	err := server.ServeTLS(listener, "", "")
	if stop() {
		err = errors.Join(err, server.Close())
	} else {
		err = <-stopped
	}
	s.running.Wait()
	return err
}

// tellKnown passes on that the handshake is over: before it there is no request.
func tellKnown(conn net.Conn, state http.ConnState) {
	secure, ok := conn.(*tls.Conn)
	if !ok || state != http.StateActive {
		return
	}
	if stranger, ok := secure.NetConn().(interface{ Known() }); ok {
		stranger.Known()
	}
}

func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if server.Shutdown(ctx) == nil {
		return nil
	}
	return server.Close()
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	from := 0
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		from = nodeOf(r.TLS.PeerCertificates[0])
	}
	if s.removed(from) {
		w.Header().Set("Connection", "close")
		writeError(w, &Error{Code: codeRemoved, Message: fmt.Sprintf("node:%d was removed from the cluster", from), Hint: "empty its data folder and join again"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	s.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), fromKey{}, from)))
}

type fromKey struct{}

// From returns the id of the node that sent the request being handled, by its
// certificate; 0 if the certificate names none.
func From(ctx context.Context) int {
	node, _ := ctx.Value(fromKey{}).(int)
	return node
}

func unreadable(err error) *Error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return bodyTooLarge()
	}
	return &Error{Code: codeBadRequest, Message: "the request's body can't be read"}
}

func bodyTooLarge() *Error {
	return &Error{Code: codeTooLarge, Message: fmt.Sprintf("a body between daemons is limited to %d MiB", MaxBody>>20)}
}

func (s *Server) refuse(w http.ResponseWriter, path string, err error) {
	wire, known := wireError(err)
	if !known {
		s.log.Error("call of another daemon failed", "path", path, "error", err)
	}
	writeError(w, wire)
}

func (s *Server) answer(w http.ResponseWriter, path string, result any) {
	body, err := json.Marshal(result)
	if err != nil {
		s.refuse(w, path, err)
		return
	}
	if len(body) > MaxBody {
		writeError(w, bodyTooLarge())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func writeError(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status())
	_ = json.NewEncoder(w).Encode(e)
}
