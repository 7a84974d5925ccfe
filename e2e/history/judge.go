package history

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// judging is how long one key may take.
const judging = 20 * time.Second

// Verdict is what a history shows.
type Verdict struct {
	Operations, Unknown int
	Keys                int
	Broken              []string // keys no single copy could have answered so, with their histories
	Undecided           []string // keys that took too long to judge
}

// Judge judges each key with the prefix.
func (h *History) Judge(prefix string) Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := Verdict{}
	for _, key := range slices.Sorted(maps.Keys(h.keys)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		list := h.keys[key]
		v.Keys++
		v.Operations += len(list)
		for _, o := range list {
			if !o.Known {
				v.Unknown++
			}
		}
		switch porcupine.CheckOperationsTimeout(register, operations(list), judging) {
		case porcupine.Illegal:
			v.Broken = append(v.Broken, key+":\n"+text(list))
		case porcupine.Unknown:
			v.Undecided = append(v.Undecided, key)
		}
	}
	return v
}

// register is one key: a number, which is 0 before anybody writes.
var register = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		had, o := state.(int64), input.(Operation)
		answered := output.(Operation)
		switch o.Kind {
		case Write:
			return true, o.Value
		case Increment:
			return !answered.Known || answered.Value == had+1, had + 1
		}
		return answered.Value == had, had
	},
}

func operations(list []Operation) []porcupine.Operation {
	var all []porcupine.Operation
	for _, o := range list {
		end := int64(o.Return)
		if !o.Known {
			end = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: o.Client, Input: o, Output: o, Call: int64(o.Call), Return: end})
	}
	return all
}

// Returns is how often the values of the counter went back, at the least: an
// answer below one that was given before it was asked for shows that what lies
// between was lost, and all that a single loss explains counts once. The key must
// have been incremented and read only. Two masters that answer in turn go back
// and forth, a promotion that loses something only once.
func Returns(list []Operation) int {
	type gap struct{ from, to time.Duration } // the loss lies between
	var gaps []gap
	known := slices.DeleteFunc(slices.Clone(list), func(o Operation) bool { return !o.Known })
	for _, earlier := range known {
		for _, later := range known {
			if earlier.Return < later.Call && isBelow(later, earlier) {
				gaps = append(gaps, gap{earlier.Call, later.Return})
			}
		}
	}
	slices.SortFunc(gaps, func(a, b gap) int { return int(a.to - b.to) })
	count, last := 0, time.Duration(-1)
	for _, g := range gaps {
		if g.from > last {
			count, last = count+1, g.to
		}
	}
	return count
}

func isBelow(later, earlier Operation) bool {
	return later.Value < earlier.Value || later.Value == earlier.Value && later.Kind == Increment
}

// MostReturns is the largest number of [Returns] of a key with the prefix.
func (h *History) MostReturns(prefix string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := 0
	for key, list := range h.keys {
		if strings.HasPrefix(key, prefix) {
			most = max(most, Returns(list))
		}
	}
	return most
}

// Tally compares a counter that was only incremented with what it holds in the
// end: how many acknowledged increments are missing at least, and how many it
// has too many, even if all unknown ones were carried out.
func Tally(list []Operation, last int64) (lost, doubled int64) {
	var acknowledged, unknown int64
	for _, o := range list {
		switch {
		case o.Kind != Increment:
		case o.Known:
			acknowledged++
		default:
			unknown++
		}
	}
	return max(acknowledged-last, 0), max(last-acknowledged-unknown, 0)
}

// Operations returns what happened to the key.
func (h *History) Operations(key string) []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.keys[key])
}

func text(list []Operation) string {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range list {
		answer := fmt.Sprint(o.Value)
		if !o.Known {
			answer = "? (" + answer + ")"
		}
		fmt.Fprintf(&b, "  %9.3f-%9.3f ms  client %d  %-4s %s\n", ms(o.Call), ms(o.Return), o.Client, o.Kind, answer)
	}
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
