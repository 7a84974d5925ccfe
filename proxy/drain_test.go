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
