package plan_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Evacuate leaves something only if not everything can go, which the oracle
// finds out by trying all ways.
func TestEvacuateAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &drawing{t, cluster.View{Board: &cluster.Board{}, Alive: map[int]bool{}, Reports: map[int]cluster.Report{}}}
		count := rapid.IntRange(2, 4).Draw(t, "nodes")
		for i := range count {
			n := in(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone"), 1000)
			n.MaxShards = rapid.IntRange(1, 5).Draw(t, "shards")
			d.node(i, n, true)
		}
		for i := range rapid.IntRange(1, 5).Draw(t, "databases") {
			x := db(fmt.Sprint("x", i), 1, rapid.Int64Range(8, 60).Draw(t, "size"), rapid.Bool().Draw(t, "replicated"))
			x.RackAware = rapid.Bool().Draw(t, "aware")
			if p, err := plan.Place(d.View, x); err == nil {
				d.database(x, p)
			}
		}
		for _, n := range d.Nodes { // memory gets tight afterwards, so that there is something to place
			used := int64(0)
			for _, i := range d.InstancesOn(n.ID) {
				used += d.Databases[i.Range.Database].ProcessMemory()
			}
			n.TotalMemory = used + rapid.Int64Range(0, 60).Draw(t, "free")*mega
			d.Board = d.Board.With(d.Revision+1, cluster.Change{Put: []cluster.Object{n}})
		}
		node := rapid.IntRange(1, count).Draw(t, "node")
		moves, left := plan.Evacuate(d.View, node, cluster.MaintenanceOptions{})
		if possible := evacuates(d, node, d.ShardsOn(node), 0); possible != (len(left) == 0) {
			t.Fatalf("possible: %v, left: %v, moves:\n%s", possible, left, written(moves))
		}
	})
}

// evacuates tries to find other nodes for the shards from i on.
func evacuates(d *drawing, from int, shards []cluster.Shard, i int) bool {
	if i == len(shards) {
		return true
	}
	s := shards[i]
	for n := range d.Nodes {
		if n == from || !takes(d, n, s) {
			continue
		}
		before := d.Board
		instance := before.Instances[s.Instance]
		instance.Node = n
		d.Board = before.With(before.Revision+1, cluster.Change{Put: []cluster.Object{instance}})
		done := evacuates(d, from, shards, i+1)
		d.Board = before
		if done {
			return true
		}
	}
	return false
}

func takes(d *drawing, n int, s cluster.Shard) bool {
	db := d.Databases[s.Range.Database]
	used := db.ProcessMemory()
	for _, i := range d.InstancesOn(n) {
		used += d.Databases[i.Range.Database].ProcessMemory()
	}
	if used > d.Nodes[n].TotalMemory || len(d.InstancesOn(n)) >= d.Nodes[n].MaxShards {
		return false
	}
	p, replicated := d.Partner(s)
	if !replicated {
		return true
	}
	at := d.NodeOf(p)
	return at != n && (!db.RackAware || d.Nodes[at].RackID != d.Nodes[n].RackID)
}
