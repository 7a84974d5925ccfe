package plan

import "github.com/haulout/haulout/cluster"

// Failovers plans that the partners of these shards become masters in their
// place. Shards that are no masters, or have no partner, are left out.
func Failovers(v cluster.View, shards []int) []cluster.Move {
	var moves []cluster.Move
	for _, id := range shards {
		s, ok := v.Shards[id]
		partner, replicated := v.Partner(s)
		if !ok || !replicated || v.RoleOf(s) != cluster.Master {
			continue
		}
		moves = append(moves, cluster.Move{
			Kind: cluster.Failover, Shard: partner.ID, Old: s.ID, From: v.NodeOf(s), To: v.NodeOf(partner), Reason: but("asked for", CutOff(v, s, partner)),
		})
	}
	return numbered(moves)
}
