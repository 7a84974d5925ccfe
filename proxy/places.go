package proxy

import (
	"math"

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

// openOwn is openLine for what is one client's alone. It also returns nil where such
// lines have no place.
func (l *loop) openOwn(s *shard, version int, as string, user lineUser) *line {
	n := l.openLine(s, version, as, user)
	if n != nil && n.fd >= l.maxFile {
		n.close()
		return nil
	}
	return n
}
