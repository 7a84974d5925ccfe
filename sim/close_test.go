package sim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every story with two or three faults close to each other keeps every promise: what mends
// the first is struck by the next. SEED and COUNT choose others, or more of them.
func TestCloseFaults(t *testing.T) {
	seed, count := setting("SEED", 1), setting("COUNT", 300/part)
	boundaries := map[string]int{}
	names := slices.Sorted(maps.Keys(Stories))
	for _, name := range names {
		boundaries[name] = Run(Stories[name]).Boundaries
	}
	each(t, count, func(n int) {
		tryHistory(t, uint64(seed+n), func(seed uint64) Script { return closeFaults(seed, names, boundaries) })
	})
}

// closeFaults is the history of a seed: one of the stories, half of its replicated databases
// with min_replicas, and what goes wrong within a few boundaries.
func closeFaults(seed uint64, names []string, boundaries map[string]int) Script {
	r := rand.New(rand.NewPCG(seed, 7))
	name := names[r.IntN(len(names))]
	s := slices.Clone(Stories[name])
	for i, line := range s {
		if strings.HasPrefix(line, "database") && !strings.Contains(line, "lone") && r.IntN(2) == 0 {
			s[i] += " kept"
		}
	}
	nodes := number(strings.Fields(s[0])[1])
	k := 1 + r.IntN(boundaries[name])
	for range 2 + r.IntN(2) {
		kind := Kinds[r.IntN(len(Kinds))]
		f := Fault{kind, r.IntN(nodes + 1), usual(kind)}
		if f.For > 0 && r.IntN(2) == 0 {
			f.For = time.Duration(1+r.IntN(40)) * time.Second
		}
		s = s.With(k, f)
		k += r.IntN(6)
	}
	return s
}
