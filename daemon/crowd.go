package daemon

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of what callers of the REST port may use up. A request may take as long
// as the leader is waited for, and reading it must not end before.
const (
	maxCallers = 2048 // connections
	maxOfHost  = 256  // of them from one host

	// At the port between daemons those count that have not proved themselves yet; they
	// have five seconds for it.
	maxStrangers  = 1024
	maxOfStranger = 256

	headerTimeout = 10 * time.Second
	callTimeout   = 2 * time.Minute
)

// bounded is an http.Server that nobody can hold up for ever.
func bounded(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout, IdleTimeout: callTimeout,
		MaxHeaderBytes: 64 << 10,
	}
}

// crowd is a listener that closes connections above the limits at once.
type crowd struct {
	net.Listener
	all, each int

	mu     sync.Mutex
	total  int
	ofHost map[string]int
}

func newCrowd(l net.Listener, all, each int) *crowd {
	return &crowd{Listener: l, all: all, each: each, ofHost: map[string]int{}}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		if c.admit(host) {
			return &caller{Conn: conn, leave: sync.OnceFunc(func() { c.dismiss(host) })}, nil
		}
		_ = conn.Close() // nothing was said yet
	}
}

func (c *crowd) admit(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.all || c.ofHost[host] >= c.each {
		return false
	}
	c.total++
	c.ofHost[host]++
	return true
}

func (c *crowd) dismiss(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.ofHost[host]--; c.ofHost[host] == 0 {
		delete(c.ofHost, host)
	}
}

type caller struct {
	net.Conn
	leave func()
}

// Known takes the caller out of the crowd. What a server knows, it bounds by itself.
func (c *caller) Known() { c.leave() }

// Close implements net.Conn.
func (c *caller) Close() error {
	c.leave()
	return c.Conn.Close()
}
