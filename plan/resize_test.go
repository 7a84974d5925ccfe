package plan_test

import (
	"errors"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Another size has room on every node that has something of the database, or is to have it.
func TestResize(t *testing.T) {
	for name, test := range map[string]struct {
		size    int64 // of the database of two masters and two replicas, 400
		happens func(d *drawing)
		want    []string
	}{
		"as it is":                            {400, nil, nil},
		"less":                                {100, nil, nil},
		"all there is":                        {2000, nil, nil},
		"a little more":                       {2004, nil, []string{"node:1 has 256MB too little for its shards of db:1 (a)"}},
		"a node has no room":                  {800, func(d *drawing) { d.shrink(3, 199) }, []string{"node:3 has 128MB too little for its shards of db:1 (a)"}},
		"less, although a node is overbooked": {300, func(d *drawing) { d.shrink(3, 50) }, nil},
		"more, beside a node that is overbooked by others": {500, func(d *drawing) { d.shrink(4, 10) }, nil},
		"a node that is out has to have room once it is back": {800, func(d *drawing) {
			d.shrink(4, 200)
			s := snapshot(d, 4, placed(2, d, cluster.Slave))
			d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{s}})
			d.mark(4, &cluster.Maintenance{Snapshot: "s"})
		}, []string{"node:4 has 16GB too little for its shards of db:1 (a)"}},
		"less than is stored": {200, func(d *drawing) { d.stores(1, 70) }, []string{"redis:1 holds 8.75GB and would have 6.19GB: with noeviction it would take no write"}},
		"less than is stored, which goes": {200, func(d *drawing) {
			d.stores(1, 70)
			b := d.Databases[1]
			b.Eviction = "allkeys-lru"
			d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{b}})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := draw(t, false, node(1000), node(1000), node(1000), node(1000))
			a := db("a", 2, 400, true)
			a.Eviction = "noeviction"
			d.database(a, cluster.Placement{Masters: []int{1, 1}, Replicas: []int{2, 3}, Endpoint: 1})
			d.database(db("b", 1, 128, false), cluster.Placement{Masters: []int{4}, Endpoint: 1})
			if test.happens != nil {
				test.happens(d)
			}
			err := plan.Resize(d.View, sized(test.size, d.Databases[1]))
			var all cluster.Refusals
			if !errors.As(err, &all) && err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range all {
				got = append(got, e.Message)
			}
			expectLines(t, got, test.want)
		})
	}
}

// shrink gives the node so much memory.
func (d *drawing) shrink(node int, size int64) {
	n := d.Nodes[node]
	n.TotalMemory = size * mega
	d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{n}})
}

// stores has the shard report so much data.
func (d *drawing) stores(shard int, size int64) {
	i := d.Instances[d.Shards[shard].Instance]
	r := d.Reports[i.Node]
	if r.Instances == nil {
		r.Instances = map[cluster.InstanceID]cluster.Observed{}
	}
	o := r.Instances[i.ID]
	o.Dataset = size * mega
	r.Instances[i.ID] = o
	d.Reports[i.Node] = r
}
