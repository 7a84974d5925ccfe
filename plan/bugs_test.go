package plan_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// RS172076: endpoints were bound to a node that was being removed.
func TestRS172076(t *testing.T) {
	d := draw(t, false, node(1000), node(1000), node(1000))
	d.database(db("carts", 1, 100, true), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 2})
	leaving := d.Nodes[3]
	leaving.Removing = "a1"
	d.Board = d.Board.With(d.Revision+1, cluster.Change{Put: []cluster.Object{leaving}})
	id := cluster.EndpointID{Database: 1, Index: 1}
	if n := plan.Listener(d.View, d.Endpoints[id], 1); n != 0 {
		t.Errorf("the endpoint would go to node:%d", n)
	}
	if n := plan.Listener(d.View, d.Endpoints[id]); n != 1 {
		t.Errorf("the endpoint would go to node:%d", n)
	}
}
