package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// A request with the key of an earlier one takes its hold over, wherever that stands.
func TestMarkByIdempotencyKey(t *testing.T) {
	s := begin(t, 3)
	on := func(id, key string) {
		s.must(cluster.EnqueueAction{Action: cluster.Action{ID: id, Name: cluster.MaintenanceOn, Node: 2, Idempotency: key, Created: at}})
		s.must(cluster.RecordChecks{At: at, Action: id})
		s.must(cluster.Mark{At: at, Action: id})
		s.must(cluster.CompleteOn{At: at, Action: id})
	}
	on("a", "patch")
	on("b", "")
	on("c", "patch")
	on("d", "")
	var ids string
	for _, h := range s.board.Nodes[2].Maintenance.Holds {
		ids += h.ID
	}
	if ids != "cbd" {
		t.Errorf("the holds are of %s", ids)
	}
}
