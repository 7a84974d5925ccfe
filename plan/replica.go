package plan

import "github.com/haulout/haulout/cluster"

// Replica returns the node on which a replica whose own node is gone is to be
// rebuilt, or 0 if none can have it: the one with the fewest shards of those
// that have room, not beside its master and, where it matters, in another zone.
func Replica(v cluster.View, s cluster.Shard) int {
	sp := newSpace(v, none)
	w := want{shard: s.ID, slots: s.Range, db: v.Databases[s.Range.Database], other: "master"}
	return sp.pick(w, sp.byShards, v.NodeOf(s))
}
