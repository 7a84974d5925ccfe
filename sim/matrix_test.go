package sim

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Every story, with one fault of every kind at every boundary, comes to rest with
// every promise kept.
func TestMatrix(t *testing.T) {
	var histories atomic.Int64
	var jobs []Script
	for _, name := range slices.Sorted(maps.Keys(Stories)) {
		s := Stories[name]
		plain := Run(s)
		if plain.Err != nil {
			t.Errorf("%s: %v\n%s", name, plain.Err, strings.Join(plain.Trace, "\n"))
			continue
		}
		if only := os.Getenv("STORY"); only != "" && only != name {
			continue
		}
		nodes := number(strings.Fields(s[0])[1])
		t.Logf("%-40s %4d boundaries, %s", name, plain.Boundaries, plain.Simulated)
		for k := 1; k <= plain.Boundaries; k++ {
			for _, kind := range Kinds {
				for n := range nodes + 1 {
					if os.Getenv("FULL") == "" && n != (k+len(kind))%(nodes+1) {
						continue
					}
					jobs = append(jobs, s.With(k, Fault{kind, n, usual(kind)}))
				}
			}
		}
	}
	var wait sync.WaitGroup
	queue := make(chan Script)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for s := range queue {
				o := Run(s)
				histories.Add(1)
				if o.Err != nil {
					report(t, s, o)
				}
			}
		})
	}
	for _, s := range jobs {
		queue <- s
	}
	close(queue)
	wait.Wait()
	t.Logf("%d histories", histories.Load())
}

var reports sync.Map

// report tells of one failure of each sort.
func report(t *testing.T, s Script, o Outcome) {
	sort := strings.SplitN(o.Err.Error(), "\n", 2)[0]
	n, _ := reports.LoadOrStore(sort, new(atomic.Int64))
	if n.(*atomic.Int64).Add(1) == 1 {
		t.Errorf("%v\n%s\n%s", o.Err, strings.Join(s, "\n"), strings.Join(o.Trace, "\n"))
	}
	t.Fail()
}

func summary() string {
	var list []string
	reports.Range(func(k, v any) bool {
		list = append(list, fmt.Sprintf("%6d %s", v.(*atomic.Int64).Load(), k))
		return true
	})
	return strings.Join(list, "\n")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s := summary(); s != "" {
		fmt.Println(s)
	}
	os.Exit(code)
}
