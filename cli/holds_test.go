package cli

import (
	"testing"
	"time"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// Who holds a node out, why, since when and until when; the first is overdue.
func TestHoldsAreShown(t *testing.T) {
	d := apitest.Cluster()
	for i, a := range []cluster.Action{
		{ID: "a1", By: "anna@example.com", Cause: "patching", Until: apitest.Start.Add(time.Hour)},
		{ID: "a2", By: "ben@example.com", Cause: "hardware", Reason: "new disk", Until: apitest.Start.Add(9 * time.Hour)},
		{ID: "a3", By: "root"},
	} {
		a.Name, a.Node, a.Created = cluster.MaintenanceOn, 2, d.View().Now
		d.Apply(cluster.EnqueueAction{Action: a})
		s := d.Begin(2, cluster.MaintenanceOn)
		s.Checks()
		if i == 0 {
			s.Snapshot("s")
		}
		s.Close()
		s.CompleteOn()
		d.Pass(time.Hour)
	}
	b := newBench(t, d)
	for name, line := range map[string]string{"holds": "status nodes extra maintenance", "holds_info": "info node 2"} {
		_, text, _ := b.run(line)
		golden(t, name, text)
	}
}
