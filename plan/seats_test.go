package plan_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

func TestSeatsNameEverythingAgainstThem(t *testing.T) {
	d := draw(t, true, in("a", 1000), in("A", 100), in("b", 300), in("c", 50), in("d", 100))
	d.database(aware(db("carts", 1, 400, true)), cluster.Placement{Masters: []int{1}, Replicas: []int{3}, Endpoint: 1})
	full := d.Nodes[4]
	full.MaxShards = 0
	d.Board = d.Board.With(d.Revision+1, cluster.Change{Put: []cluster.Object{full}})
	d.mark(5, &cluster.Maintenance{})
	var got []string
	for _, seat := range plan.Seats(d.View, d.Shards[2]) {
		for _, e := range seat.Against {
			got = append(got, fmt.Sprintf("node:%d %s: %s", seat.Node, e.Code, e.Message))
		}
	}
	expectLines(t, got, []string{
		"node:1 replication_node_violation: node:1 holds its master",
		"node:2 rack_awareness_violation: node:2 is in the zone of its master",
		"node:2 insufficient_resources: node:2 has 12.5GB left",
		"node:4 insufficient_resources: node:4 has 0 of 0 shards",
		"node:4 insufficient_resources: node:4 has 6.25GB left",
		"node:5 node_closed: node:5 is in maintenance mode",
		"node:5 insufficient_resources: node:5 has 12.5GB left",
	})
}

// A seat is free exactly if a migration of the shard to the node is accepted,
// and it says first what the migration would.
func TestSeatsAreWhatMigrationsFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &drawing{t, cluster.View{Board: &cluster.Board{}, Alive: map[int]bool{}, Reports: map[int]cluster.Report{}}}
		for i := range rapid.IntRange(2, 5).Draw(t, "nodes") {
			n := in(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone"), rapid.Int64Range(20, 200).Draw(t, "memory"))
			n.MaxShards = rapid.IntRange(1, 5).Draw(t, "shards")
			d.node(i, n, true)
			d.engine(i+1, rapid.SampledFrom([]string{"7.0.15", "8.0.2"}).Draw(t, "engine"))
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "databases") {
			x := db(fmt.Sprint("x", i), 1, rapid.Int64Range(8, 100).Draw(t, "size"), rapid.Bool().Draw(t, "replicated"))
			x.RackAware = rapid.Bool().Draw(t, "aware")
			if p, err := plan.Place(d.View, x); err == nil {
				d.database(x, p)
			}
		}
		if rapid.Bool().Draw(t, "out") {
			d.mark(rapid.IntRange(1, len(d.Nodes)).Draw(t, "node"), &cluster.Maintenance{})
		}
		for _, s := range cluster.Sorted(d.Shards) {
			best := 0
			for _, seat := range plan.Seats(d.View, s) {
				_, err := plan.Migrations(d.View, seat.Node, cluster.MaintenanceOptions{Shards: []int{s.ID}})
				if (err == nil) != (len(seat.Against) == 0) {
					t.Fatalf("redis:%d to node:%d: %v, and its migration: %v", s.ID, seat.Node, seat.Against, err)
				}
				if seat.Best && len(seat.Against) > 0 {
					t.Fatalf("redis:%d: the best is node:%d, which has %v against it", s.ID, seat.Node, seat.Against)
				}
				if seat.Best {
					best++
				}
			}
			if best > 1 {
				t.Fatalf("redis:%d has %d best nodes", s.ID, best)
			}
		}
	})
}
