package maintenance_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func (s *scenario) explain(w words) string {
	v := s.view()
	e := maintenance.ExplainNode(v, v.Nodes[w.number(2)])
	if w.bare[1] == "shard" {
		e = maintenance.ExplainShard(v, v.Shards[w.number(2)])
	}
	out := e.Summary + "\n"
	for _, r := range e.Because {
		out += fmt.Sprintf("  because %s: %v\n", r.Code, r)
	}
	for _, r := range e.Waits {
		out += fmt.Sprintf("  waits %s: %v\n", r.Code, r)
	}
	for _, shard := range e.Shards {
		for _, p := range shard.Places {
			if len(p.Against) == 0 {
				out += fmt.Sprintf("  redis:%d (%s) could go to node:%d\n", shard.Shard, shard.Role, p.Node)
			}
			for _, r := range p.Against {
				out += fmt.Sprintf("  redis:%d (%s) can not go to node:%d: %s: %v\n", shard.Shard, shard.Role, p.Node, r.Code, r)
			}
		}
	}
	return out + "next: " + e.Next + "\n"
}

// Whatever happens, everything can be explained: each answer says what to do, and
// names a node as fitting only if nothing is against it.
func TestEverythingCanBeExplained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		node := rapid.IntRange(1, len(w.hosts)).Draw(t, "node")
		w.enqueue(cluster.MaintenanceOn, node, anyOptions(t), "")
		w.carryFor(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
		if rapid.Bool().Draw(t, "stopped") {
			*w.hosts[rapid.IntRange(1, len(w.hosts)).Draw(t, "victim")] = host{procs: map[cluster.InstanceID]*proc{}, listeners: map[cluster.EndpointID]*cluster.EndpointState{}}
			w.tick()
		}
		v := w.view()
		for _, n := range cluster.Sorted(v.Nodes) {
			e := maintenance.ExplainNode(v, n)
			if e.Summary == "" || e.Next == "" || len(e.Because) == 0 || len(e.Shards) != len(v.ShardsOn(n.ID)) {
				t.Fatalf("node:%d: %+v\n%s", n.ID, e, w)
			}
		}
		for _, s := range cluster.Sorted(v.Shards) {
			e := maintenance.ExplainShard(v, s)
			if e.Summary == "" || e.Next == "" || len(e.Because) == 0 || len(e.Shards[0].Places) != len(v.Nodes)-1 {
				t.Fatalf("redis:%d: %+v\n%s", s.ID, e, w)
			}
			for _, p := range e.Shards[0].Places {
				if p.Best && len(p.Against) > 0 {
					t.Fatalf("redis:%d: node:%d is the best and has %v against it\n%s", s.ID, p.Node, p.Against, w)
				}
			}
		}
	})
}
