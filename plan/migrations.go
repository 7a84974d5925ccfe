package plan

import "github.com/haulout/haulout/cluster"

// Migrations plans that the shards move to the node, or says for each of them
// why it can not, as cluster.Refusals. A master with a partner in service becomes
// a slave first, so that its copy is out of the clients' way; it becomes master
// again at the end if the roles are to be preserved. Shards that are there
// already are left out.
func Migrations(v cluster.View, node int, o cluster.MaintenanceOptions) ([]cluster.Move, error) {
	sp := newSpace(v, of(node))
	var blockers cluster.Refusals
	var away, copies, back []cluster.Move
	before := map[int]int{} // shard -> its failover, counted from 1
	for _, id := range o.Shards {
		s, ok := v.Shards[id]
		from := v.NodeOf(s)
		if !ok || from == node {
			continue
		}
		w := want{shard: id, slots: s.Range, db: v.Databases[s.Range.Database], other: "partner", mixed: o.OverrideRack}
		if why := sp.against(w, node); why != "" {
			blockers = append(blockers, cluster.Refuse(cluster.CodeInsufficientResources, "name another node", "redis:%d can not move to node:%d: %s", id, node, why))
			continue
		}
		sp.add(w, node)
		copies = append(copies, cluster.Move{Kind: cluster.Migrate, Shard: id, From: from, To: node, Bytes: copied(v, s), OverrideRack: o.OverrideRack, Reason: "asked for"})
		partner, inService := sp.partner(s)
		if !inService || v.RoleOf(s) != cluster.Master || CutOff(v, s, partner) != "" {
			continue
		}
		to := v.NodeOf(partner)
		away = append(away, cluster.Move{Kind: cluster.Failover, Shard: partner.ID, Old: id, From: from, To: to, Reason: "its master moves"})
		before[id] = len(away)
		if o.PreserveRoles {
			back = append(back, cluster.Move{Kind: cluster.Failover, Shard: id, Old: partner.ID, From: to, To: node, Reason: but("roles are to be preserved", leavesBehind(v, s, partner, node))})
		}
	}
	if len(blockers) > 0 {
		return nil, blockers
	}
	moves := away
	for _, m := range copies {
		m.After = after(before[m.Shard])
		moves = append(moves, m)
		before[m.Shard] = len(moves)
	}
	for _, m := range back {
		m.After = after(before[m.Shard])
		moves = append(moves, m)
	}
	return numbered(moves), nil
}
