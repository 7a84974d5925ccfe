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
					if (k+i+n)%(3*part) != 0 && os.Getenv("MATRIX") != "full" {
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
