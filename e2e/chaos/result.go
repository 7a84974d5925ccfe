package chaos

import (
	"slices"
	"time"
)

// Result is what a run ends with: one line of JSON.
type Result struct {
	Seed          uint64 `json:"seed"`
	Rounds        int    `json:"rounds"`
	Operations    int    `json:"operations"`
	Refused       int    `json:"operations_refused_or_failed"`
	Faults        int    `json:"faults"`
	Acknowledged  int64  `json:"acknowledged_writes"`
	Errors        int64  `json:"client_errors"`
	Judged        int    `json:"operations_judged"`
	Undecided     int    `json:"keys_undecided"`
	Broken        int    `json:"keys_not_linearizable"`
	PlannedLost   int64  `json:"planned_lost"`
	UnplannedLost int64  `json:"unplanned_lost"`
	KeptLost      int64  `json:"min_replicas_lost"` // of those, by the database with min_replicas
	Doubled       int64  `json:"duplicated"`
	TwoMasters    int    `json:"two_masters"`
	// Recoveries are measured from the fault until every part of every replicated
	// database took a write over a new connection.
	Recoveries map[class]Recoveries `json:"recoveries"`

	times map[class][]time.Duration
}

// Recoveries are the times of one class.
type Recoveries struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_seconds"`
	P90   float64 `json:"p90_seconds"`
	Max   float64 `json:"max_seconds"`
}

// Good reports whether nothing happened that must not.
func (r Result) Good() bool {
	return r.Rounds > 0 && r.Acknowledged > 0 && r.PlannedLost == 0 && r.KeptLost == 0 && r.Doubled == 0 && r.Broken == 0 && r.TwoMasters == 0
}

func (r *Result) recovered(c class, took time.Duration) {
	if r.times == nil {
		r.times, r.Recoveries = map[class][]time.Duration{}, map[class]Recoveries{}
	}
	list := append(r.times[c], took)
	slices.Sort(list)
	r.times[c] = list
	at := func(percent int) float64 {
		return float64(list[(len(list)-1)*percent/100].Milliseconds()) / 1000
	}
	r.Recoveries[c] = Recoveries{Count: len(list), P50: at(50), P90: at(90), Max: at(100)}
}
