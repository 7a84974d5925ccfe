package maintenance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// A host that is away for a moment, as when its daemon was stopped for longer than a lease,
// ends no action: it goes on when the host is back, and by name when it is not.
func TestHostsMayBeAwayForAMoment(t *testing.T) {
	for name, test := range map[string]struct {
		host   int // that goes away
		off    bool
		away   time.Duration
		status cluster.ActionStatus
	}{
		"the only target of an on, for a moment": {3, false, 15 * time.Second, cluster.ActionCompleted},
		"the only target of an on, for long":     {3, false, 5 * time.Minute, cluster.ActionFailed},
		"the node of an off, for a moment":       {2, true, 15 * time.Second, cluster.ActionCompleted},
		"the node of an off, for long":           {2, true, 5 * time.Minute, cluster.ActionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w, id := pair(t)
			if test.off {
				w.carry()
				id = w.enqueue(cluster.MaintenanceOff, 2, cluster.MaintenanceOptions{}, "")
			}
			w.rate = mega
			w.carryFor(3 * time.Second)
			w.hosts[test.host].up = false
			w.apply(cluster.NoteDown{At: w.now, Node: test.host, Down: true})
			w.carryFor(test.away)
			w.hosts[test.host].up = true
			w.apply(cluster.NoteDown{At: w.now, Node: test.host})
			w.rate = 100 * mega
			w.carryFor(3 * time.Minute)
			if a := w.board.Actions[id]; a.Status != test.status || a.Error != nil && !strings.Contains(a.Error.Error(), "is down") {
				t.Errorf("%s: %v, moves %+v", a.Status, a.Error, a.Moves)
			}
		})
	}
}
