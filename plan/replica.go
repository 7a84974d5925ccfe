package plan

import (
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Replica returns the node on which a replica whose own node is gone is to be
// rebuilt: the one with the fewest shards of those that have room, not beside its
// master and, where it matters, in another zone. 0 means that none can have it,
// and why says what is against each of them.
func Replica(v cluster.View, s cluster.Shard, except ...int) (node int, why string) {
	sp := newSpace(v, none)
	w := want{shard: s.ID, slots: s.Range, db: v.Databases[s.Range.Database], other: "master"}
	except = append(slices.Clone(except), v.NodeOf(s))
	if node = sp.pick(w, sp.byShards, except...); node != 0 {
		return node, ""
	}
	return 0, sp.reasons(func(n int) string { return sp.against(w, n) }, except...)
}
