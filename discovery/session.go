package discovery

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/resp"
)

// channel is what a client subscribed to: a channel, or a pattern of such.
type channel struct {
	name    string
	pattern bool
}

// session is one client's connection. Its own goroutine reads commands and
// answers; the server's goroutine publishes. What they have to say waits in one
// queue, in the order in which it is true: a confirmation comes before the first
// message.
type session struct {
	server *Server
	conn   *limitedConn
	in     *resp.Conn
	id     int64

	writing sync.Mutex // taken before mu, and never by who publishes

	mu         sync.Mutex // guards what follows; not held for long
	name       string     // as the client calls itself
	version    int        // of the protocol
	subscribed map[channel]bool
	greeted    bool   // it has sent a command
	queued     []byte // to be written
	messages   int    // bytes of messages among them
}

// host is where the client comes from.
func (c *session) host() string {
	host, _, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	return host
}

// run reads and answers until the client goes or misbehaves.
func (c *session) run(ctx context.Context) {
	for {
		c.conn.allow(maxCommand, c.patience())
		args, err := c.in.ReadCommand()
		var violation resp.ProtocolError
		switch {
		case errors.As(err, &violation):
			c.send(resp.AppendError(nil, string(violation)))
			return
		case errors.Is(err, errTooLong):
			c.send(resp.AppendError(nil, "ERR Protocol error: command too long"))
			return
		case err != nil:
			return
		}
		if !c.do(ctx, args) {
			return
		}
	}
}

// patience is how long a client may be silent. Subscribers usually are.
func (c *session) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.subscribed) > 0 {
		return 0
	}
	if !c.greeted {
		return firstTimeout
	}
	return idleTimeout
}

// do carries out one command and reports whether the connection goes on. What
// an answer has to wait for is awaited before the lock is taken, so that
// messages get through.
func (c *session) do(ctx context.Context, args []string) bool {
	if name, ok := asksForAddress(args); ok {
		within := freshness
		if name == "" {
			within = freshnessOfAll
		}
		// A board that shows the move is new enough: its end is waited for anyway.
		m, known := c.server.master(name)
		if c.server.board() != nil && !(known && moving(m.endpoint)) { // without a board another host is to be asked, at once
			c.server.reader.catchUp(ctx, within)
		}
		c.server.settle(ctx, name) // not where all are asked for: see freshnessOfAll
	}
	c.mu.Lock()
	c.greeted = true
	reply, last := c.answer(args)
	c.queue(reply)
	c.mu.Unlock()
	return c.flush() && !last
}

// answer returns the reply, and whether it is the last. It is for the holder
// of mu, as are all commands.
func (c *session) answer(args []string) (reply []byte, last bool) {
	name := strings.ToLower(args[0])
	cmd, known := commands[name]
	switch {
	case name == "quit":
		return resp.AppendSimple(nil, "OK"), true
	case c.restricted(name):
		return resp.AppendError(nil, "ERR Can't execute '"+printable(name)+
			"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"), false
	case !known:
		return resp.AppendError(nil, "ERR unknown command '"+printable(args[0])+"'"), false
	case len(args) < cmd.least:
		return resp.AppendError(nil, "ERR wrong number of arguments for '"+name+"' command"), false
	}
	return cmd.reply(c, args[1:]), false
}

// restricted reports whether the command is not for a client that gets
// messages in version 2, where they can not be told from replies.
func (c *session) restricted(name string) bool {
	if c.version > 2 || len(c.subscribed) == 0 {
		return false
	}
	switch name {
	case "subscribe", "psubscribe", "unsubscribe", "punsubscribe", "ping", "reset":
		return false
	}
	return true
}

// send writes b, behind what is queued.
func (c *session) send(b []byte) {
	c.mu.Lock()
	c.queue(b)
	c.mu.Unlock()
	c.flush()
}

// queue is for the holder of mu. It reports whether nobody is about to flush:
// whoever put something there before writes this along with it.
func (c *session) queue(b []byte) (flush bool) {
	flush = len(c.queued) == 0 && len(b) > 0
	c.queued = append(c.queued, b...)
	return flush
}

// flush returns when all that is queued has been written, and whether the client
// took it.
func (c *session) flush() bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	b := c.queued
	c.queued, c.messages = nil, 0
	c.mu.Unlock()
	return len(b) == 0 || c.write(b)
}

// write is for the holder of writing. It reports whether the client took b; one
// that did not is closed.
func (c *session) write(b []byte) bool {
	err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.conn.Write(b)
	}
	if err != nil {
		_ = c.conn.Close() // the reader finds out
	}
	return err == nil
}

// board returns the board, or an empty one while there is none.
func (c *session) board() *cluster.Board {
	if b := c.server.board(); b != nil {
		return b
	}
	return &cluster.Board{}
}

// printable shortens what a client sent and takes out what does not belong in
// a line of text.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 64)]
}

// errTooLong says that a command is longer than allowed.
var errTooLong = errors.New("command too long")

// limitedConn lets only so many bytes in, for each command anew.
type limitedConn struct {
	net.Conn
	left int
}

// allow lets another n bytes in, within d; 0 means without a limit of time.
func (l *limitedConn) allow(n int, d time.Duration) {
	l.left = n
	deadline := time.Time{}
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = l.SetReadDeadline(deadline) // fails on a closed connection, as the next read will
}

// Read implements net.Conn.
func (l *limitedConn) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
