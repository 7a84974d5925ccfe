package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
)

// control is the proxy's end of the control socket: it keeps the routes as they
// were merged from everything fed, and hands them to the loops.
type control struct {
	settings *settings
	loops    []*loop
	quit     chan struct{}
	once     sync.Once

	mu        sync.Mutex // one change of routes at a time
	revision  int64
	endpoints []EndpointRoute
	ranges    map[cluster.RangeID]RangeRoute
}

func newControl(s *settings, loops []*loop) *control {
	return &control{settings: s, loops: loops, quit: make(chan struct{}), ranges: map[cluster.RangeID]RangeRoute{}}
}

// listenControl opens the socket. Whoever holds the lock may remove what an
// earlier proxy left.
func listenControl(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("proxy: stale socket: %w", err)
	}
	// Made under another name first, so that it never stands open to others.
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	os.Remove(own)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: own, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("proxy: control socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(own, 0o600); err == nil {
		err = os.Rename(own, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("proxy: control socket: %w", err)
	}
	return l, nil
}

// serve answers until ctx ends or a Quit comes. It returns when all its
// goroutines are gone.
func (c *control) serve(ctx context.Context, listener net.Listener) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		select {
		case <-ctx.Done():
		case <-c.quit:
		}
		cancel()
		listener.Close()
	})
	for ctx.Err() == nil {
		conn, err := listener.Accept()
		if err != nil {
			// Out of descriptors, or the end.
			c.settings.log.Debug("control socket", "error", err)
			rest(ctx, 100*time.Millisecond)
			continue
		}
		serving.Go(func() { c.talk(ctx, conn) })
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// talk answers the requests on one connection, one after another.
func (c *control) talk(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for {
		var q request
		if err := in.Decode(&q); err != nil {
			return
		}
		if err := out.Encode(c.answer(q)); err != nil {
			return
		}
		if q.Quit {
			c.once.Do(func() { close(c.quit) })
		}
	}
}

func (c *control) answer(q request) response {
	r := response{ID: q.ID}
	var err error
	switch {
	case q.Routes != nil:
		err = c.apply(*q.Routes)
	case q.Hold != nil:
		r.Drained, err = c.hold(*q.Hold)
	case q.Release != nil:
		c.release(*q.Release)
	case q.Aim != nil:
		err = c.aim(*q.Aim)
	case q.ServeUntil != nil:
		c.serveUntil(*q.ServeUntil)
	case q.Extend != nil:
		c.extend(*q.Extend)
	case q.Stats:
		r.Stats = c.stats()
	}
	if err != nil && !errors.As(err, &r.Error) {
		r.Error = cluster.Refuse(cluster.CodeInternal, "", "proxy: %v", err)
	}
	return r
}

// onLoops has f run by every loop, and waits.
func (c *control) onLoops(f func(*loop)) {
	var all sync.WaitGroup
	for _, l := range c.loops {
		all.Go(func() { l.post(func() { f(l) }) })
	}
	all.Wait()
}

func (c *control) apply(r Routes) error {
	if err := check(r); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Revision < c.revision {
		return cluster.Refuse(cluster.CodeStale, "", "proxy: routes of revision %d are older than the %d applied", r.Revision, c.revision)
	}
	c.merge(r)
	c.onLoops(func(l *loop) { l.follow(c.revision, c.endpoints) })
	return nil
}

// merge takes over the routes; of each range the highest generation known holds.
func (c *control) merge(r Routes) {
	c.revision, c.endpoints = r.Revision, r.Endpoints
	known := c.ranges
	c.ranges = map[cluster.RangeID]RangeRoute{}
	for _, e := range r.Endpoints {
		for _, rr := range e.Ranges {
			newest := rr
			for _, older := range []map[cluster.RangeID]RangeRoute{known, c.ranges} {
				if k, ok := older[rr.ID]; ok && k.Generation > newest.Generation {
					newest.Generation, newest.Address, newest.Lost = k.Generation, k.Address, k.Lost
				}
			}
			c.ranges[rr.ID] = newest
		}
	}
	for _, e := range r.Endpoints {
		for i := range e.Ranges {
			e.Ranges[i] = c.ranges[e.Ranges[i].ID]
		}
	}
}

func (c *control) aim(a Aim) error {
	if !addressOf(a.Address).IsValid() {
		return badAddress(a.Address)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, routed := c.ranges[a.Range]
	if !routed || a.Generation <= r.Generation {
		return nil
	}
	r.Generation, r.Address, r.Lost = a.Generation, a.Address, false
	c.ranges[a.Range] = r
	for _, e := range c.endpoints {
		if i := slices.IndexFunc(e.Ranges, func(x RangeRoute) bool { return x.ID == a.Range }); i >= 0 {
			e.Ranges[i] = r
		}
	}
	c.onLoops(func(l *loop) {
		if s := l.shards[a.Range]; s != nil {
			s.aim(a.Generation, addressOf(a.Address))
		}
	})
	return nil
}

// hold returns when nothing sent before is unanswered in any loop, or when the
// hold has ended.
func (c *control) hold(h Hold) (bool, error) {
	quiet := make(chan bool, len(c.loops))
	asked, err := c.beginHold(h, quiet)
	if err != nil {
		return false, err
	}
	drained := true
	for range asked {
		drained = <-quiet && drained
	}
	return drained, nil
}

func (c *control) beginHold(h Hold, quiet chan bool) (asked int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, routed := c.ranges[h.Range]
	if !routed {
		return 0, nil
	}
	if h.Generation <= r.Generation {
		return 0, cluster.Refuse(cluster.CodeStale, "name the generation that comes next",
			"proxy: range %s already has generation %d, not below %d", h.Range, r.Generation, h.Generation)
	}
	c.onLoops(func(l *loop) {
		if s := l.shards[h.Range]; s != nil {
			s.begin(h.Generation, l.now+int64(h.For), func(drained bool) { quiet <- drained })
		} else {
			quiet <- true
		}
	})
	return len(c.loops), nil
}

func (c *control) release(r Release) {
	c.onLoops(func(l *loop) {
		if s := l.shards[r.Range]; s != nil && s.hold != nil && s.hold.generation == r.Generation {
			s.endHold(true)
		}
	})
}

func (c *control) stats() *Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := &Stats{PID: os.Getpid(), Revision: c.revision}
	for _, e := range c.endpoints {
		st.Endpoints = append(st.Endpoints, EndpointStats{ID: e.ID, Listening: true})
	}
	var mu sync.Mutex
	c.onLoops(func(l *loop) {
		mu.Lock()
		defer mu.Unlock()
		for i := range st.Endpoints {
			st.Endpoints[i].add(l.endpoints[st.Endpoints[i].ID].stats())
		}
	})
	return st
}

// add joins what another loop does for the same endpoint.
func (e *EndpointStats) add(o EndpointStats) {
	e.Listening = e.Listening && o.Listening
	if e.Reason == "" {
		e.Reason = o.Reason
	}
	e.Connections += o.Connections
	e.TLS = e.TLS || o.TLS
	e.Waiting += o.Waiting
	e.Drained += o.Drained
	e.Cut += o.Cut
	e.Commands += o.Commands
	e.Held += o.Held
	e.Retried += o.Retried
	e.Counts.Add(o.Counts)
}

// check refuses routes that cannot be followed.
func check(r Routes) error {
	for _, e := range r.Endpoints {
		if _, err := netip.ParseAddr(e.Address); err != nil && e.Listen {
			return badAddress(e.Address)
		}
		for _, rr := range e.Ranges {
			if rr.Address != "" && !addressOf(rr.Address).IsValid() {
				return badAddress(rr.Address)
			}
			if rr.First < 0 || rr.Last < rr.First || rr.Last >= cluster.Slots {
				return cluster.Refuse(cluster.CodeBadRequest, "", "proxy: range %s has slots %d-%d", rr.ID, rr.First, rr.Last)
			}
		}
	}
	return nil
}

// addressOf reads ip:port; the result is not valid if it cannot.
func addressOf(text string) netip.AddrPort {
	a, _ := netip.ParseAddrPort(text)
	return a
}

func badAddress(text string) error {
	return cluster.Refuse(cluster.CodeBadRequest, "", "proxy: %q is no address", text)
}
