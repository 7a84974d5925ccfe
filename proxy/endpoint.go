package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/haulout/haulout/cluster"
	"golang.org/x/sys/unix"
)

// endpoint is one loop's part of an endpoint: its listening socket, its
// clients, and the shards behind it.
type endpoint struct {
	loop    *loop
	route   EndpointRoute
	shards  []*shard // in slot order
	clients sessions
	users   map[string]*user

	subscribing map[*subscriber]struct{} // whose subscriptions are under way

	fd      int // listening; -1: not
	seat    seat
	reason  string
	retryAt int64

	door      *door
	unwelcome map[*session]int64 // and when they are cut
	barred    error              // why nobody can come in by the door

	drain    drain
	news     news
	commands int64
	held     int64
	retried  int64
	counts   cluster.ClientCounts
}

const (
	listenRetry  = int64(500e6) // nanoseconds until a failed bind or accept is tried again
	acceptsATurn = 64
)

// shardAt returns the shard that has the slot, or nil if no range has it.
func (e *endpoint) shardAt(slot int) *shard {
	i := 0
	if len(e.shards) > 1 {
		i = sort.Search(len(e.shards), func(i int) bool { return e.shards[i].last >= slot })
	}
	if i == len(e.shards) || e.shards[i].first > slot || e.shards[i].last < slot {
		return nil
	}
	return e.shards[i]
}

// follow makes the endpoint what its route says.
func (e *endpoint) follow(r EndpointRoute, shards []*shard) {
	moved := r.Address != e.route.Address || r.Port != e.route.Port
	e.barred = e.followDoor(r.TLS)
	if r.Password != e.route.Password || r.NoDefault != e.route.NoDefault {
		defer e.forgetLogins()
	}
	e.followUsers(r)
	e.route = r
	e.shards = slices.SortedFunc(slices.Values(shards), func(a, b *shard) int { return a.first - b.first })
	if e.fd >= 0 && (moved || !r.Listen || e.barred != nil) {
		e.stopListening()
	}
	if e.fd < 0 && r.Listen {
		e.listen()
	}
	if !r.Listen {
		e.reason = ""
	}
	e.followDrain()
}

// forgetLogins closes the clients that came in as the default user by an older
// password. They may come back with the new one.
func (e *endpoint) forgetLogins() {
	for s := range e.sessions() {
		if s.user == nil {
			s.close()
		}
	}
}

func (e *endpoint) listen() {
	err := e.bind()
	if err == nil {
		e.reason = ""
		return
	}
	e.reason = fmt.Sprintf("listen on %s port %d: %v", e.route.Address, e.route.Port, err)
	e.retryAt = e.loop.now + listenRetry
	e.loop.wake(e.retryAt)
}

func (e *endpoint) bind() error {
	if e.barred != nil {
		return e.barred
	}
	addr, err := netip.ParseAddr(e.route.Address)
	if err != nil {
		return err
	}
	e.fd, err = listenTCP(netip.AddrPortFrom(addr, uint16(e.route.Port)), e.loop.sharing)
	if err == nil {
		e.seat = e.loop.add(e.fd, unix.EPOLLIN, e)
	}
	return err
}

func (e *endpoint) stopListening() {
	e.loop.drop(e.fd, e.seat)
	e.fd = -1
}

// ready accepts clients.
func (e *endpoint) ready(uint32) {
	for range acceptsATurn {
		fd, err := accept(e.fd)
		switch {
		case err == nil && fd >= e.loop.maxFile:
			e.turnAway(fd)
		case err == nil:
			tune(fd)
			if e.door != nil {
				e.admit(fd)
			} else {
				e.loop.open(fd, e)
			}
		case err == unix.ECONNABORTED || err == unix.EINTR:
		case later(err):
			return
		default:
			// Out of descriptors: look away for a while, or the loop would spin.
			e.reason = "accept: " + err.Error()
			e.loop.watch(e.fd, e.seat, 0)
			e.retryAt = e.loop.now + listenRetry
			e.loop.wake(e.retryAt)
			return
		}
	}
}

// tick tries again what failed, and drains.
func (e *endpoint) tick() {
	if e.retryAt > 0 {
		e.retry()
	}
	e.tickDoor()
	e.tickDrain()
}

func (e *endpoint) retry() {
	if e.loop.now < e.retryAt {
		e.loop.wake(e.retryAt)
		return
	}
	e.retryAt = 0
	switch {
	case e.fd >= 0:
		e.reason = ""
		e.loop.watch(e.fd, e.seat, unix.EPOLLIN)
	case e.route.Listen:
		e.listen()
	}
}

// close ends the endpoint and all its clients.
func (e *endpoint) close() {
	if e.fd >= 0 {
		e.stopListening()
	}
	for s := range e.sessions() {
		s.close()
	}
}

// waiting counts the clients that have no rest point for as long as they like, and
// those that were told where to go and have their time for it: nobody else is to
// wait for them.
func (e *endpoint) waiting() (n int) {
	if !e.drain.active {
		return 0
	}
	for s := range e.sessions() {
		told := s.notices.on && s.stays()
		if told || s.waits() || s.subscriber != nil && !s.subscriber.idle() {
			n++
		}
	}
	return n
}

// reading counts the clients that were sent away with a reply that they may not
// have read yet: who hears of the new address before it has may throw the reply
// away with the connection, and send the command again. One stands for all until
// old answers of discovery have arrived.
func (e *endpoint) reading() (n int) {
	for _, s := range e.loop.lingering {
		if left := s.lingerTo - lingerLimit; s.endpoint == e && s.fd >= 0 && left-s.heard < readsWithin && e.loop.now < left+readsWithin {
			n++
		}
	}
	if n == 0 && e.drain.active && e.drain.closed > 0 && e.loop.now < e.drain.last+arrivesWithin {
		n = 1
	}
	return n
}

func (e *endpoint) stats() EndpointStats {
	return EndpointStats{
		ID: e.route.ID, Listening: e.fd >= 0, Reason: e.reason, Connections: e.clients.count + e.reading(), Waiting: e.waiting(),
		Drained: e.drain.closed, Cut: e.drain.cut, Commands: e.commands, Held: e.held, Retried: e.retried,
		Counts: e.counts, TLS: e.door != nil,
	}
}
