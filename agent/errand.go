package agent

import (
	"context"
	"sync"
	"time"
)

// errand is what is done beside the converging loop because it may take long, as
// whatever asks a disk that does not answer. One is under way at a time. It is the
// loop's.
type errand[T any] struct {
	done  chan T // nil: it is not under way
	since time.Time
}

// begin has it done, unless it still is: what comes of that is told of nothing newer.
func (e *errand[T]) begin(all *sync.WaitGroup, do func() T) bool {
	if e.done != nil {
		select {
		case <-e.done:
		default:
			return false
		}
	}
	done := make(chan T, 1)
	e.done, e.since = done, time.Now()
	all.Go(func() { done <- do() })
	return true
}

// await returns what came of it, unless it is not over within ctx.
func (e *errand[T]) await(ctx context.Context) (t T, over bool) {
	select {
	case t = <-e.done:
		e.done = nil
		return t, true
	case <-ctx.Done():
		return t, false
	}
}

// run is both. One that is late is not waited for again.
func (e *errand[T]) run(ctx context.Context, all *sync.WaitGroup, do func() T) (t T, over bool) {
	if !e.begin(all, do) {
		return t, false
	}
	return e.await(ctx)
}

// late is for how long it has been under way; 0: it is not.
func (e *errand[T]) late() time.Duration {
	if e.done == nil || len(e.done) > 0 {
		return 0
	}
	return time.Since(e.since)
}
