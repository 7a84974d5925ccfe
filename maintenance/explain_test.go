package maintenance_test

import (
	"fmt"

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
