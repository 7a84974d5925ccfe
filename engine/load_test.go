package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// load is clients that increment a counter each, so that a lost write shows
// and a doubled one too. They find the serving instance by trying.
type load struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	writers []*writer
}

type writer struct {
	key       string
	user      string
	rest      time.Duration
	instances []Instance
	at        int
	acked     int64
	// maybe counts increments whose reply was lost with the connection.
	maybe int64
	err   error
}

// startLoad runs n clients that rest between writes.
func startLoad(n int, rest time.Duration, instances ...Instance) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	for i := range n {
		// Every second one comes as a user of its own.
		w := &writer{key: fmt.Sprintf("counter:%d", i), user: []string{"proxy", "app"}[i%2], rest: rest, instances: instances}
		l.writers = append(l.writers, w)
		l.done.Go(func() { w.run(ctx) })
	}
	return l
}

func (l *load) end() {
	l.stop()
	l.done.Wait()
}

func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil && w.err == nil {
		c, err := as(ctx, w.instances[w.at], w.user)
		if err == nil {
			w.write(ctx, c)
			c.Close()
		}
		w.at = (w.at + 1) % len(w.instances)
		sleep(ctx, 200*time.Microsecond)
	}
}

// write goes on until the engine refuses or the connection breaks.
func (w *writer) write(ctx context.Context, c *resp.Conn) {
	for {
		v, err := c.Do(ctx, "INCR", w.key)
		var refused resp.Error
		switch {
		case errors.As(err, &refused):
			return
		case err != nil:
			w.maybe++
			return
		case v.Int <= w.acked || v.Int > w.acked+w.maybe+1:
			w.err = fmt.Errorf("%s: %d acknowledged, %d in doubt, and the next is %d", w.key, w.acked, w.maybe, v.Int)
			return
		}
		w.acked, w.maybe = v.Int, 0
		if w.rest > 0 {
			sleep(ctx, w.rest)
		}
	}
}

// check compares what was acknowledged with what the instance has.
func (l *load) check(t testing.TB, i Instance) {
	t.Helper()
	var sum int64
	for _, w := range l.writers {
		var have int64
		fmt.Sscan(ask(t, i, "GET", w.key).Text(), &have)
		if have < w.acked || have > w.acked+w.maybe {
			t.Errorf("%s has %s = %d; acknowledged %d, in doubt %d", i.Name, w.key, have, w.acked, w.maybe)
		}
		sum += w.acked
	}
	if sum == 0 {
		t.Error("no write was acknowledged at all")
	}
}

func (l *load) checkReplies(t testing.TB) {
	t.Helper()
	for _, w := range l.writers {
		if w.err != nil {
			t.Error(w.err)
		}
	}
}

// watchReigns looks on that never two instances serve, whichever user asks. One look is not one
// instant: a serves, then b serves, then a serves again is what proves two.
func watchReigns(a, b Instance) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var found error
	var done sync.WaitGroup
	done.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			user, other := []string{"proxy", "app"}[n%2], []string{"app", "proxy"}[n/2%2]
			if servesTo(ctx, a, user) && servesTo(ctx, b, other) && servesTo(ctx, a, user) {
				found = errors.New(strings.Join([]string{a.Name, "and", b.Name, "both serve"}, " "))
			}
			sleep(ctx, 500*time.Microsecond)
		}
	})
	return func() error { cancel(); done.Wait(); return found }
}

// serves asks as a client does: by a login and a harmless write.
func serves(ctx context.Context, i Instance) bool { return servesTo(ctx, i, "proxy") }

func servesTo(ctx context.Context, i Instance, user string) bool {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	c, err := as(ctx, i, user)
	if err != nil {
		return false
	}
	defer c.Close()
	_, err = c.Do(ctx, "SET", "watch", "1")
	return err == nil
}
