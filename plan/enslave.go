package plan

import (
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Enslave plans that the masters on the node become slaves, by failing over to
// their partners, and that its endpoints go elsewhere. The shards stay. Masters
// without a replica stay masters, by name; left names the endpoints that have
// nowhere to go.
func Enslave(v cluster.View, node int, o cluster.MaintenanceOptions) (moves []cluster.Move, masters, left []string) {
	e := &evacuation{space: newSpace(v, of(node)), node: node, to: map[int]int{}}
	for _, s := range v.ShardsOn(node) {
		if o.EndpointsOnly || v.RoleOf(s) != cluster.Master {
			continue
		}
		if partner, ok := e.partner(s); ok {
			e.failover(s, partner)
		} else {
			masters = append(masters, fmt.Sprintf("redis:%d (db:%d %s) has no replica on a node in service", s.ID, s.Range.Database, v.Databases[s.Range.Database].Name))
		}
	}
	moves = e.failovers
	for i := range moves {
		moves[i].Reason = but(fmt.Sprintf("node:%d is to have no masters", node), CutOff(v, v.Shards[moves[i].Old], v.Shards[moves[i].Shard]))
	}
	if o.ShardsOnly {
		return numbered(moves), masters, nil
	}
	rebinds, left := e.rebinds()
	rebinds = slices.DeleteFunc(rebinds, func(m cluster.Move) bool { return v.Databases[m.Endpoint.Database].Spread() })
	for i := range rebinds {
		rebinds[i].Reason = fmt.Sprintf("node:%d is to have no endpoints", node)
	}
	return numbered(append(moves, rebinds...)), masters, left
}
