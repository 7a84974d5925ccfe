package plan_test

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// upgraded is a cluster in the midst of an upgrade: node 2 has it already.
func upgraded(t *testing.T, nodes int) *drawing {
	t.Helper()
	var list []cluster.Node
	for range nodes {
		list = append(list, node(1000))
	}
	d := draw(t, false, list...)
	for i := range nodes {
		d.engine(i+1, "7.0.15")
	}
	d.engine(2, "8.0.2")
	return d
}

// A new database has its masters where a replica can follow them, and its
// replicas where they can load what the master writes.
func TestPlaceWhileEnginesDiffer(t *testing.T) {
	d := upgraded(t, 3)
	p, err := plan.Place(d.View, db("x", 6, 120, true))
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Masters {
		if p.Masters[i] == 2 || p.Replicas[i] == p.Masters[i] {
			t.Errorf("%+v", p)
		}
	}
	d.database(db("x", 6, 120, true), p)
	if p, err = plan.Place(d.View, db("alone", 1, 20, false)); err != nil || p.Masters[0] != 2 {
		t.Errorf("what has no replica goes to the emptiest node: %+v, %v", p, err)
	}
	d.engine(1, "7.2.4")
	d.engine(3, "8.0.2")
	d.mark(2, &cluster.Maintenance{})
	d.mark(3, &cluster.Maintenance{})
	_, err = plan.Place(d.View, db("y", 1, 20, true))
	if err == nil || !strings.Contains(err.Error(), "node:2 is in maintenance mode") {
		t.Errorf("%v", err)
	}
}

// A copy is refused by name where it could not be loaded.
func TestSeatsWhileEnginesDiffer(t *testing.T) {
	d := upgraded(t, 3)
	d.database(db("x", 1, 10, false), cluster.Placement{Masters: []int{2}, Endpoint: 1})
	_, err := plan.Migrations(d.View, 3, cluster.MaintenanceOptions{Shards: []int{1}})
	if want := "redis:1 can not move to node:3: node:3 has redis 7.0.15, which can not load what redis 8.0.2 writes"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	d.engine(3, "8.0.2")
	if moves, err := plan.Migrations(d.View, 3, cluster.MaintenanceOptions{Shards: []int{1}}); err != nil || len(moves) != 1 {
		t.Errorf("%v, %v", moves, err)
	}
}

// A master goes with its version as long as there is a place for it; if there is
// none its newer replica takes over, and the reason says what that costs.
func TestEvacuateWhileEnginesDiffer(t *testing.T) {
	three := upgraded(t, 3)
	three.database(db("x", 1, 20, true), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	moves, left := plan.Evacuate(three.View, 1, cluster.MaintenanceOptions{})
	if len(left) > 0 || moves[0].Kind == cluster.Failover || moves[len(moves)-1].Kind != cluster.Migrate || moves[len(moves)-1].To != 3 {
		t.Errorf("%s%v", written(moves), left)
	}
	two := upgraded(t, 2)
	two.database(db("x", 1, 20, true), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	moves, left = plan.Evacuate(two.View, 1, cluster.MaintenanceOptions{KeepSlaveShards: true})
	if len(left) > 0 || moves[0].Kind != cluster.Failover || !strings.Contains(moves[0].Reason, "could not copy from redis:2, which is of redis 8.0.2") {
		t.Errorf("%s%v", written(moves), left)
	}
	if moves, left = plan.Evacuate(two.View, 1, cluster.MaintenanceOptions{}); len(left) != 1 || moves[0].Kind != cluster.Failover {
		t.Errorf("%s%v", written(moves), left)
	}
}
