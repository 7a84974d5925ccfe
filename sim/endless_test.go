package sim

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// endless is how long something stays wrong that nobody mends, and atLast how long an
// action may be at work all the same: as long as it is tried again and again.
const (
	endless = 2 * time.Hour
	atLast  = 25 * time.Minute
)

// Whatever goes wrong for good at whatever boundary, every action comes to an end: each
// of its waits has a deadline.
func TestEveryActionEnds(t *testing.T) {
	type try struct {
		script Script
		kind   string
	}
	var tries []try
	every, all := 211*part, 0 // of so many, one
	if os.Getenv("MATRIX") == "full" {
		every = 23
	}
	for _, name := range slices.Sorted(maps.Keys(Stories)) {
		s := Stories[name]
		if !slices.ContainsFunc(s, func(line string) bool { return strings.HasPrefix(line, "do ") || strings.HasPrefix(line, "ask ") }) {
			continue
		}
		boundaries, nodes := Run(s).Boundaries, number(strings.Fields(s[0])[1])
		for k := 1; k <= boundaries; k++ {
			for _, kind := range Kinds {
				for n := range nodes + 1 {
					if usual(kind) == 0 || kind == "desert" || kind == "island" { // over at once, or there is nobody to act
						continue
					}
					if all++; all%every == 0 {
						tries = append(tries, try{s.With(k, Fault{kind, n, endless}), kind})
					}
				}
			}
		}
	}
	took := make([]time.Duration, len(tries))
	each(t, len(tries), func(n int) {
		o := Run(tries[n].script)
		if took[n] = o.Took; o.Err == nil && o.Took > atLast {
			o.Err = Violation{"an action took N"}
		}
		if o.Err != nil && first(t, sortOf(o)) {
			t.Errorf("%v: an action took %v\n%s\n%s", o.Err, o.Took, strings.Join(tries[n].script, "\n"), strings.Join(o.Trace, "\n"))
		}
	})
	worst := map[string]time.Duration{}
	for n, one := range tries {
		worst[one.kind] = max(worst[one.kind], took[n])
	}
	t.Logf("%d histories; the longest actions: %v", len(tries), worst)
}
