package store

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/cluster"
)

const handOnTimeout = time.Second

// Store is the quorum as this node sees it. Safe for concurrent use.
type Store struct {
	cfg    Config
	start  start
	log    *slog.Logger
	codec  *codec
	mirror *mirror

	ttl    time.Duration // asked for the node's lease
	logCap int64         // entries kept

	spaceEvery time.Duration // between looks at what the data takes

	serveUntil atomic.Int64
	serveSince atomic.Int64
	granted    atomic.Int64           // seconds, of this node's lease
	tenure     atomic.Pointer[tenure] // the last of this node that is as old as a lease

	saving sync.Mutex // one backup at a time

	mu      sync.Mutex
	link    *link         // nil before Run has started it and after it ended
	linked  chan struct{} // closed when link is set
	stopped chan struct{} // closed when Run is about to end
}

// Run takes part in the quorum, or follows it, until ctx ends, and returns
// when its goroutines are gone. It runs once. A member that leads hands raft's
// leadership on. The node's lease is left to expire, because what the node
// serves outlives its daemon. Errors: [ErrRemoved], and refusals with the codes
// foreign_data_folder, damaged_data_folder, join_refused.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.stopped)
	if s.cfg.Dir != "" {
		latest, err := openLatest(s.cfg.Dir, s.log)
		if err != nil {
			return err
		}
		defer latest.close()
		s.mirror.remember(latest)
	}
	l, err := newLink(s.cfg, s.start)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.link = l
	s.mu.Unlock()
	close(s.linked)
	defer func() {
		s.handOn(l)
		s.mu.Lock()
		s.link = nil
		s.mu.Unlock()
		l.close()
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.mirror.run(ctx, l) })
	g.Go(func() error { return s.keepLease(ctx, l) })
	g.Go(func() error { return l.follow(ctx) })
	g.Go(func() error { return s.watchRemoval(ctx, l) })
	g.Go(func() error { return s.keepSpace(ctx, l) })
	if l.member != nil {
		g.Go(func() error { return l.member.watch(ctx) })
	}
	return g.Wait()
}

// handOn spares the others an election, if this member leads and one of them is up.
func (s *Store) handOn(l *link) {
	if l.member == nil || !l.member.leads() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOnTimeout)
	defer cancel()
	if err := s.TransferLeadership(ctx, 0); err != nil {
		s.log.Info("stopped without a successor as cluster master", "error", err)
	}
}

// connected returns the way to etcd while Run has one.
func (s *Store) connected() (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil, notRunning()
	}
	return s.link, nil
}

// member returns this node's member, for what only members can do.
func (s *Store) member() (*member, error) {
	l, err := s.connected()
	if err != nil {
		return nil, err
	}
	if l.member == nil {
		return nil, cluster.Refuse(cluster.CodeNoLeader, "ask a node that votes", "node %d has no member of the quorum", s.cfg.NodeID)
	}
	return l.member, nil
}

// Member reports whether this node holds a copy of the state: it is a voter or a learner.
func (s *Store) Member() bool { return s.cfg.HasMember }

// Ready is closed when the board has been loaded. Without a quorum a member that has been
// in the cluster before loads what it knows itself, and a client what any voter knows, if
// that is no older than what it was shown before.
func (s *Store) Ready() <-chan struct{} { return s.mirror.loaded }

// Board returns the newest board this node knows; an empty one before [Store.Ready].
func (s *Store) Board() *cluster.Board { return s.mirror.state().board }

// Subscribe returns a channel with the present board, if it is loaded, and each
// newer one; who reads slowly gets only the newest. It is closed when ctx ends.
func (s *Store) Subscribe(ctx context.Context) <-chan *cluster.Board { return s.mirror.subscribe(ctx) }

// Alive returns the nodes whose lease stands, by the mirror.
func (s *Store) Alive() map[int]bool { return s.alive(s.mirror.state()) }

// Endpoints returns the client URLs that a client uses now, to be kept for its
// next start; none for a member.
func (s *Store) Endpoints() []string {
	l, err := s.connected()
	if err != nil {
		return nil
	}
	return l.endpoints()
}
