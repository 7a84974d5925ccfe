package discovery

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// freshness is how long an answer waits for the board to be read anew; after that
// it is given from the board that is there.
const freshness = 500 * time.Millisecond

// reader reads the board anew for whoever asks, once for all who ask meanwhile.
type reader struct {
	sync  func(ctx context.Context) error // nil: the board is never old
	begun atomic.Int64                    // readings
	one   sync.Mutex                      // held by the one that reads
}

// catchUp returns when the board shows everything committed before the call, or
// can not be read in time. A client whose connection was drained is not sent back
// by a host that has not heard of the move yet: it would be cut there.
func (r *reader) catchUp(ctx context.Context) {
	if r.sync == nil {
		return
	}
	before := r.begun.Load()
	r.one.Lock()
	defer r.one.Unlock()
	if r.begun.Load() > before {
		return // it began after the call, and has ended
	}
	r.begun.Add(1)
	ctx, cancel := context.WithTimeout(ctx, freshness)
	defer cancel()
	_ = r.sync(ctx) // without a quorum nothing new is committed, and the old answer is good
}
