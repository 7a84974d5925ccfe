package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestDrain(t *testing.T) {
	e := startEngine(t)
	a, b := startProxy(t, e), startAnother(t, e)
	var target atomic.Pointer[rig]
	target.Store(a)
	c := redis.NewClient(&redis.Options{
		Addr: "any", Password: clientSecret, PoolSize: 50,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", target.Load().addr())
		},
	})
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for i := range 50 {
		l.done.Go(func() { l.count(ctx, c, fmt.Sprintf("drained:%d", i)) })
	}
	eventually(t, "all connected", func() bool { return a.stats().Connections >= 40 })
	target.Store(b)
	a.endpoint().Drain = true
	a.apply()
	eventually(t, "all have left", func() bool { return a.stats().Connections == 0 })
	l.goesOn(t)
	l.end(t)
	if s := a.stats(); s.Drained < 40 || s.Cut != 0 || !s.Listening {
		t.Errorf("%+v", s)
	}
}

func TestDrainCapCutsTheRest(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	r.say(c, "MULTI")
	r.endpoint().Drain, r.endpoint().DrainCap = true, 50*time.Millisecond
	r.apply()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.ReadValue(); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if s := r.stats(); s.Cut != 1 || s.Drained != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDrainTellsWhoWaitsWithoutEnd(t *testing.T) {
	r := startProxy(t, startEngine(t))
	blocked, idle := r.dial(2), r.dial(2)
	r.say(idle, "PING")
	r.later(blocked, "BLPOP", "nothing-comes", "0")
	eventually(t, "both are there", func() bool { return r.stats().Connections == 2 })
	r.endpoint().Drain = true
	r.apply()
	eventually(t, "only the blocked one is left, and known to wait", func() bool {
		s := r.stats()
		return s.Connections == 1 && s.Waiting == 1
	})
}

// Who was told to go takes some time, which is not everybody's.
func TestDrainTellsWhoWasTold(t *testing.T) {
	r := startProxy(t, startEngine(t))
	r.endpoint().Notices = true
	r.apply()
	told, idle := r.dial(3), r.dial(3)
	r.say(told, on+"internal-ip")
	r.say(idle, "GET a")
	r.endpoint().Drain, r.endpoint().MovedTo = true, "10.0.0.3:12000"
	r.apply()
	eventually(t, "only the one that was told is left, and known to wait", func() bool {
		s := r.stats()
		return s.Connections == 1 && s.Waiting == 1
	})
	told.Close()
	eventually(t, "nobody is left", func() bool { s := r.stats(); return s.Connections == 0 && s.Waiting == 0 })
}

// Who was sent away just behind a command counts until it has had time to read the
// reply, or has closed its side.
func TestDrainWaitsUntilRepliesAreRead(t *testing.T) {
	const ms = int64(1e6)
	e := &endpoint{loop: &loop{}}
	s := &session{endpoint: e, fd: 7, heard: 1000 * ms, extra: &extra{lingerTo: 1004*ms + lingerLimit}}
	e.loop.lingering = []*session{s, {endpoint: &endpoint{}, fd: 8, heard: s.heard, extra: s.extra}}
	at := func(now int64, want int) {
		t.Helper()
		if e.loop.now = now * ms; e.reading() != want {
			t.Errorf("at %d: %d of %d are reading", now, e.reading(), want)
		}
	}
	at(1005, 1)
	at(1053, 1)
	at(1055, 0)
	s.heard = 900 * ms // it rested before
	at(1005, 0)
	s.heard, s.fd = 1000*ms, -1 // it has closed
	at(1005, 0)
	e.drain = drain{active: true, closed: 2, last: 1004 * ms} // what discovery said before is on its way
	at(1005, 1)
	at(1045, 0)
}

// Who asks before it works is not sent away in between, as long as that is no wait
// for the others.
func TestDrainSparesWhoHasJustSpoken(t *testing.T) {
	const ms = int64(1e6)
	e := &endpoint{loop: &loop{}, drain: drain{active: true, since: 1000 * ms}}
	s := &session{endpoint: e, loop: e.loop}
	for _, c := range []struct {
		now, heard int64
		want       bool
	}{{1001, 1000, true}, {1003, 1000, false}, {1020, 1019, true}, {1030, 1029, false}, {1029, 900, false}} {
		if e.loop.now, s.heard = c.now*ms, c.heard*ms; s.busy() != c.want {
			t.Errorf("at %d, heard at %d: busy is %v", c.now, c.heard, s.busy())
		}
	}
}
