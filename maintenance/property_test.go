package maintenance_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
	"github.com/haulout/haulout/plan"
)

// draw makes a cluster of any shape, its databases placed by the planner.
func draw(t *rapid.T) *world {
	w := newWorld(t)
	n := rapid.IntRange(2, 6).Draw(t, "nodes")
	zoned := rapid.Bool().Draw(t, "zones")
	for i := range n {
		zone := ""
		if zoned {
			zone = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone")
		}
		w.addNode(rapid.Int64Range(100, 600).Draw(t, "memory")*mega, zone, cluster.Voter)
		if rapid.IntRange(0, 4).Draw(t, "limited") == 0 {
			shards, listeners := rapid.IntRange(0, 8).Draw(t, "shards"), rapid.IntRange(0, 3).Draw(t, "listeners")
			w.apply(cluster.TuneNode{At: w.now, Node: i + 1, MaxShards: &shards, MaxListeners: &listeners})
		}
	}
	w.tick()
	for i := range rapid.IntRange(0, 5).Draw(t, "databases") {
		d := cluster.Database{
			Name: fmt.Sprint("db", i), MemorySize: rapid.Int64Range(16, 400).Draw(t, "size") * mega,
			ShardsCount: rapid.IntRange(1, 3).Draw(t, "count"), Replication: rapid.Bool().Draw(t, "replicated"),
			RackAware: zoned && rapid.Bool().Draw(t, "aware"), ProxyPolicy: rapid.SampledFrom(cluster.ProxyPolicies).Draw(t, "policy"),
		}
		d.MemorySize = max(d.MemorySize, int64(d.ShardsCount)*2*cluster.MinShardMemory)
		if p, err := plan.Place(w.view(), sized(d)); err == nil {
			w.addDatabase(d, p)
		}
	}
	return w
}

func anyOptions(t *rapid.T) cluster.MaintenanceOptions {
	return cluster.MaintenanceOptions{
		IgnoreChecks: []string{"quorum"}, KeepSlaveShards: rapid.Bool().Draw(t, "keep"), MaxConcurrent: rapid.IntRange(0, 3).Draw(t, "concurrent"),
		EvictDatabases: rapid.SliceOfN(rapid.IntRange(1, 4), 0, 2).Draw(t, "evicted"),
	}
}

// Whatever the cluster looks like and whatever fits, off after on leaves
// everything as it was; and on its way no rule is broken, which the world checks.
func TestOffAfterOnIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		before := w.place()
		node := rapid.IntRange(1, len(w.hosts)).Draw(t, "node")
		on, err := w.request(cluster.MaintenanceOn, node, anyOptions(t), "")
		if err != nil {
			t.Fatalf("on: %v", err)
		}
		if on.Status == cluster.ActionFailed && (on.Error.Code != cluster.CodeInsufficientResources || len(on.Left) == 0) {
			t.Fatalf("on: %v %v", on.Error, on.Left)
		}
		for _, m := range on.Moves {
			if m.Status != cluster.MoveDone {
				t.Fatalf("%s: %s: %v", m.Text(), m.Status, m.Error)
			}
		}
		checkEmpty(t, w, on)
		off, err := w.request(cluster.MaintenanceOff, node, cluster.MaintenanceOptions{}, "")
		if err != nil || off.Status != cluster.ActionCompleted || !off.Proof.Exact {
			t.Fatalf("off: %v %v %v %+v", err, off.Status, off.Error, off.Proof)
		}
		if after := w.place(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

func checkEmpty(t *rapid.T, w *world, on cluster.Action) {
	if on.Status != cluster.ActionCompleted {
		return
	}
	for _, s := range w.board.ShardsOn(on.Node) {
		if !on.Options.KeepsSlaves(s.Range.Database) || w.board.RoleOf(s) == cluster.Master {
			t.Fatalf("redis:%d is still on node:%d\n%s", s.ID, on.Node, w)
		}
	}
	if on := w.board.EndpointsOn(on.Node); len(on) > 0 {
		t.Fatalf("endpoints are still there: %v", on)
	}
}

// Several nodes out and back in any order, at the same time or one after the
// other: in the end everything is as it was.
func TestManyNodesOutAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		before := w.place()
		var out []int
		for n := range w.hosts {
			out = append(out, n)
		}
		out = rapid.Permutation(sorted(out)).Draw(t, "order")[:min(len(out), 3)]
		together := rapid.Bool().Draw(t, "together")
		for _, n := range out {
			w.enqueue(cluster.MaintenanceOn, n, anyOptions(t), "")
			if !together {
				w.carry()
			}
		}
		w.carry()
		for range 4 { // a return can have to wait for another node's
			for _, n := range rapid.Permutation(out).Draw(t, "back") {
				if w.board.Nodes[n].Maintenance == nil {
					continue
				}
				w.enqueue(cluster.MaintenanceOff, n, cluster.MaintenanceOptions{}, "")
				if !together {
					w.carry()
				}
			}
			w.carry()
		}
		if after := w.place(); after != before {
			for _, l := range w.trace {
				t.Log(l)
			}
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

func sorted(list []int) []int {
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// The same view gives the same answers, in whatever order its maps are walked.
func TestSameViewSameAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		node := rapid.IntRange(1, len(w.hosts)).Draw(t, "node")
		o := anyOptions(t)
		moves, left := plan.Evacuate(w.view(), node, o)
		for _, m := range moves {
			if err := plan.Fits(w.view(), m); err != nil {
				t.Fatalf("a planned move does not fit: %v", err)
			}
		}
		snapshot := maintenance.Snapshot(w.view(), node, "s")
		for range 5 {
			b := *w.board
			b.Nodes, b.Shards, b.Instances, b.Ranges, b.Endpoints = shuffled(b.Nodes), shuffled(b.Shards), shuffled(b.Instances), shuffled(b.Ranges), shuffled(b.Endpoints)
			v := w.view()
			v.Board = &b
			again, stays := plan.Evacuate(v, node, o)
			if !reflect.DeepEqual(moves, again) || !reflect.DeepEqual(left, stays) {
				t.Fatalf("%v %v\n%v %v", moves, left, again, stays)
			}
			if s := maintenance.Snapshot(v, node, "s"); !reflect.DeepEqual(s, snapshot) {
				t.Fatalf("%+v\n%+v", snapshot, s)
			}
		}
	})
}

// shuffled is the map, filled in another order.
func shuffled[K comparable, V any](m map[K]V) map[K]V {
	keys := make([]K, 0, len(m))
	for k := range maps.Keys(m) {
		keys = append(keys, k)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	n := map[K]V{}
	for _, k := range keys {
		n[k] = m[k]
	}
	return n
}
