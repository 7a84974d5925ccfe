package sim

import (
	"context"
	"iter"
	"time"
)

// routine is work that goes on beside others: what would be a goroutine is
// resumed by the world, one at a time, until it waits for something.
type routine struct {
	of      *daemon
	resume  func() (time.Time, bool)
	stop    func()
	until   time.Time // not resumed before
	yield   func(time.Time) bool
	stopped bool
}

// spawn begins f as work of the daemon; it first runs at the next turn.
func (w *World) spawn(d *daemon, f func()) {
	r := &routine{of: d}
	r.resume, r.stop = iter.Pull(func(yield func(time.Time) bool) {
		r.yield = yield
		f()
	})
	w.routines = append(w.routines, r)
}

// park lets the world go on and returns at the instant or later. It returns
// false if the daemon died meanwhile.
func (w *World) park(until time.Time) bool {
	r := w.current
	if r == nil || r.stopped || !r.yield(until) {
		return false
	}
	return true
}

// work resumes every routine whose time has come until all wait for a later
// one, with writes of clients in between.
func (w *World) work() {
	for range 200 {
		any := false
		for _, r := range w.routines {
			if r.stopped || !r.of.lives() || r.of.frozen() || r.until.After(w.now) {
				continue
			}
			any = true
			w.current = r
			until, more := r.resume()
			w.current = nil
			r.until, r.stopped = until, r.stopped || !more
		}
		w.sweep()
		if !any {
			return
		}
		w.replicate(0)
		w.write()
	}
}

// sweep ends the routines that are done or whose daemon is dead.
func (w *World) sweep() {
	keep := w.routines[:0]
	for _, r := range w.routines {
		if !r.stopped && r.of.lives() {
			keep = append(keep, r)
			continue
		}
		r.stopped = true
		r.stop()
	}
	clear(w.routines[len(keep):])
	w.routines = keep
}

// Now implements controller.Clock.
func (d *daemon) Now() time.Time { return d.w.now }

// Sleep implements controller.Clock.
func (d *daemon) Sleep(_ context.Context, t time.Duration) { d.w.park(d.w.now.Add(t)) }

// Go implements controller.Clock.
func (d *daemon) Go(f func()) { d.w.spawn(d, f) }
