package sim

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Histories of any kind keep every promise. SEED and COUNT choose others, or
// more of them: make sim SEED=1000 COUNT=100000.
func TestRandomHistories(t *testing.T) {
	seed, count := setting("SEED", 1), setting("COUNT", 1500/part)
	began := time.Now()
	each(t, count, func(n int) { tryHistory(t, uint64(seed+n)) })
	t.Logf("%d histories, %.0f a second", count, float64(count)/time.Since(began).Seconds())
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

func tryHistory(t *testing.T, seed uint64) {
	s := Random(seed)
	o := Run(s)
	if o.Err == nil {
		return
	}
	kind := sortOf(o)
	if !first(t, kind) {
		return
	}
	s = Shorten(s, func(o Outcome) bool { return o.Err != nil && sortOf(o) == kind })
	o = Run(s)
	t.Errorf("seed %d: %v\n\n%s\n\n%s", seed, o.Err, strings.Join(s, "\n"), strings.Join(o.Trace, "\n"))
}
