package discovery

import (
	"context"
	"sync"
	"time"
)

const (
	// freshness is how long an answer waits for the board to be read anew; after that
	// it is given from the board that is there.
	freshness = 500 * time.Millisecond
	// freshnessOfAll is the same for who asks for all masters: redis-py, which is told
	// to wait for 100 ms only, and closes nothing when it hears of another address.
	freshnessOfAll = 50 * time.Millisecond
	// setback is for how long the failure of a reading lets the next be expected to fail.
	setback = time.Second
)

// reader reads the board anew for whoever asks, once for all who ask meanwhile.
type reader struct {
	sync     func(ctx context.Context) error // nil: the board is never old
	readings sync.WaitGroup

	mu     sync.Mutex
	busy   bool          // one is reading
	next   chan struct{} // closed when the reading that has not begun yet has ended; nil: nobody waits for one
	failed time.Time     // when the last reading did; zero: it did not
}

// catchUp returns when the board shows everything committed before the call, or
// can not be read in time. A client whose connection was drained is not sent back
// by a host that has not heard of the move yet: it would be cut there. Without a
// quorum nothing new is committed, and the old answer is good; a tenth of the time
// is enough then to learn that there is one again.
func (r *reader) catchUp(ctx context.Context, within time.Duration) {
	if r.sync == nil {
		return
	}
	read, hopeful := r.ask(ctx)
	if !hopeful {
		within /= 10
	}
	waitFor(ctx, read, within)
}

// ask returns what is closed at the end of a reading that begins after the call,
// and whether that may be expected to succeed.
func (r *reader) ask(ctx context.Context) (read <-chan struct{}, hopeful bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = make(chan struct{})
	}
	if !r.busy {
		r.busy = true
		r.readings.Go(func() { r.read(ctx) })
	}
	return r.next, time.Since(r.failed) > setback
}

// read reads until nobody waits for another reading. None is cut short because
// one of those who wait for it does not wait as long as the others.
func (r *reader) read(ctx context.Context) {
	for {
		r.mu.Lock()
		read := r.next
		r.next, r.busy = nil, read != nil
		r.mu.Unlock()
		if read == nil {
			return
		}
		failed := r.once(ctx)
		r.mu.Lock()
		r.failed = failed
		r.mu.Unlock()
		close(read)
	}
}

// once returns when the reading failed, or the zero time.
func (r *reader) once(ctx context.Context) (failed time.Time) {
	ctx, cancel := context.WithTimeout(ctx, freshness)
	defer cancel()
	if r.sync(ctx) != nil {
		return time.Now()
	}
	return time.Time{}
}
