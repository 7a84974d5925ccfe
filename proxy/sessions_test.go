package proxy

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Clients come and go, and take the seats of those that went. Each is found once, also
// while others are closed.
func TestSessionsOfAnEndpoint(t *testing.T) {
	l, err := newLoop(&settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	e := &endpoint{loop: l, fd: -1}
	other := &endpoint{loop: l, fd: -1}
	l.endpoints[e.route.ID] = e
	open := map[*session]bool{}
	come := func(at *endpoint) *session {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		return l.open(fd, at)
	}
	for range 2000 {
		if len(open) == 0 || rand.IntN(5) > 1 {
			open[come(e)] = true
			defer come(other).close()
			continue
		}
		gone := map[*session]bool{}
		for s := range e.sessions() {
			if gone[s] || !open[s] {
				t.Fatal("one that is closed, or nobody's")
			}
			if rand.IntN(20) == 0 {
				victims := slices.Collect(maps.Keys(open))
				victim := victims[rand.IntN(len(victims))]
				victim.close()
				gone[victim] = true
				delete(open, victim)
			}
		}
	}
	if e.clients.count != len(open) {
		t.Errorf("%d sessions, want %d", e.clients.count, len(open))
	}
	seen := map[*session]bool{}
	for s := range e.sessions() {
		if seen[s] {
			t.Error("one twice")
		}
		seen[s] = true
	}
	if !maps.Equal(seen, open) {
		t.Errorf("%d seen, %d open", len(seen), len(open))
	}
	if most := int(l.seats); most > 4100 {
		t.Errorf("%d seats: those that were left are not taken again", most)
	}
	for s := range e.sessions() {
		s.close()
	}
}

// An event of a descriptor that was closed in the same turn is not the next one's in its
// seat.
func TestSeatsKeepEventsApart(t *testing.T) {
	l, err := newLoop(&settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	var told []string
	pipe := func(name string) (fd int, at seat) {
		fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		return fd, l.add(fd, unix.EPOLLIN, teller{&told, name})
	}
	fd, first := pipe("first")
	n, err := unix.EpollWait(l.epoll, l.events, 1000)
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	l.drop(fd, first)
	fd, second := pipe("second")
	defer l.drop(fd, second)
	if first != second {
		t.Fatalf("seat %d, then %d", first, second)
	}
	l.deliver(l.events[:n])
	if told != nil {
		t.Errorf("%v was told of an event of the descriptor before", told)
	}
	if n, err = unix.EpollWait(l.epoll, l.events, 1000); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if l.deliver(l.events[:n]); !slices.Equal(told, []string{"second"}) {
		t.Errorf("%v", told)
	}
}

type teller struct {
	list *[]string
	name string
}

func (r teller) ready(uint32) { *r.list = append(*r.list, r.name) }
