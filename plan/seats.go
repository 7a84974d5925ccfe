package plan

import (
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Seat is a node as a place for a shard, counted as plans count: with what
// running actions will still bring.
type Seat struct {
	Node              int
	Free              int64 // bytes; negative: more is promised than there is
	Shards, MaxShards int
	// Against is all that keeps the shard off the node, rules before room; empty
	// if it could go there now.
	Against cluster.Refusals
	// Best marks the one that an evacuation would choose.
	Best bool
}

// Seats returns every node but its own as a place for the shard, by id.
func Seats(v cluster.View, s cluster.Shard) []Seat {
	sp := newSpace(v, func(_ cluster.Action, m cluster.Move) bool { return m.Shard == s.ID })
	w := want{shard: s.ID, slots: s.Range, db: v.Databases[s.Range.Database], other: "master"}
	order := sp.byShards
	if v.RoleOf(s) == cluster.Master {
		w.other = "replica"
		if partner, ok := sp.partner(s); !ok || CutOff(v, s, partner) != "" {
			order = sp.byMasters
		}
	}
	second, coming := v.Second(s)
	best := sp.pick(w, order, v.NodeOf(s))
	var list []Seat
	for _, n := range sp.nodes {
		if n == v.NodeOf(s) {
			continue
		}
		w.home = returns(v, n, s.ID)
		seat := Seat{Node: n, Free: sp.free(n), Shards: sp.on(n).shards, MaxShards: v.Nodes[n].MaxShards, Best: n == best}
		seat.Against = slices.Collect(sp.bars(w, n))
		if !coming || second.Node != n { // its copy is counted already
			seat.Against = slices.AppendSeq(seat.Against, sp.lacks(w, n))
		}
		list = append(list, seat)
	}
	return list
}
