package plan_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

func TestReplica(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(d *drawing)
		want    int
	}{
		"the emptiest in another zone": {func(*drawing) {}, 5},
		"one with fewer free":          {func(d *drawing) { delete(d.Alive, 5) }, 4},
		"none in another zone":         {func(d *drawing) { delete(d.Alive, 5); delete(d.Alive, 4) }, 0},
		"not one that is out":          {func(d *drawing) { d.mark(5, &cluster.Maintenance{}) }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := draw(t, true, in("a", 1000), in("b", 1000), in("a", 1000), in("b", 1000), in("c", 1000))
			d.database(aware(db("a", 1, 400, true)), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
			d.database(db("b", 1, 100, false), cluster.Placement{Masters: []int{4}, Endpoint: 4})
			delete(d.Alive, 2)
			test.happens(d)
			if got, _ := plan.Replica(d.View, d.Shards[2]); got != test.want {
				t.Errorf("node:%d, want node:%d", got, test.want)
			}
		})
	}
}
