package agent

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// Clients hear of a failover as soon as it has begun, and of its end as soon as
// the other shard is master.
func TestRoutesAnnounceFailovers(t *testing.T) {
	door, slots := cluster.EndpointID{Database: 1, Index: 1}, cluster.RangeID{Database: 1, Index: 1}
	board := func(status cluster.MoveStatus, of cluster.ActionStatus, master int) *cluster.Board {
		return (&cluster.Board{}).With(1, cluster.Change{Put: []cluster.Object{
			cluster.Node{ID: 1, Address: "127.0.0.1"}, cluster.Database{ID: 1, Name: "a"}, cluster.Endpoint{ID: door, Nodes: []int{1}},
			cluster.Shard{ID: 1, Range: slots}, cluster.Shard{ID: 2, Range: slots},
			cluster.SlotRange{ID: slots, Master: cluster.InstanceID{Shard: master, Incarnation: 1}},
			cluster.Action{ID: "a", Status: of, Moves: []cluster.Move{{ID: 1, Kind: cluster.Failover, Shard: 2, Old: 1, Status: status}}},
		}})
	}
	for _, c := range []struct {
		status cluster.MoveStatus
		of     cluster.ActionStatus
		master int
		told   bool
	}{
		{cluster.MoveWaiting, cluster.ActionRunning, 1, false},
		{cluster.MoveRunning, cluster.ActionRunning, 1, true},
		{cluster.MoveRunning, cluster.ActionRunning, 2, false},
		{cluster.MoveDone, cluster.ActionRunning, 2, false},
		{cluster.MoveRunning, cluster.ActionFailed, 1, false},
	} {
		ranges := Routes(board(c.status, c.of, c.master), 1, cluster.Certificate{}).Endpoints[0].Ranges
		if told := len(ranges) == 1 && len(ranges[0].FailingOver) == 1 && ranges[0].FailingOver[0] == 1; told != c.told {
			t.Errorf("%+v: %+v", c, ranges)
		}
	}
}
