package sim

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// job is a history with one fault; same says that it has to end like the one without.
type job struct {
	script Script
	plain  Outcome
	same   bool
}

// Every story, with one fault of every kind at every boundary, comes to rest with
// every promise kept.
func TestMatrix(t *testing.T) {
	full := os.Getenv("MATRIX") == "full"
	var jobs []job
	for _, name := range slices.Sorted(maps.Keys(Stories)) {
		s := Stories[name]
		plain := Run(s)
		if plain.Err != nil {
			t.Fatalf("%s: %v\n%s", name, plain.Err, strings.Join(plain.Trace, "\n"))
		}
		nodes := number(strings.Fields(s[0])[1])
		t.Logf("%-40s %4d boundaries, %s", name, plain.Boundaries, plain.Simulated)
		for k := 1; k <= plain.Boundaries; k++ {
			for i, kind := range Kinds {
				for n := range nodes + 1 {
					// Without MATRIX=full a fifth of the kinds at each boundary, on one node.
					if full || (k+i)%(5*part) == 0 && n == (k/5+i)%(nodes+1) {
						jobs = append(jobs, job{s.With(k, Fault{kind, n, usual(kind)}), plain, n == 0 && kind == "daemon"})
					}
				}
			}
		}
	}
	each(t, len(jobs), func(n int) {
		o := Run(jobs[n].script)
		refused := slices.Contains(o.Ends, "refused") // before anything was touched
		if o.Err == nil && jobs[n].same && !refused && (!slices.Equal(o.Ends, jobs[n].plain.Ends) || o.Places != jobs[n].plain.Places) {
			o.Err = fmt.Errorf("a new leader came to another end: %v, not %v\n%s\n%s", o.Ends, jobs[n].plain.Ends, o.Places, jobs[n].plain.Places)
		}
		if o.Err != nil && first(t, sortOf(o)) {
			t.Errorf("%v\n%s\n%s", o.Err, strings.Join(jobs[n].script, "\n"), strings.Join(o.Trace, "\n"))
		}
	})
	t.Logf("%d histories", len(jobs))
}

var digits = regexp.MustCompile(`[0-9][0-9.:]*`)

// sortOf is the failure without its numbers.
func sortOf(o Outcome) string {
	line, _, _ := strings.Cut(o.Err.Error(), "\n")
	return digits.ReplaceAllString(line, "N")
}

var failures sync.Map

// first counts a failure of a test and reports whether it is the first of its sort.
func first(t *testing.T, sort string) bool {
	t.Fail()
	n, _ := failures.LoadOrStore(t.Name()+": "+sort, new(atomic.Int64))
	return n.(*atomic.Int64).Add(1) == 1
}

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // histories are short-lived
	code := m.Run()
	failures.Range(func(sort, n any) bool {
		fmt.Printf("%6d %s\n", n.(*atomic.Int64).Load(), sort)
		return true
	})
	os.Exit(code)
}
