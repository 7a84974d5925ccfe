package plan

import (
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Fits says whether a waiting move can still be made on this board, or a running
// one go on: nil, or why not, as a *cluster.Error. A node in maintenance admits only what its running
// return brings home.
func Fits(v cluster.View, m cluster.Move) error {
	sp := newSpace(v, same(m))
	switch m.Kind {
	case cluster.Rebind:
		return sp.endpointFits(m)
	case cluster.Failover:
		return sp.failoverFits(m)
	default:
		return sp.shardFits(m)
	}
}

// same skips the move itself, which is on the board.
func same(m cluster.Move) func(cluster.Action, cluster.Move) bool {
	return func(_ cluster.Action, o cluster.Move) bool {
		return o.Kind == m.Kind && o.Shard == m.Shard && o.Endpoint == m.Endpoint && o.To == m.To
	}
}

func (sp *space) shardFits(m cluster.Move) error {
	s, ok := sp.v.Shards[m.Shard]
	if !ok {
		return gone(m)
	}
	if sp.v.Ranges[s.Range].Lost {
		return lost(m)
	}
	w := want{shard: s.ID, slots: s.Range, db: sp.v.Databases[s.Range.Database], other: "partner", home: returns(sp.v, m.To, s.ID), mixed: m.OverrideRack}
	why := sp.bar(w, m.To)
	if _, there := sp.v.Instances[m.Instance]; why == "" && !there && sp.v.NodeOf(s) != m.To {
		why = sp.lack(w, m.To)
	}
	return misfit(m, why)
}

func (sp *space) failoverFits(m cluster.Move) error {
	s, ok := sp.v.Shards[m.Shard]
	if !ok {
		return gone(m)
	}
	if sp.v.Ranges[s.Range].Lost {
		return lost(m)
	}
	node := sp.v.NodeOf(s)
	return misfit(m, sp.closed(node, returns(sp.v, node, s.ID)))
}

func (sp *space) endpointFits(m cluster.Move) error {
	e, ok := sp.v.Endpoints[m.Endpoint]
	if !ok {
		return gone(m)
	}
	if m.To == 0 && slices.Contains(e.Nodes, m.From) && len(left(sp.v, e, m.From)) == 0 {
		return misfit(m, "no other node serves it")
	}
	if m.To == 0 || slices.Contains(e.Nodes, m.To) {
		return nil // it is there, only an old binding is left to drain
	}
	home := slices.ContainsFunc(homecoming(sp.v, m.To).Endpoints, func(b cluster.Bound) bool { return b.Endpoint == e.ID })
	if slices.Contains(e.Opening, m.To) {
		return misfit(m, sp.closed(m.To, home)) // it is counted already
	}
	return misfit(m, sp.againstListener(m.To, home))
}

// returns reports whether the node is on its way back and the shard is one of
// those its snapshot calls home.
func returns(v cluster.View, node, shard int) bool {
	return slices.ContainsFunc(homecoming(v, node).Shards, func(p cluster.Placed) bool { return p.Shard == shard })
}

// homecoming returns what is to come back to the node while its return is under
// way; nothing otherwise.
func homecoming(v cluster.View, node int) cluster.Snapshot {
	m := v.Nodes[node].Maintenance
	if m == nil || m.Returning == "" {
		return cluster.Snapshot{}
	}
	return Home(v.Snapshots[cluster.SnapshotID{Node: node, Name: v.Actions[m.Returning].Snapshot}])
}

func misfit(m cluster.Move, why string) error {
	if why == "" {
		return nil
	}
	return cluster.Refuse(cluster.CodeInsufficientResources, "", "%s: %s", subject(m), why)
}

func gone(m cluster.Move) error {
	return cluster.Refuse(cluster.CodeInsufficientResources, "", "%s no longer exists", subject(m))
}

func lost(m cluster.Move) error {
	return cluster.Refuse(cluster.CodeShardLost, "see haulout recover list", "%s: its slots are lost until restored", subject(m))
}

func subject(m cluster.Move) string {
	if m.Kind == cluster.Rebind {
		return fmt.Sprintf("endpoint:%s", m.Endpoint)
	}
	return fmt.Sprintf("redis:%d", m.Shard)
}
