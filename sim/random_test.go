package sim

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Histories of any kind keep every promise. SEED and COUNT choose others, or
// more of them: make sim SEED=1000 COUNT=100000.
func TestRandomHistories(t *testing.T) {
	seed, count := setting("SEED", 1), setting("COUNT", 1500/part)
	began := time.Now()
	each(t, count, func(n int) { tryHistory(t, uint64(seed+n), Random) })
	t.Logf("%d histories, %.0f a second", count, float64(count)/time.Since(began).Seconds())
}

// What an operator gives back of lost slots is what is left of them, and nothing begins
// empty while there is something.
func TestDesperateHistories(t *testing.T) {
	seed, count := setting("SEED", 1), setting("COUNT", 1500/part)
	var empty atomic.Int64
	each(t, count, func(n int) {
		o := tryHistory(t, uint64(seed+n), Desperate)
		if slices.ContainsFunc(o.Trace, func(l string) bool { return strings.Contains(l, "begin empty as redis:") }) {
			empty.Add(1)
		}
	})
	if t.Logf("%d histories, in %d of them slots began empty", count, empty.Load()); empty.Load() == 0 && count >= 100 {
		t.Error("nobody recovered anything")
	}
}

func setting(name string, or int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return or
}

// each calls f with 0 to count-1, as many at a time as there are processors.
func each(t *testing.T, count int, f func(n int)) {
	t.Helper()
	var wait sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for n := range next {
				f(n)
			}
		})
	}
	for n := range count {
		next <- n
	}
	close(next)
	wait.Wait()
}

func tryHistory(t *testing.T, seed uint64, history func(uint64) Script) Outcome {
	s := history(seed)
	o := Run(s)
	if o.Err == nil {
		return o
	}
	kind := sortOf(o)
	if !first(t, kind) {
		return o
	}
	s = Shorten(s, func(o Outcome) bool { return o.Err != nil && sortOf(o) == kind })
	o = Run(s)
	t.Errorf("seed %d: %v\n\n%s\n\n%s", seed, o.Err, strings.Join(s, "\n"), strings.Join(o.Trace, "\n"))
	return o
}
