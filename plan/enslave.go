package plan

import (
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Enslave plans that the masters on the node become slaves, by failing over to
// their partners, and that its endpoints go elsewhere. The shards stay. So do, by
// name, masters without a replica as what they are, and endpoints whose policy says
// where they are; left names those that have nowhere to go.
func Enslave(v cluster.View, node int, o cluster.MaintenanceOptions) (moves []cluster.Move, stays, left []string) {
	e := &evacuation{space: newSpace(v, of(node)), node: node, to: map[int]int{}}
	for _, s := range v.ShardsOn(node) {
		if o.EndpointsOnly || v.RoleOf(s) != cluster.Master {
			continue
		}
		if partner, ok := e.partner(s); ok {
			e.failover(s, partner)
		} else {
			stays = append(stays, fmt.Sprintf("redis:%d (db:%d %s) has no replica on a node in service", s.ID, s.Range.Database, v.Databases[s.Range.Database].Name))
		}
	}
	moves = e.failovers
	for i := range moves {
		moves[i].Reason = but(fmt.Sprintf("node:%d is to have no masters", node), CutOff(v, v.Shards[moves[i].Old], v.Shards[moves[i].Shard]))
	}
	if o.ShardsOnly {
		return numbered(moves), stays, nil
	}
	endpoints := slices.DeleteFunc(sortedEndpoints(listening(v, node)), func(ep cluster.Endpoint) bool {
		d := v.Databases[ep.ID.Database]
		if d.Spread() { // what takes it away would be undone
			stays = append(stays, fmt.Sprintf("endpoint:%s (db:%d %s) stays: its policy %s says where it is", ep.ID, d.ID, d.Name, d.ProxyPolicy))
		}
		return d.Spread()
	})
	rebinds, left := e.rebinds(endpoints)
	for i := range rebinds {
		rebinds[i].Reason = fmt.Sprintf("node:%d is to have no endpoints", node)
	}
	return numbered(append(moves, rebinds...)), stays, left
}
