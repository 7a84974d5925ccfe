package e2e

import (
	"fmt"
	"math"
	"time"
)

// Result is what a story ends with: one line of JSON.
type Result struct {
	Acknowledged int64 `json:"acknowledged_writes"`
	Lost         int64 `json:"lost_writes"`
	Duplicated   int64 `json:"duplicated_writes"`
	Errors       int64 `json:"client_errors"`
	Retries      int64 `json:"client_retries"`
	// LongestPause is the longest that any one operation of a client took,
	// ControlLongest the same for a client of an untouched engine.
	LongestPause     float64 `json:"longest_pause_ms"`
	ControlLongest   float64 `json:"control_longest_ms"`
	EvacuatedShards  int     `json:"evacuated_shards"`
	EvacuatedBytes   int64   `json:"evacuated_bytes"`
	ConnectionsMoved int     `json:"connections_moved"`
	OnSeconds        float64 `json:"on_seconds"`
	OffSeconds       float64 `json:"off_seconds"`
	RestoredExactly  bool    `json:"restored_exactly"`
}

// Good reports whether nothing was lost, doubled or refused, the node carried
// something, and it came back as it was.
func (r Result) Good() bool {
	return r.Acknowledged > 0 && r.Lost == 0 && r.Duplicated == 0 && r.Errors == 0 &&
		r.EvacuatedShards > 0 && r.RestoredExactly
}

// PauseTarget is what the longest pause should not exceed, in milliseconds.
func (r Result) PauseTarget() float64 { return max(50, 3*r.ControlLongest) }

func toMilliseconds(d time.Duration) float64 { return toTenths(float64(d) / float64(time.Millisecond)) }

func toTenths(f float64) float64 { return math.Round(f*10) / 10 }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", toMilliseconds(d)) }
