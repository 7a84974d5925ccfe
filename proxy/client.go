package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// Client is the daemon's side of the proxy's socket. It is safe for concurrent
// use and connects by itself, again if need be. Each call ends with its context
// at the latest.
type Client struct {
	socket string

	mu   sync.Mutex
	last int64
	idle []*wire
}

// wire is one connection to the proxy; it carries one request at a time.
type wire struct {
	net.Conn
	in *json.Decoder
}

// keepIdle is how many connections are kept for later.
const keepIdle = 8

// NewClient returns a client of the proxy that listens on the socket.
func NewClient(socket string) *Client { return &Client{socket: socket} }

// Apply makes the proxy follow the routes and returns when it does.
func (c *Client) Apply(ctx context.Context, r Routes) error {
	_, err := c.call(ctx, request{Routes: &r})
	return err
}

// Hold holds a range. It returns when no command sent before is unanswered
// (drained), or when the hold has ended by itself.
func (c *Client) Hold(ctx context.Context, h Hold) (drained bool, err error) {
	r, err := c.call(ctx, request{Hold: &h})
	return r.Drained, err
}

// Release ends a hold.
func (c *Client) Release(ctx context.Context, r Release) error {
	_, err := c.call(ctx, request{Release: &r})
	return err
}

// Aim points a range at its new master.
func (c *Client) Aim(ctx context.Context, a Aim) error {
	_, err := c.call(ctx, request{Aim: &a})
	return err
}

// ServeUntil lets the proxy send commands to engines until the instant, in
// nanoseconds of CLOCK_BOOTTIME.
func (c *Client) ServeUntil(ctx context.Context, nanos int64) error {
	_, err := c.call(ctx, request{ServeUntil: &nanos})
	return err
}

// Extend gives the proxy the right to serve these ranges beside the fence; that of
// all others ends.
func (c *Client) Extend(ctx context.Context, list []Extension) error {
	if list == nil {
		list = []Extension{}
	}
	_, err := c.call(ctx, request{Extend: &list})
	return err
}

// Stats asks what the proxy does.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	r, err := c.call(ctx, request{Stats: true})
	if err != nil || r.Stats == nil {
		return Stats{}, err
	}
	return *r.Stats, nil
}

// Quit ends the proxy and all its connections.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.call(ctx, request{Quit: true})
	return err
}

// Close closes the client's idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.idle {
		w.Close()
	}
	c.idle = nil
}

// call tries a kept connection first: if the proxy was started anew meanwhile,
// that one is dead. Every request may be repeated.
func (c *Client) call(ctx context.Context, q request) (response, error) {
	w := c.take(&q)
	if w != nil {
		if r, err := w.exchange(ctx, q); err == nil {
			return c.give(w, r)
		}
		w.Close()
		if ctx.Err() != nil {
			return response{}, c.wrap(ctx.Err())
		}
		c.Close()
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		return response{}, c.wrap(err)
	}
	w = &wire{conn, json.NewDecoder(conn)}
	r, err := w.exchange(ctx, q)
	if err != nil {
		w.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return response{}, c.wrap(err)
	}
	return c.give(w, r)
}

func (c *Client) wrap(err error) error { return fmt.Errorf("proxy on %s: %w", c.socket, err) }

// take numbers the request and returns an idle connection, if there is one.
func (c *Client) take(q *request) *wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	q.ID = c.last
	if len(c.idle) == 0 {
		return nil
	}
	w := c.idle[len(c.idle)-1]
	c.idle = c.idle[:len(c.idle)-1]
	return w
}

// give keeps the connection for later and returns what the proxy answered.
func (c *Client) give(w *wire, r response) (response, error) {
	c.mu.Lock()
	if len(c.idle) < keepIdle {
		c.idle = append(c.idle, w)
	} else {
		w.Close()
	}
	c.mu.Unlock()
	if r.Error != nil {
		return r, r.Error
	}
	return r, nil
}

func (w *wire) exchange(ctx context.Context, q request) (r response, err error) {
	w.SetDeadline(time.Time{})
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		w.SetDeadline(time.Unix(1, 0))
		close(ended)
	})
	defer func() {
		if !stop() {
			<-ended
		}
	}()
	if err := json.NewEncoder(w).Encode(q); err != nil {
		return r, err
	}
	for {
		r = response{}
		if err := w.in.Decode(&r); err != nil || r.ID == q.ID {
			return r, err
		}
	}
}
