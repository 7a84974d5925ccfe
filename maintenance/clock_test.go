package maintenance_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// A new leader's clock may be an hour off: a move then neither fails at once nor
// waits that hour.
func TestMovesBearClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		for name, make := range map[string]func(*testing.T) (*world, string){"a shard and its copy": pair, "an only copy": single, "an endpoint": bound} {
			for after := 1; after < 12; after += 2 {
				w, on := make(t)
				w.rate = 10 * mega // copies take a while
				end := w.now.Add(5 * time.Minute)
				w.carryFor(time.Duration(after) * time.Second)
				w.now, w.seen, end = w.now.Add(skew), nil, end.Add(skew)
				w.carry()
				a := w.board.Actions[on]
				if a.Status != cluster.ActionCompleted || w.now.After(end) {
					t.Fatalf("%s, %s after %d s: %s (%v) at %s\n%s", name, skew, after, a.Status, a.Error, w.now, w)
				}
				for _, m := range a.Moves {
					if m.Attempt > 1 {
						t.Errorf("%s, %s after %d s: %s took %d attempts: %v", name, skew, after, m.Text(), m.Attempt, m.Error)
					}
				}
			}
		}
	}
}

// What fails, fails in its time by whatever clock.
func TestDeadlinesHoldByClocksThatDiffer(t *testing.T) {
	w, on := pair(t)
	w.wedged[3] = true
	w.carryFor(10 * time.Second)
	w.now, w.seen = w.now.Add(-time.Hour), nil
	if !w.carryFor(30 * time.Minute) {
		t.Fatalf("still %+v", w.board.Actions[on].Moves)
	}
	if a := w.board.Actions[on]; a.Status != cluster.ActionFailed {
		t.Errorf("%s: %v", a.Status, a.Error)
	}
}
