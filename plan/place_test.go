package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

func TestPlaceSpreadsEvenly(t *testing.T) {
	d := draw(t, false, node(1000), node(1000), node(1000))
	for _, c := range []struct {
		db   cluster.Database
		want string
	}{
		{db("a", 4, 400, true), "[1 2 3 1] [2 3 1 2] 1"},
		{db("b", 1, 100, true), "[3] [1] 3"},
		{db("c", 1, 50, false), "[2] [] 2"},
	} {
		p, err := plan.Place(d.View, c.db)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.Masters, p.Replicas, p.Endpoint); got != c.want {
			t.Errorf("%s: %s, want %s", c.db.Name, got, c.want)
		}
		d.database(c.db, p)
	}
	for n := 1; n <= 3; n++ {
		masters := 0
		for _, s := range d.ShardsOn(n) {
			if d.RoleOf(s) == cluster.Master {
				masters++
			}
		}
		if total := len(d.ShardsOn(n)); masters != 2 || total < 3 || len(d.EndpointsOn(n)) != 1 {
			t.Errorf("node:%d has %d masters, %d shards, %d endpoints", n, masters, total, len(d.EndpointsOn(n)))
		}
	}
}

func TestPlaceRefuses(t *testing.T) {
	tests := []struct {
		name  string
		nodes []cluster.Node
		close func(d *drawing)
		db    cluster.Database
		code  cluster.Code
		words []string
	}{
		{name: "memory", nodes: []cluster.Node{node(100), node(49)}, db: db("a", 1, 100, true), code: cluster.CodeInsufficientResources,
			words: []string{"6.25GB", "node:2 has 6.12GB left", "node:1 holds its master"}},
		{name: "one node", nodes: []cluster.Node{node(1000)}, db: db("a", 1, 100, true), code: cluster.CodeInsufficientResources,
			words: []string{"node:1 holds its master"}},
		{name: "zones", nodes: []cluster.Node{in("a", 1000), in("A", 1000)}, db: aware(db("a", 1, 100, true)), code: cluster.CodeRackViolation,
			words: []string{"node:2 is in the zone of its master"}},
		{name: "shards", nodes: []cluster.Node{{TotalMemory: 1 << 40, MaxShards: 1}}, db: db("a", 2, 100, false), code: cluster.CodeInsufficientResources,
			words: []string{"node:1 has 1 of 1 shards"}},
		{name: "out, down and quorum-only", nodes: []cluster.Node{node(1000), node(1000), {TotalMemory: 1 << 40, QuorumOnly: true}},
			close: func(d *drawing) { d.mark(1, &cluster.Maintenance{}); delete(d.Alive, 2) },
			db:    db("a", 1, 100, false), code: cluster.CodeInsufficientResources,
			words: []string{"node:1 is in maintenance mode", "node:2 is down", "node:3 is quorum-only", "the endpoint of a finds no node"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := draw(t, test.db.RackAware, test.nodes...)
			if test.close != nil {
				test.close(d)
			}
			_, err := plan.Place(d.View, test.db)
			if cluster.CodeOf(err) != test.code {
				t.Fatalf("%v: code %s, want %s", err, cluster.CodeOf(err), test.code)
			}
			for _, w := range test.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestPlaceNamesAllBlockers(t *testing.T) {
	full := cluster.Node{TotalMemory: mega, MaxListeners: 1}
	d := draw(t, false, node(100), full)
	n := d.Nodes[1]
	n.MaxListeners = -1
	d.Board = d.Board.With(9, cluster.Change{Put: []cluster.Object{n}})
	e := cluster.Endpoint{ID: cluster.EndpointID{Database: 9, Index: 1}, Nodes: []int{2}}
	d.Board = d.Board.With(10, cluster.Change{Put: []cluster.Object{e}})
	_, err := plan.Place(d.View, db("a", 1, 400, false))
	var all cluster.Refusals
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("%v, want two blockers", err)
	}
}

// Place finds a way whenever there is one, and what it finds keeps every rule.
// The oracle tries all ways.
func TestPlaceAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &drawing{t, cluster.View{Board: &cluster.Board{}, Alive: map[int]bool{}, Reports: map[int]cluster.Report{}}}
		racks := rapid.Bool().Draw(t, "racks")
		for i := range rapid.IntRange(1, 6).Draw(t, "nodes") {
			n := in(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone"), rapid.Int64Range(0, 40).Draw(t, "memory"))
			n.MaxShards = rapid.IntRange(1, 8).Draw(t, "shards")
			d.node(i, n, racks)
		}
		want := db("x", rapid.IntRange(1, 4).Draw(t, "count"), 0, rapid.Bool().Draw(t, "replicated"))
		want.RackAware = racks
		copies := int64(want.ShardsCount)
		if want.Replication {
			copies *= 2
		}
		want = sized(10*copies, want)
		p, err := plan.Place(d.View, want)
		if possible := fits(d, want, map[int]int{}, 0); possible != (err == nil) {
			t.Fatalf("possible: %v, but: %v", possible, err)
		}
		if err == nil {
			checkPlacement(t, d, want, p)
		}
	})
}

// fits tries to place the ranges from i on, with so many shards on the nodes.
func fits(d *drawing, db cluster.Database, shards map[int]int, i int) bool {
	if i == db.ShardsCount {
		return true
	}
	try := func(n int, then func() bool) bool {
		if shards[n] >= d.Nodes[n].MaxShards || int64(shards[n]+1)*db.ProcessMemory() > d.Nodes[n].TotalMemory {
			return false
		}
		shards[n]++
		defer func() { shards[n]-- }()
		return then()
	}
	for m := range d.Nodes {
		found := try(m, func() bool {
			if !db.Replication {
				return fits(d, db, shards, i+1)
			}
			for r := range d.Nodes {
				if r == m || db.RackAware && d.Nodes[r].RackID == d.Nodes[m].RackID {
					continue
				}
				if try(r, func() bool { return fits(d, db, shards, i+1) }) {
					return true
				}
			}
			return false
		})
		if found {
			return true
		}
	}
	return false
}

func checkPlacement(t *rapid.T, d *drawing, db cluster.Database, p cluster.Placement) {
	shards := map[int]int{}
	for i, m := range p.Masters {
		shards[m]++
		if db.Replication {
			r := p.Replicas[i]
			shards[r]++
			if r == m || db.RackAware && d.Nodes[r].RackID == d.Nodes[m].RackID {
				t.Fatalf("master on node:%d, replica on node:%d", m, r)
			}
		}
	}
	for n, count := range shards {
		if count > d.Nodes[n].MaxShards || int64(count)*db.ProcessMemory() > d.Nodes[n].TotalMemory {
			t.Fatalf("node:%d got %d shards", n, count)
		}
	}
	if len(p.Masters) != db.ShardsCount || p.Endpoint == 0 {
		t.Fatalf("incomplete: %+v", p)
	}
}
