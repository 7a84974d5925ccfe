package agent

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What takes long is waited for once, and not begun again before it is over; what came of
// it then is old, and nobody is told.
func TestErrandThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		var e errand[int]
		run := func(takes time.Duration, result int) (int, bool, time.Duration) {
			limit, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			got, over := e.run(limit, &all, func() int { time.Sleep(takes); return result })
			return got, over, time.Since(began)
		}
		for _, c := range []struct {
			takes, after time.Duration
			want         int
			over         bool
			took, late   time.Duration
		}{
			{time.Millisecond, 0, 1, true, time.Millisecond, 0},
			{10 * time.Second, 0, 0, false, time.Second, time.Second},
			{time.Millisecond, 2 * time.Second, 0, false, 0, 3 * time.Second},
			{time.Millisecond, time.Minute, 4, true, time.Millisecond, 0},
		} {
			time.Sleep(c.after)
			got, over, took := run(c.takes, c.want)
			if got != c.want || over != c.over || took != c.took || e.late() != c.late {
				t.Errorf("%+v: %d %v after %v, late for %v", c, got, over, took, e.late())
			}
		}
		all.Wait()
	})
}
