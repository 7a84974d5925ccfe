package plan

import (
	"cmp"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Place finds nodes for the shards and the endpoint of a new database: a master
// and its replica on different nodes, in different zones where the database is
// rack aware, as even as the nodes allow. The error is every blocker at once,
// as cluster.Refusals.
func Place(v cluster.View, d cluster.Database) (cluster.Placement, error) {
	p, ok := place(v, d)
	var blockers cluster.Refusals
	if !ok {
		blockers = append(blockers, p.blocker())
	}
	if list := p.listeners(d, p.p.Masters); d.Spread() && len(list) > 0 {
		p.p.Endpoint, p.p.Also = list[0], list[1:]
	} else if p.p.Endpoint = p.pickListener(slices.Sorted(slices.Values(p.p.Masters))); p.p.Endpoint == 0 {
		blockers = append(blockers, cluster.Refuse(cluster.CodeInsufficientResources, "raise max_listeners of a node or add one",
			"the endpoint of %s finds no node: %s", d.Name, p.reasons(func(n int) string { return p.againstListener(n, false) })))
	}
	if len(blockers) > 0 {
		return cluster.Placement{}, blockers
	}
	return p.p, nil
}

// place tries the even spread first, and only if that finds no room for all,
// the one that uses the room best.
func place(v cluster.View, d cluster.Database) (*placing, bool) {
	even := newPlacing(v, d)
	if even.spread() {
		return even, true
	}
	tight := newPlacing(v, d)
	return tight, tight.fill()
}

// placing is a new database on its way to its nodes.
type placing struct {
	*space
	d     cluster.Database
	p     cluster.Placement
	stuck want // the shard that found no node
}

func newPlacing(v cluster.View, d cluster.Database) *placing {
	d.ID = 0
	return &placing{space: newSpace(v, none), d: d}
}

func none(cluster.Action, cluster.Move) bool { return false }

func (p *placing) master(i int) want {
	return want{shard: -1 - 2*i, slots: cluster.RangeID{Index: i}, db: p.d, other: "replica", leads: p.d.Replication}
}

func (p *placing) replica(i int) want {
	return want{shard: -2 - 2*i, slots: cluster.RangeID{Index: i}, db: p.d, other: "master"}
}

// spread places all masters, each where the fewest are, then the replicas,
// each where the fewest shards are.
func (p *placing) spread() bool {
	for i := range p.d.ShardsCount {
		if !p.putMaster(i, p.byMasters) {
			return false
		}
	}
	for i := range p.d.ShardsCount {
		if p.d.Replication && !p.putReplica(i, p.byShards) {
			return false
		}
	}
	return true
}

// fill places pair after pair, always where the most shards of this size still
// fit: the two of a pair exclude each other, so keeping the emptiest nodes (or
// zones) level leaves room for the most pairs.
func (p *placing) fill() bool {
	for i := range p.d.ShardsCount {
		if !p.putMaster(i, p.byRoom) || p.d.Replication && !p.putReplica(i, p.byRoom) {
			return false
		}
	}
	return true
}

func (p *placing) putMaster(i int, order func(a, b int) int) bool {
	node := p.put(p.master(i), order)
	p.p.Masters = append(p.p.Masters, node)
	p.on(node).masters++
	p.sources[cluster.RangeID{Index: i}] = p.v.Reports[node].Engine
	return node != 0
}

func (p *placing) putReplica(i int, order func(a, b int) int) bool {
	node := p.put(p.replica(i), order)
	p.p.Replicas = append(p.p.Replicas, node)
	return node != 0
}

func (p *placing) put(w want, order func(a, b int) int) int {
	node := p.pick(w, order)
	if node == 0 {
		p.stuck = w
		return 0
	}
	p.add(w, node)
	return node
}

// byRoom prefers the zone, or without zones the node, that can take the most
// further shards of the database.
func (p *placing) byRoom(a, b int) int {
	return cmp.Or(cmp.Compare(p.zoneRoom(b), p.zoneRoom(a)), cmp.Compare(p.room(b), p.room(a)), cmp.Compare(a, b))
}

func (p *placing) zoneRoom(node int) int64 {
	if !zoned(p.v, p.d) {
		return p.room(node)
	}
	var sum int64
	for _, n := range p.nodes {
		if zone(p.v, n) == zone(p.v, node) {
			sum += p.room(n)
		}
	}
	return sum
}

// room is how many further shards of the database the node can take.
func (p *placing) room(node int) int64 {
	if p.closed(node, false) != "" {
		return 0
	}
	left := int64(p.v.Nodes[node].MaxShards - p.on(node).shards)
	return max(min(left, p.free(node)/max(p.d.ProcessMemory(), 2)), 0)
}

// blocker names what keeps the shards from being placed, with numbers. Where
// they would fit without the zone rule it is that rule.
func (p *placing) blocker() *cluster.Error {
	code, hint := cluster.CodeInsufficientResources, "add nodes, or make the database smaller"
	if zoned(p.v, p.d) {
		free := p.d
		free.RackAware = false
		if _, ok := place(p.v, free); ok {
			code, hint = cluster.CodeRackViolation, "add nodes in further zones, or create the database without rack_aware"
		}
	}
	copies := 1
	if p.d.Replication {
		copies = 2
	}
	return cluster.Refuse(code, hint, "%s needs %s of %s each and not all find a node: %s",
		p.d.Name, cluster.Count(copies*p.d.ShardsCount, "shard"), cluster.Size(p.d.ProcessMemory(), 2), p.reasons(func(n int) string { return p.against(p.stuck, n) }))
}
