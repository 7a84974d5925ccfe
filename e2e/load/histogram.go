package load

import (
	"math"
	"sync/atomic"
	"time"
)

// histogram counts durations in classes, each 5 % wider than the one before,
// from a microsecond to ten minutes. Safe for concurrent use.
type histogram struct {
	classes [420]atomic.Int64
}

const growth = 1.05

func (h *histogram) add(d time.Duration) { h.classes[class(d)].Add(1) }

func class(d time.Duration) int {
	us := float64(d) / float64(time.Microsecond)
	if us <= 1 {
		return 0
	}
	return min(int(math.Log(us)/math.Log(growth))+1, 419)
}

// quantile returns the upper end of the class in which the quantile lies.
func (h *histogram) quantile(q float64) time.Duration {
	total := int64(0)
	for i := range h.classes {
		total += h.classes[i].Load()
	}
	left := int64(math.Ceil(q * float64(total)))
	for i := range h.classes {
		if left -= h.classes[i].Load(); left <= 0 {
			return time.Duration(math.Pow(growth, float64(i)) * float64(time.Microsecond))
		}
	}
	return 0
}
