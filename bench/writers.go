package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haulout/haulout/resp"
)

// writers count keys of their own upwards over plain connections, without a
// library's retries. An answer that is not the last one plus one shows a loss,
// or a command carried out twice. Whatever they are told but that number is an
// error or a redirection the client has to deal with, and counted.
type writers struct {
	master atomic.Pointer[string] // where they believe the master to be
	others []string               // where they look when told that it is not there
	list   []*writer
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// writer is one of them.
type writer struct {
	all     *writers
	key     string
	at      string // where it is connected
	conn    *resp.Conn
	counter int64 // the last answer
	unsure  int64 // increments since that may have been carried out

	mu      sync.Mutex
	longest time.Duration // since the last look
	tally   tally
}

// tally is what writers have counted.
type tally struct {
	acknowledged, lost, doubled, errors int64
}

const (
	writerCount    = 8
	writerInterval = time.Millisecond
	patience       = 200 * time.Microsecond // before the next try
)

// startWriters begins to write to the pair.
func startWriters(ctx context.Context, p *pair) *writers {
	w := &writers{others: p.addresses}
	w.master.Store(&p.addresses[0])
	ctx, w.stop = context.WithCancel(ctx)
	if p.follow != nil {
		w.done.Go(func() { p.follow(ctx, w) })
	}
	for i := range writerCount {
		one := &writer{all: w, key: fmt.Sprintf("%s:counter:%d", p.tag, i)}
		w.list = append(w.list, one)
		w.done.Go(func() { one.run(ctx) })
	}
	return w
}

func (w *writers) end() {
	w.stop()
	w.done.Wait()
}

// during returns the longest time an operation took that overlapped f, tries
// again included.
func (w *writers) during(ctx context.Context, f func() error) (time.Duration, error) {
	if err := w.goOn(ctx); err != nil {
		return 0, err
	}
	for _, one := range w.list {
		one.mu.Lock()
		one.longest = 0
		one.mu.Unlock()
	}
	if err := f(); err != nil {
		return 0, err
	}
	if err := w.goOn(ctx); err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, one := range w.list {
		one.mu.Lock()
		longest = max(longest, one.longest)
		one.mu.Unlock()
	}
	return longest, nil
}

// goOn waits until each has written twice more: the first may have begun before.
func (w *writers) goOn(ctx context.Context) error {
	for _, one := range w.list {
		from := one.look().acknowledged
		err := await(ctx, one.key+" goes on", 30*time.Second, func(context.Context) error {
			if n := one.look().acknowledged - from; n < 2 {
				return fmt.Errorf("%d writes", n)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writers) tally() (sum tally) {
	for _, one := range w.list {
		t := one.look()
		sum.acknowledged += t.acknowledged
		sum.lost += t.lost
		sum.doubled += t.doubled
		sum.errors += t.errors
	}
	return sum
}

func (one *writer) look() tally {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.tally
}

// run writes once per interval and never catches up.
func (one *writer) run(ctx context.Context) {
	defer one.hangUp()
	for next := time.Now(); ctx.Err() == nil; {
		began := time.Now()
		if !one.write(ctx) {
			return
		}
		one.mu.Lock()
		one.longest = max(one.longest, time.Since(began))
		one.mu.Unlock()
		if next = next.Add(writerInterval); next.Before(time.Now()) {
			next = time.Now()
		}
		if sleep(ctx, time.Until(next)) != nil {
			return
		}
	}
}

// write tries until the increment is acknowledged. It reports false when ctx
// ended before.
func (one *writer) write(ctx context.Context) bool {
	for ctx.Err() == nil {
		answer, err := one.try(ctx)
		if err == nil {
			one.count(answer)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		one.failed(err)
		if sleep(ctx, patience) != nil {
			return false
		}
	}
	return false
}

func (one *writer) try(ctx context.Context) (int64, error) {
	if one.conn == nil || one.at != *one.all.master.Load() {
		one.hangUp()
		one.at = *one.all.master.Load()
		c, err := resp.Dial(ctx, one.at)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errNotSent, err)
		}
		one.conn = c
	}
	v, err := one.conn.Do(ctx, "INCR", one.key)
	return v.Int, err
}

var errNotSent = errors.New("not sent")

// failed draws the conclusion from an answer that is no number, and looks
// elsewhere.
func (one *writer) failed(err error) {
	one.mu.Lock()
	one.tally.errors++
	one.mu.Unlock()
	var refused resp.Error
	if !errors.As(err, &refused) {
		one.hangUp()
		if !errors.Is(err, errNotSent) {
			one.unsure++
		}
	}
	if address, ok := strings.CutPrefix(string(refused), "MOVED "); ok {
		_, address, _ = strings.Cut(address, " ")
		one.all.master.Store(&address)
		return
	}
	// One of them tries elsewhere for all, unless somebody did already.
	for i, address := range one.all.others {
		if current := one.all.master.Load(); *current == one.at && address == one.at {
			one.all.master.CompareAndSwap(current, &one.all.others[(i+1)%len(one.all.others)])
		}
	}
}

func (one *writer) hangUp() {
	if one.conn != nil {
		one.conn.Close()
		one.conn = nil
	}
}

// count compares the answer with what it should be.
func (one *writer) count(answer int64) {
	one.mu.Lock()
	defer one.mu.Unlock()
	switch surplus := answer - one.counter - 1; {
	case surplus < 0:
		one.tally.lost -= surplus
	case surplus > one.unsure:
		one.tally.doubled += surplus - one.unsure
	}
	one.counter, one.unsure = answer, 0
	one.tally.acknowledged++
}

// verify compares each counter with what is there in the end.
func (w *writers) verify(ctx context.Context, address string) error {
	for _, one := range w.list {
		v, err := ask(ctx, address, "GET", one.key)
		if err != nil {
			return err
		}
		have, err := strconv.ParseInt(v.Str, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is %q", one.key, v.Str)
		}
		one.tally.lost += max(0, one.counter-have)
	}
	return nil
}
