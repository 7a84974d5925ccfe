package sim

import (
	"os"
	"strings"
	"testing"
	"time"
)

// silentFor is how long clients wait at most for a range whose host falls silent, and
// refusingFor for one whose host refuses, also in the midst of a hand-over. Whoever
// leads is replaced first, and its lease counts from then on.
const (
	silentFor   = leaseTTL + 3*time.Second
	refusingFor = 5 * time.Second
)

// A host that goes in the midst of planned work keeps clients of a replicated database
// waiting no longer than one that goes on any other day.
func TestHostsThatGoInAHandover(t *testing.T) {
	histories, worst := 0, map[string]time.Duration{}
	for _, name := range []string{"masters fail over by hand", "on, with the replicas kept", "on and off"} {
		s := Stories[name]
		boundaries, nodes := Run(s).Boundaries, number(strings.Fields(s[0])[1])
		for k := 1; k <= boundaries; k++ {
			for i, kind := range []string{"power", "cut", "reset"} {
				for n := 1; n <= nodes; n++ {
					if (k+i+n)%(6*part) != 0 && os.Getenv("MATRIX") != "full" {
						continue
					}
					script := s.With(k, Fault{kind, n, time.Minute})
					o := Run(script)
					limit, sort := silentFor, kind
					if kind == "reset" {
						limit = refusingFor
					}
					if n == 1 { // leads
						limit, sort = limit+electing, kind+" of the leader"
					}
					histories++
					worst[sort] = max(worst[sort], o.Gap)
					if o.Err != nil || o.Gap > limit {
						t.Errorf("clients waited %v, not %v: %v\n%s\n%s", o.Gap, limit, o.Err, strings.Join(script, "\n"), strings.Join(o.Trace, "\n"))
					}
				}
			}
		}
	}
	t.Logf("%d histories; the longest waits: %v", histories, worst)
}

// An executor that stood still until its host counted as gone, and wakes up while its
// order still allows it to act, meets whoever took over: nothing is lost, and no two
// masters acknowledge.
func TestExecutorThatWakesUpBesideItsSuccessor(t *testing.T) {
	histories, met := 0, 0
	for _, name := range []string{"masters fail over by hand", "on and off", "a database without replication moves"} {
		s := Stories[name]
		boundaries, nodes := Run(s).Boundaries, number(strings.Fields(s[0])[1])
		for k := 1; k <= boundaries; k++ {
			for i, d := range []time.Duration{8250, 8750, 9250, 9750} {
				for n := 1; n <= nodes; n++ {
					if (k+i+n)%(8*part) != 0 && os.Getenv("MATRIX") != "full" {
						continue
					}
					histories++
					script := s.With(k, Fault{"freeze", n, d * time.Millisecond})
					o := Run(script)
					if o.Err != nil {
						t.Errorf("%v\n%s\n%s", o.Err, strings.Join(script, "\n"), strings.Join(o.Trace, "\n"))
					}
					if strings.Contains(strings.Join(o.Trace, "\n"), " over: the host of its old master") {
						met++
					}
				}
			}
		}
	}
	t.Logf("%d histories, %d with a successor", histories, met)
	if met == 0 {
		t.Error("nobody took over")
	}
}
