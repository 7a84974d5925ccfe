package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Discovery on a host without a lease tells of what this host serves as a whole, and
// status says of every database how it stands.
func TestServedAlone(t *testing.T) {
	whole, half, elsewhere := cluster.RangeID{Database: 1}, cluster.RangeID{Database: 2}, cluster.RangeID{Database: 3}
	rest := cluster.RangeID{Database: 2, Index: 1}
	var empty *cluster.Board
	b := empty.With(1, cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "c"},
		cluster.Database{ID: 1, Name: "one"}, cluster.Database{ID: 2, Name: "two"}, cluster.Database{ID: 3, Name: "three"},
		cluster.SlotRange{ID: whole, Last: 16383}, cluster.SlotRange{ID: half, Last: 8191}, cluster.SlotRange{ID: rest, First: 8192, Last: 16383},
		cluster.SlotRange{ID: elsewhere, Last: 16383},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Nodes: []int{1}},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 2, Index: 1}, Nodes: []int{1}},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 3, Index: 1}, Nodes: []int{2, 1}},
	}})
	served := cluster.Alone{Until: time.Unix(1e9, 0).UTC()}
	alone := map[cluster.RangeID]cluster.Alone{
		whole: served, half: served, elsewhere: served,
		rest: {Why: cluster.Refuse(cluster.CodeServingStopped, "start it", "node:2 does not promise")},
	}
	shown := servedAlone(b, 1, alone)
	if shown == nil || len(shown.EndpointsOf(1)) != 1 || len(shown.Endpoints) != 1 || len(b.Endpoints) != 3 {
		t.Errorf("%+v", shown)
	}
	if shown := servedAlone(b, 1, nil); shown != nil {
		t.Errorf("without any right: %+v", shown.Endpoints)
	}
	var said []string
	for _, trouble := range aloneTroubles(b, alone) {
		said = append(said, string(trouble.Code)+" "+trouble.Message)
	}
	for _, want := range []string{
		"serving_without_quorum db:1 (one) slots 0-16383 are served without a quorum, until 01:46:40 UTC",
		"serving_without_quorum db:2 (two) slots 0-8191 are served", "not_serving_without_quorum node:2 does not promise",
	} {
		if !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("%q is not in\n%s", want, strings.Join(said, "\n"))
		}
	}
	if len(aloneTroubles(b, nil)) != 0 {
		t.Error("trouble while the lease stands")
	}
}
