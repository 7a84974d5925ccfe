package proxy

import (
	"math"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Clients come in any number, and many have lines of their own to engines. So that one
// crowd keeps no database's masters out of reach, a part of the descriptors that the
// process may have is for the links alone. A new descriptor is the lowest number that is
// free: its own number says how many are taken at least.

// filesForClients is the number from which on descriptors are not for clients.
func filesForClients() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(limit.Cur-limit.Cur/8, math.MaxInt32))
}

const errCrowd = "ERR max number of clients reached"

// turnAway tells a client that there is no place for it, as an engine does.
func (e *endpoint) turnAway(fd int) {
	e.counts.TurnedAway++
	if e.door == nil {
		_, _ = transmit(fd, []byte("-"+errCrowd+"\r\n"))
	}
	unix.Close(fd)
}

// places counts the connections that clients of all loops have of their own at each
// engine. An engine that has no place left lets its agent in no more, who then takes it
// for one that hangs: so proxies stop before.
type places struct {
	mu    sync.Mutex
	taken map[netip.AddrPort]int
}

func newPlaces() *places { return &places{taken: map[netip.AddrPort]int{}} }

// take takes a place at the engine unless there are as many already.
func (p *places) take(at netip.AddrPort, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[at] >= most {
		return false
	}
	p.taken[at]++
	return true
}

func (p *places) leave(at netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[at]--; p.taken[at] == 0 {
		delete(p.taken, at)
	}
}

const errPlaces = "ERR max number of clients reached: no place at this shard for more calls that wait, subscriptions and caches"

// crowded reports whether clients have all the places at the master that are for them.
func (s *shard) crowded() bool {
	p := s.loop.places
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken[s.address] >= s.loop.maxOwn
}

// dialOwn is dialTCP for what is one client's alone. Such connections may have no place.
func (l *loop) dialOwn(at netip.AddrPort) (int, error) {
	if !l.places.take(at, l.maxOwn) {
		return -1, unix.EAGAIN
	}
	fd, err := dialTCP(at)
	if err == nil && fd >= l.maxFile {
		unix.Close(fd)
		err = unix.EMFILE
	}
	if err != nil {
		l.places.leave(at)
	}
	return fd, err
}
