package proxy

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Config is what the proxy process is started with. The zero value of all but
// Socket is usable.
type Config struct {
	Socket string       // path of the control socket
	Loops  int          // event loops; 0: one
	Logger *slog.Logger // nil: nothing is logged
	// Clock tells CLOCK_BOOTTIME in nanoseconds; nil: the host's.
	Clock func() int64
	// MaxOutput is the number of bytes that may wait for a client before no more of its
	// commands are read. It is closed if it takes nothing then for as long as Patience, and
	// at four times as much; one that has subscribed to something, at once. 0: 64 MiB.
	MaxOutput int
	// MaxQueued is the number of bytes of unanswered commands in a loop above
	// which clients are read no more until there are fewer; each command counts
	// some bytes more than it has. 0: 64 MiB.
	MaxQueued int
	// MaxInput is the number of bytes of one command after which its client is
	// closed; 0: 1 GiB, as with the engine.
	MaxInput int
	// MaxOwn is how many connections clients may have of their own at one engine: for calls
	// that wait, subscriptions, caches. 0: 8,000, since an engine takes 10,000 of all kinds.
	MaxOwn int
	// Patience is how long a command waits for a master that executes it, and
	// FencePatience how long for the cluster when nothing may be sent; 0: 10 s
	// and 5 s.
	Patience, FencePatience time.Duration
	// ConfirmFor is how long replicas may take to have a write where min_replicas is
	// set; 0: 2 s.
	ConfirmFor time.Duration
}

// settings are what all loops share. Only the fence changes.
type settings struct {
	loops     []*loop // all of them
	log       *slog.Logger
	clock     func() int64
	fence     fence
	sharing   bool // several loops listen on one address
	maxOutput int
	maxQueued int
	maxInput  int
	maxFile   int // descriptors from this number on are not for clients
	maxOwn    int
	places    *places
	// In nanoseconds.
	patience, fencePatience int64
	confirmFor              int64
	bridges                 *bridges
}

// Run serves until ctx ends or the proxy is told to quit, and returns when all
// its goroutines are gone and all its connections closed. It refuses to start
// while another proxy process lives behind the socket.
func Run(ctx context.Context, c Config) error {
	s := newSettings(c)
	lock, err := takeLock(c.Socket)
	if err != nil {
		return err
	}
	defer lock.Close()
	listener, err := listenControl(c.Socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	loops, err := newLoops(s, max(1, c.Loops))
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, l := range loops {
		running.Go(l.run)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Go(func() { endOrphaned(ctx, cancel, lock, s) })
	newControl(s, loops).serve(ctx, listener)
	cancel()
	for _, l := range loops {
		l.post(func() { l.ended = true })
	}
	running.Wait()
	s.bridges.end()
	return nil
}

func newSettings(c Config) *settings {
	s := &settings{
		bridges: &bridges{open: map[*net.TCPConn]struct{}{}},
		log:     c.Logger, clock: c.Clock, sharing: c.Loops > 1,
		maxOutput: cmp.Or(c.MaxOutput, 64<<20), maxQueued: cmp.Or(c.MaxQueued, 64<<20), maxInput: cmp.Or(c.MaxInput, 1<<30),
		maxFile: filesForClients(), maxOwn: cmp.Or(c.MaxOwn, 8000), places: newPlaces(),
		patience: int64(cmp.Or(c.Patience, 10*time.Second)), fencePatience: int64(cmp.Or(c.FencePatience, 5*time.Second)),
		confirmFor: int64(cmp.Or(c.ConfirmFor, 2*time.Second)),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = bootTime
	}
	return s
}

func newLoops(s *settings, n int) ([]*loop, error) {
	var loops []*loop
	for range n {
		l, err := newLoop(s)
		if err != nil {
			for _, l := range loops {
				l.close()
			}
			return nil, err
		}
		loops = append(loops, l)
	}
	s.loops = loops
	return loops, nil
}

// follow makes the loop's endpoints and shards what the routes say. They are
// well formed.
func (l *loop) follow(revision int64, endpoints []EndpointRoute) {
	wanted := map[cluster.EndpointID]bool{}
	ranges := map[cluster.RangeID]bool{}
	for _, r := range endpoints {
		wanted[r.ID] = true
		var shards []*shard
		for _, rr := range r.Ranges {
			ranges[rr.ID] = true
			shards = append(shards, l.followRange(rr, r))
		}
		e := l.endpoints[r.ID]
		if e == nil {
			e = &endpoint{loop: l, fd: -1, subscribing: map[*subscriber]struct{}{}}
			l.endpoints[r.ID] = e
		}
		e.follow(r, shards)
		e.tell(newsOf(r, revision))
	}
	for id, e := range l.endpoints {
		if !wanted[id] {
			e.close()
			delete(l.endpoints, id)
		}
	}
	for id, s := range l.shards {
		if !ranges[id] {
			s.close()
			delete(l.shards, id)
		}
	}
}

func (l *loop) followRange(r RangeRoute, of EndpointRoute) *shard {
	s := l.shards[r.ID]
	if s == nil {
		s = &shard{loop: l, id: r.ID}
		l.shards[r.ID] = s
	}
	s.follow(r, addressOf(r.Address), of.ProxyPassword)
	s.confirmBy(of.MinReplicas)
	return s
}
