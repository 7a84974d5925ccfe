package maintenance

import (
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Compare looks whether the node is again as the snapshot saw it: every shard
// in its place and role, every endpoint, every limit. Each difference is named.
// Visitors are not compared, nor roles that the return of another node that is
// out will bring.
func Compare(v cluster.View, s cluster.Snapshot) cluster.Proof {
	home := plan.Home(s)
	elsewhere, _ := awaited(v, s.ID.Node)
	var differences []string
	compare := func(difference string) {
		if difference != "" {
			differences = append(differences, difference)
		}
	}
	for _, p := range home.Shards {
		compare(comparePlaced(v, s.ID.Node, p, elsewhere))
	}
	for _, b := range home.Endpoints {
		compare(compareBound(v, s.ID.Node, b))
	}
	n := v.Nodes[s.ID.Node]
	compare(compareLimit("max_redis_servers", n.MaxShards, s.MaxShards))
	compare(compareLimit("max_listeners", n.MaxListeners, s.MaxListeners))
	compare(compareLimit("quorum_only", n.QuorumOnly, s.QuorumOnly))
	return cluster.Proof{
		Exact: len(differences) == 0, Compared: len(home.Shards) + len(home.Endpoints) + 3, Differences: differences,
	}
}

func comparePlaced(v cluster.View, node int, p cluster.Placed, awaited map[int]cluster.Role) string {
	name := fmt.Sprintf("redis:%d (db:%d %s)", p.Shard, p.Range.Database, p.Database)
	s, ok := v.Shards[p.Shard]
	switch {
	case !ok || s.Range != p.Range:
		return name + " no longer exists"
	case v.NodeOf(s) != node && v.Ranges[s.Range].Lost:
		return fmt.Sprintf("%s is on node:%d: it is lost until restored", name, v.NodeOf(s))
	case v.NodeOf(s) != node:
		return fmt.Sprintf("%s is on node:%d", name, v.NodeOf(s))
	case v.RoleOf(s) != p.Role && !swaps(v, s, awaited):
		return fmt.Sprintf("%s is %s, was %s%s", name, v.RoleOf(s), p.Role, cluster.Because(partnerAway(v, s)))
	}
	return ""
}

// swaps reports whether the shard's partner is on a node that is out and gets
// its role back with that node.
func swaps(v cluster.View, s cluster.Shard, awaited map[int]cluster.Role) bool {
	partner, _ := v.Partner(s)
	return awaited[partner.ID] != "" && awaited[partner.ID] != v.RoleOf(partner) && v.Nodes[v.NodeOf(partner)].Closed()
}

// partnerAway says why a shard could not exchange roles with its partner, or "".
func partnerAway(v cluster.View, s cluster.Shard) string {
	partner, ok := v.Partner(s)
	if !ok {
		return "it has no partner any more"
	}
	n := v.Nodes[v.NodeOf(partner)]
	switch {
	case !v.Alive[n.ID]:
		return fmt.Sprintf("its partner redis:%d is on node:%d, which is down", partner.ID, n.ID)
	case n.Closed():
		return fmt.Sprintf("its partner redis:%d is on node:%d, which is out of service", partner.ID, n.ID)
	}
	return plan.CutOff(v, partner, s)
}

// compareBound compares where the endpoint is. If its policy binds it to several
// nodes, what counts is that this node is one of them again.
func compareBound(v cluster.View, node int, b cluster.Bound) string {
	e, ok := v.Endpoints[b.Endpoint]
	spread := v.Databases[e.ID.Database].Spread()
	switch {
	case ok && spread && slices.Contains(e.Nodes, node):
		return ""
	case ok && spread && slices.Contains(e.Exclude, node):
		return fmt.Sprintf("endpoint:%s (%s) excludes node:%d since", b.Endpoint, b.Database, node)
	case !ok:
		return fmt.Sprintf("endpoint:%s (%s) no longer exists", b.Endpoint, b.Database)
	case !slices.Equal(e.Nodes, b.Nodes):
		return fmt.Sprintf("endpoint:%s (%s) is on %s, was on %s", b.Endpoint, b.Database, nodes(e.Nodes), nodes(b.Nodes))
	}
	return ""
}

func compareLimit[T comparable](name string, is, was T) string {
	if is == was {
		return ""
	}
	return fmt.Sprintf("%s is %v, was %v: changed meanwhile", name, is, was)
}
