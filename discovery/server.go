package discovery

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/resp"
)

// Port is where discovery listens on every node.
const Port = 8001

// Limits of what clients may use up.
const (
	maxConnections = 4096
	maxOfHost      = 512              // of the connections
	maxCommand     = 64 << 10         // bytes
	maxChannels    = 64               // subscriptions of one connection
	maxName        = 256              // bytes of a channel's name, or of a pattern
	maxMessages    = 256 << 10        // bytes that wait for one connection: all there is to say when 1,000 endpoints move at once
	firstTimeout   = 30 * time.Second // until the first command
	idleTimeout    = time.Hour
	writeTimeout   = 2 * time.Second
	patience       = 2500 * time.Millisecond // a new leader may have to be elected meanwhile; clients wait 3 s
)

// Config is what a [Server] needs to know.
type Config struct {
	// Address is the node's own address, as on the board: it is listened on, and
	// tells which node this is.
	Address string
	Port    int // 0: Port
	Logger  *slog.Logger
	// Board returns the committed board; nil or an empty one while it is not
	// known to be current, for a stale answer sends clients to where nobody serves.
	Board func() *cluster.Board
	// Subscribe returns a channel that receives after each change of what Board
	// returns, and is closed when ctx ends. Several changes may share one value.
	Subscribe func(ctx context.Context) <-chan *cluster.Board
	// Sync returns when Board shows everything committed before the call, or says why
	// that can not be known; nil: Board always does.
	Sync func(ctx context.Context) error
	// TLS returns what is shown to clients that begin with a TLS handshake; nil:
	// there are none.
	TLS func() (*tls.Config, error)
	// Patience is how long an answer waits for a move to be announced; 0: 2.5 s.
	Patience time.Duration
}

// Server answers clients on one node.
type Server struct {
	cfg     Config
	changes *bell
	moves   *moves
	reader  reader
	started time.Time
	running sync.WaitGroup // what Run has started

	mu       sync.Mutex
	sessions map[*session]struct{}
	ofHost   map[string]int // how many of the sessions
	lastID   int64
}

// New makes a server. It does nothing until Run.
func New(cfg Config) *Server {
	cfg.Port = cmp.Or(cfg.Port, Port)
	cfg.Patience = cmp.Or(cfg.Patience, patience)
	return &Server{cfg: cfg, changes: newBell(), moves: newMoves(), reader: reader{sync: cfg.Sync}, started: time.Now(), sessions: map[*session]struct{}{}, ofHost: map[string]int{}}
}

// Run listens and answers until ctx ends. It returns when every connection is
// closed and every goroutine gone; the error says why it could not listen.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	told := map[string]news{}
	if b := s.board(); b != nil { // whoever comes from here on is told of what changes from here on
		s.tell(b, told)
	}
	s.running.Go(func() { s.follow(ctx, told) })
	for err == nil && ctx.Err() == nil {
		s.admitAll(ctx, listener)
		if s.await(ctx, false); ctx.Err() == nil {
			listener, err = s.listen(ctx)
		}
	}
	if ctx.Err() != nil {
		err = nil
	}
	cancel()
	s.running.Wait()
	s.reader.readings.Wait()
	return err
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", net.JoinHostPort(s.cfg.Address, strconv.Itoa(s.cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	return listener, nil
}

// admitAll lets clients in until ctx ends or the node leaves them to the others. There
// are libraries that ask nobody else as long as somebody lets them in (Lettuce).
func (s *Server) admitAll(ctx context.Context, listener net.Listener) {
	ended, end := context.WithCancel(ctx)
	defer end()
	s.running.Go(func() {
		s.await(ended, true)
		_ = listener.Close()
	})
	s.accept(ctx, listener)
}

// await returns when the node leaves clients to the others, or does so no more, as asked.
func (s *Server) await(ctx context.Context, deferring bool) {
	for ctx.Err() == nil {
		changed := s.changes.wait()
		if b := s.board(); deferring == (b != nil && s.deferring(b)) {
			return
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

func (s *Server) accept(ctx context.Context, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of files, or the client is gone already
			s.cfg.Logger.Warn("discovery: accept failed", "error", err)
			waitFor(ctx, nil, 100*time.Millisecond)
			continue
		}
		s.running.Go(func() { s.serve(ctx, conn) })
	}
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	limited := &limitedConn{Conn: greet(conn, s.cfg.TLS)}
	c := &session{server: s, conn: limited, in: resp.NewConn(limited), version: 2, subscribed: map[channel]bool{}}
	if !s.admit(c) {
		c.send(resp.AppendError(nil, "ERR max number of clients reached"))
		return
	}
	defer s.dismiss(c)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c.run(ctx)
}

func (s *Server) admit(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= maxConnections || s.ofHost[c.host()] >= maxOfHost {
		return false
	}
	s.ofHost[c.host()]++
	s.lastID++
	c.id = s.lastID
	s.sessions[c] = struct{}{}
	return true
}

func (s *Server) dismiss(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	if s.ofHost[c.host()]--; s.ofHost[c.host()] == 0 {
		delete(s.ofHost, c.host())
	}
}

func (s *Server) connected() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*session, 0, len(s.sessions))
	for c := range s.sessions {
		list = append(list, c)
	}
	return list
}
