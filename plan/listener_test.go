package plan_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

func TestListener(t *testing.T) {
	lost := cluster.EndpointID{Database: 1, Index: 1}
	for name, test := range map[string]struct {
		happens func(d *drawing)
		want    int
	}{
		"a node with a master, though it has more endpoints": {func(*drawing) {}, 3},
		"not one in maintenance":                             {func(d *drawing) { d.mark(3, &cluster.Maintenance{}) }, 2},
		"not one that is down":                               {func(d *drawing) { delete(d.Alive, 3) }, 2},
		"where a master is about to be": {func(d *drawing) {
			d.apply(cluster.OpenHandover{ID: "x", To: d.Shards[2].Instance, Unplanned: true})
		}, 2},
		"not one that does not reach a master": {func(d *drawing) {
			d.apply(cluster.OpenHandover{ID: "x", To: d.Shards[2].Instance, Unplanned: true})
			d.Reports[2] = cluster.Report{Unreached: []int{3}}
		}, 3},
		"one that has not knocked at a host which joined a moment ago": {func(d *drawing) {
			d.apply(cluster.OpenHandover{ID: "x", To: d.Shards[2].Instance, Unplanned: true})
			d.Reports[2] = cluster.Report{Reached: []int{1, 4}}
		}, 2},
		"not one with a master that does not reach another": {func(d *drawing) {
			d.apply(cluster.OpenHandover{ID: "x", To: d.Shards[2].Instance, Unplanned: true})
			d.Reports[2], d.Reports[3] = cluster.Report{Unreached: []int{3}}, cluster.Report{Unreached: []int{2}}
		}, 4},
		"none": {func(d *drawing) { clear(d.Alive) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := draw(t, false, node(1000), node(1000), node(1000), node(1000))
			d.database(db("a", 2, 400, true), cluster.Placement{Masters: []int{1, 3}, Replicas: []int{2, 1}, Endpoint: 1})
			d.database(db("b", 1, 100, false), cluster.Placement{Masters: []int{3}, Endpoint: 3})
			delete(d.Alive, 1)
			test.happens(d)
			if got := plan.Listener(d.View, d.Endpoints[lost]); got != test.want {
				t.Errorf("node:%d, want node:%d", got, test.want)
			}
		})
	}
}
