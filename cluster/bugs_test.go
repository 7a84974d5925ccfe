package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// What went wrong elsewhere, under the name it has there.

// A shard that was down kept another node from becoming cluster master.
func TestRS110204(t *testing.T) {
	v := cluster.View{
		Board: (*cluster.Board)(nil).With(1, cluster.Change{Put: []cluster.Object{
			cluster.Node{ID: 1, Membership: cluster.Voter}, cluster.Node{ID: 2, Membership: cluster.Voter},
			cluster.Shard{ID: 1, Instance: cluster.InstanceID{Shard: 1, Incarnation: 1}},
			cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Node: 2},
		}}),
		Alive: map[int]bool{1: true, 2: true}, Leader: 1,
		Reports: map[int]cluster.Report{2: {Instances: map[cluster.InstanceID]cluster.Observed{{Shard: 1, Incarnation: 1}: {State: cluster.Absent}}}},
	}
	if err := v.MayLead(2); err != nil {
		t.Error(err)
	}
}

// A node that was not part of the cluster yet became its master.
func TestRS160196(t *testing.T) {
	v := cluster.View{
		Board: (*cluster.Board)(nil).With(1, cluster.Change{Put: []cluster.Object{
			cluster.Node{ID: 1, Membership: cluster.Voter}, cluster.Node{ID: 2, Membership: cluster.Learner}, cluster.Node{ID: 3, Membership: cluster.Client},
		}}),
		Alive: map[int]bool{1: true, 2: true, 3: true}, Leader: 1,
	}
	for node, want := range map[int]cluster.Code{2: cluster.CodeNodeNotVoter, 3: cluster.CodeNodeNotVoter, 4: cluster.CodeNodeNotFound} {
		if err := v.MayLead(node); cluster.CodeOf(err) != want {
			t.Errorf("node:%d: %v", node, err)
		}
	}
}
