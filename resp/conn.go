package resp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"
)

// Conn is a connection that speaks the protocol, from either end. It is for
// one goroutine at a time; only Close and SetDeadline may come from others.
type Conn struct {
	c   net.Conn
	r   *bufio.Reader
	w   *bufio.Writer
	out []byte
}

// Dial connects to host:port.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewConn(c), nil
}

// NewConn speaks the protocol over c, which it owns from now on.
func NewConn(c net.Conn) *Conn {
	return &Conn{c: c, r: bufio.NewReaderSize(c, 16<<10), w: bufio.NewWriter(c)}
}

// Do sends one command and waits for its reply. An error reply comes back as
// the Value and as an [Error]; any other error means that the connection is of
// no further use, and Do has closed it. The end of ctx ends the wait.
func (c *Conn) Do(ctx context.Context, args ...string) (Value, error) {
	values, err := c.Pipeline(ctx, args)
	if err != nil {
		return Value{}, err
	}
	return values[0], values[0].Err()
}

// Pipeline sends all commands in one write and waits for all replies. Error
// replies stay inside the values; an error means that the connection is of no
// further use, and Pipeline has closed it. Pushes in between are skipped.
func (c *Conn) Pipeline(ctx context.Context, cmds ...[]string) ([]Value, error) {
	done := c.bind(ctx)
	values, err := c.exchange(cmds)
	done()
	if err == nil {
		return values, nil
	}
	c.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, fmt.Errorf("engine %s: %w", c.RemoteAddr(), err)
}

// bind ends the connection's waits when ctx ends, until done is called.
func (c *Conn) bind(ctx context.Context) (done func()) {
	_ = c.SetDeadline(time.Time{})
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(time.Unix(1, 0))
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
		}
	}
}

func (c *Conn) exchange(cmds [][]string) ([]Value, error) {
	c.out = c.out[:0]
	for _, args := range cmds {
		c.out = AppendCommand(c.out, args...)
	}
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	values := make([]Value, 0, len(cmds))
	for len(values) < len(cmds) {
		v, err := c.ReadValue()
		if err != nil {
			return nil, err
		}
		if v.Kind != KindPush {
			values = append(values, v)
		}
	}
	return values, nil
}

// Write appends bytes to the output; they are sent by Flush at the latest.
func (c *Conn) Write(b []byte) (int, error) { return c.w.Write(b) }

// Flush sends what was written.
func (c *Conn) Flush() error { return c.w.Flush() }

// Buffered returns the number of bytes received and not yet read.
func (c *Conn) Buffered() int { return c.r.Buffered() }

// Close closes the connection and ends a wait on it.
func (c *Conn) Close() error { return c.c.Close() }

// SetDeadline bounds the reads and writes to come; the zero time means never.
// Do and Pipeline set their own.
func (c *Conn) SetDeadline(t time.Time) error { return c.c.SetDeadline(t) }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.c.LocalAddr() }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.c.RemoteAddr() }
