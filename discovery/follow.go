package discovery

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
)

// bell wakes everybody who waits for the next ring.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func newBell() *bell { return &bell{next: make(chan struct{})} }

// wait returns a channel that is closed by the next ring. Take it before
// looking at what the ring is about.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}

// moves remembers since when each endpoint has been on its way, and which nodes
// have said that it has left them: since when, by their board, it was to.
type moves struct {
	mu    sync.Mutex
	since map[cluster.EndpointID]time.Time
	left  map[cluster.EndpointID]map[int]time.Time
}

func newMoves() *moves {
	return &moves{since: map[cluster.EndpointID]time.Time{}, left: map[cluster.EndpointID]map[int]time.Time{}}
}

// see notes which endpoints are on their way now.
func (m *moves) see(b *cluster.Board, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, e := range b.Endpoints {
		if _, known := m.since[id]; moving(e) && !known {
			m.since[id] = now
		}
	}
	for id := range m.since {
		if !moving(b.Endpoints[id]) {
			delete(m.since, id)
		}
	}
	for id := range m.left {
		if !moving(b.Endpoints[id]) {
			delete(m.left, id)
		}
	}
}

// drained notes that the endpoint has left a node.
func (m *moves) drained(id cluster.EndpointID, node int, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left[id] == nil {
		m.left[id] = map[int]time.Time{}
	}
	m.left[id][node] = since
}

// over reports whether the endpoint has left every node that it was to leave.
func (m *moves) over(e cluster.Endpoint) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range e.Draining {
		if since, told := m.left[e.ID][n]; !told || !since.Equal(e.Since) {
			return false
		}
	}
	return true
}

// began returns when the endpoint was first seen on its way.
func (m *moves) began(id cluster.EndpointID, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, known := m.since[id]; known {
		return t
	}
	return now
}

// moving reports whether the endpoint answers elsewhere already, while the
// node that was announced last still closes connections.
func moving(e cluster.Endpoint) bool {
	return len(e.Nodes) > 0 && len(e.Draining) > 0 && announced(e) != e.Nodes[0]
}

// follow watches the board until ctx ends: it wakes answers that wait, and
// tells subscribers of each announcement. told is what they know.
func (s *Server) follow(ctx context.Context, told map[string]news) {
	for range s.cfg.Subscribe(ctx) {
		if b := s.board(); b != nil {
			s.moves.see(b, time.Now())
			s.tell(b, told)
		}
		s.changes.ring()
	}
}

// news is what subscribers know of a master.
type news struct{ announced, next target }

// tell publishes what has changed since the last time. told is what subscribers
// know, also of what this host does not show for a while, as without its lease. Three
// words of Sentinel's fit three kinds of libraries:
//
//	+switch-master   when the old node is empty, for those who then close what they have (go-redis)
//	-sdown           with it, for node-redis, whose pattern lacks the plus
//	+reboot          when the new node serves, for those who finish what they have and try nothing twice (rueidis, valkey-go)
func (s *Server) tell(b *cluster.Board, told map[string]news) {
	for _, m := range masters(b) {
		before, known := told[m.name]
		told[m.name] = news{m.announced, m.address}
		if !known {
			continue
		}
		if moving(m.endpoint) && before.next != m.address {
			s.publish("+reboot", "master "+m.name+" "+m.address.String())
		}
		if before.announced != m.announced {
			s.publish("+switch-master", m.name+" "+before.announced.String()+" "+m.announced.String())
			s.publish("-sdown", "master "+m.name+" "+m.announced.String())
			s.cfg.Logger.Info("endpoint announced", "database", m.name, "from", before.announced.String(), "to", m.announced.String())
		}
	}
	names := map[string]bool{}
	for _, d := range b.Databases {
		names[d.Name] = true
	}
	maps.DeleteFunc(told, func(name string, _ news) bool { return !names[name] })
}

// publish waits for nobody: a client that does not read must not keep the others
// from hearing it.
func (s *Server) publish(name, payload string) {
	for _, c := range s.connected() {
		if c.publish(name, payload) {
			s.running.Go(func() { c.flush() })
		}
	}
}

// Drained takes in what a node says of an endpoint that was to leave it since then:
// its clients are closed, so the new address may be told before the leader
// announces it.
func (s *Server) Drained(id cluster.EndpointID, node int, since time.Time) {
	s.moves.drained(id, node, since)
	s.changes.ring()
}

// settle waits until the address of that name may be told: see the package
// comment. It never waits longer than Patience from the beginning of the move.
func (s *Server) settle(ctx context.Context, name string) {
	now := time.Now()
	for ctx.Err() == nil {
		changed := s.changes.wait()
		m, known := s.master(name)
		if !known || !moving(m.endpoint) || s.moves.over(m.endpoint) {
			return
		}
		left := s.cfg.Patience - time.Since(s.moves.began(m.endpoint.ID, now))
		if left <= 0 {
			return
		}
		waitFor(ctx, changed, left)
	}
}

// waitFor waits for c, for d or for the end of ctx, whichever comes first.
func waitFor(ctx context.Context, c <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-c:
	case <-t.C:
	}
}
