package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Restore plans how what the snapshot saw on the node comes back: shards first,
// then roles, endpoints last. Visitors stay where they are. What the snapshot
// names and is no longer there, or can not be as it was, is a difference, by
// name. If anything has no place, the error is every blocker at once, as
// cluster.Refusals, and nothing is planned.
func Restore(v cluster.View, node int, s cluster.Snapshot) (moves []cluster.Move, diffs []string, err error) {
	r := &restoration{space: newSpace(v, of(node)), node: node, snapshot: Home(s)}
	for _, p := range r.snapshot.Shards {
		r.shard(p)
	}
	for _, b := range r.snapshot.Endpoints {
		r.endpoint(b)
	}
	if len(r.blockers) > 0 {
		return nil, nil, r.blockers
	}
	return r.moves(), r.diffs, nil
}

// Home returns the snapshot without its visitors: what the node is to get back.
func Home(s cluster.Snapshot) cluster.Snapshot {
	s.Shards = slices.DeleteFunc(slices.Clone(s.Shards), func(p cluster.Placed) bool {
		return slices.Contains(s.VisitorShards, p.Shard)
	})
	s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(b cluster.Bound) bool {
		return slices.Contains(s.VisitorEndpoints, b.Endpoint)
	})
	return s
}

// Awaited returns what the node is to get back when its maintenance ends; nothing if it is
// in service.
func Awaited(v cluster.View, n cluster.Node) cluster.Snapshot {
	if n.Maintenance == nil {
		return cluster.Snapshot{}
	}
	return Home(v.Snapshots[cluster.SnapshotID{Node: n.ID, Name: n.Maintenance.Snapshot}])
}

// HomeOf returns the node out of service to which the shard will return, or 0.
func HomeOf(v cluster.View, s cluster.Shard) int {
	for _, n := range cluster.Sorted(v.Nodes) {
		if slices.ContainsFunc(Awaited(v, n).Shards, func(p cluster.Placed) bool { return p.Shard == s.ID }) {
			return n.ID
		}
	}
	return 0
}

// wayOut is what helps against blockers of a return.
const wayOut = "make room, bring other nodes back first, or leave everything where it is with skip_shards_restore"

// restoration is a node being filled again.
type restoration struct {
	*space
	node     int
	snapshot cluster.Snapshot

	away       []cluster.Move // failovers of masters that are away, before they move
	migrations []cluster.Move // home
	roles      []cluster.Move // failovers once they are home
	rebinds    []cluster.Move // last

	diffs    []string
	blockers cluster.Refusals
}

func (r *restoration) differs(format string, args ...any) {
	r.diffs = append(r.diffs, fmt.Sprintf(format, args...))
}

// shard plans one shard of the snapshot.
func (r *restoration) shard(p cluster.Placed) {
	s, ok := r.v.Shards[p.Shard]
	switch {
	case !ok || s.Range != p.Range:
		r.differs("redis:%d (db:%d %s) no longer exists", p.Shard, p.Range.Database, p.Database)
	case r.v.Ranges[s.Range].Lost:
		r.differs("redis:%d (db:%d %s) is lost until restored", p.Shard, p.Range.Database, p.Database)
	case r.v.NodeOf(s) == r.node:
		r.role(p, s, r.v.RoleOf(s))
	default:
		r.bring(p, s)
	}
}

// bring plans the way home of a shard that is away. A master with a partner in
// service becomes a slave first, so that its copy is out of the clients' way.
func (r *restoration) bring(p cluster.Placed, s cluster.Shard) {
	w := want{shard: s.ID, slots: s.Range, db: r.v.Databases[s.Range.Database], other: "partner", home: true}
	from := r.v.NodeOf(s)
	partner, replicated := r.v.Partner(s)
	crossed := replicated && crossed(r.v, s, partner, r.node)
	w.mixed = p.Mixed || crossed
	if why := r.against(w, r.node); why != "" {
		r.block(p, w, why)
		return
	}
	if !replicated && !r.v.Alive[from] {
		r.block(p, w, fmt.Sprintf("node:%d, which has its only copy, is down", from))
		return
	}
	r.add(w, r.node)
	m := cluster.Move{
		Kind: cluster.Migrate, Shard: s.ID, From: from, To: r.node, Bytes: copied(r.v, s),
		OverrideRack: w.mixed, Reason: fmt.Sprintf("its snapshot saw it on node:%d", r.node),
	}
	if crossed {
		m.Reason += fmt.Sprintf("; it shares a zone with redis:%d until node:%d is back", partner.ID, HomeOf(r.v, partner))
	}
	role := r.v.RoleOf(s)
	if partner, ok := r.partner(s); ok && role == cluster.Master && CutOff(r.v, s, partner) == "" {
		r.sources[s.Range] = r.v.EngineOf(partner.Instance)
		r.away = append(r.away, cluster.Move{
			Kind: cluster.Failover, Shard: partner.ID, Old: s.ID, From: from, To: r.v.NodeOf(partner),
			Reason: fmt.Sprintf("redis:%d goes home to node:%d, as a slave at first", s.ID, r.node),
		})
		role = cluster.Slave
	}
	r.migrations = append(r.migrations, m)
	r.role(p, s, role)
}

func (r *restoration) block(p cluster.Placed, w want, why string) {
	r.blockers = append(r.blockers, cluster.Refuse(cluster.CodeInsufficientResources, wayOut,
		"redis:%d (db:%d %s) needs %s on node:%d: %s", p.Shard, p.Range.Database, p.Database, cluster.Size(w.db.ProcessMemory(), 2), r.node, why))
}

// role plans the failover that gives the shard the role its snapshot saw, if it
// would not have it once it is home.
func (r *restoration) role(p cluster.Placed, s cluster.Shard, has cluster.Role) {
	partner, replicated := r.v.Partner(s)
	switch {
	case has == p.Role:
	case !replicated:
		r.differs("redis:%d (db:%d %s) is %s and has no partner", p.Shard, p.Range.Database, p.Database, has)
	case p.Role == cluster.Master && r.closed(r.node, true) != "":
		r.blockers = append(r.blockers, cluster.Refuse(cluster.CodeInsufficientResources, wayOut,
			"redis:%d (db:%d %s) can not become master: %s", p.Shard, p.Range.Database, p.Database, r.closed(r.node, true)))
	case p.Role == cluster.Master && leavesBehind(r.v, s, partner, r.node) != "":
		r.differs("redis:%d (db:%d %s) stays slave: %s", p.Shard, p.Range.Database, p.Database, leavesBehind(r.v, s, partner, r.node))
	case p.Role == cluster.Master:
		r.roles = append(r.roles, cluster.Move{
			Kind: cluster.Failover, Shard: s.ID, Old: partner.ID, From: r.v.NodeOf(partner), To: r.node,
			Reason: fmt.Sprintf("its snapshot saw redis:%d as master", s.ID),
		})
	default:
		if why := r.closed(r.v.NodeOf(partner), false); why != "" {
			r.differs("redis:%d (db:%d %s) stays master: redis:%d is its partner and %s", p.Shard, p.Range.Database, p.Database, partner.ID, why)
			return
		}
		r.roles = append(r.roles, cluster.Move{
			Kind: cluster.Failover, Shard: partner.ID, Old: s.ID, From: r.node, To: r.v.NodeOf(partner),
			Reason: fmt.Sprintf("its snapshot saw redis:%d as slave", s.ID),
		})
	}
}

// endpoint plans one endpoint of the snapshot.
func (r *restoration) endpoint(b cluster.Bound) {
	e, ok := r.v.Endpoints[b.Endpoint]
	if !ok {
		r.differs("endpoint:%s (%s) no longer exists", b.Endpoint, b.Database)
		return
	}
	d, home := r.v.Databases[e.ID.Database], slices.Contains(e.Nodes, r.node)
	switch {
	case home && (d.Spread() || len(e.Opening)+len(e.Draining) == 0), !d.Spread() && rebinding(r.v, e.ID, r.node):
		return
	case !d.Spread() && len(b.Nodes) > 1:
		r.differs("endpoint:%s (db:%d %s) has the policy single since: it stays on %s", e.ID, d.ID, b.Database, cluster.NodesText(e.Nodes))
		return
	case slices.Contains(e.Exclude, r.node):
		r.differs("endpoint:%s (db:%d %s) excludes node:%d since", e.ID, d.ID, b.Database, r.node)
		return
	case b.Policy != "" && b.Policy != d.ProxyPolicy && d.ProxyPolicy == cluster.AllMasterShards && !r.draws(e):
		r.differs("endpoint:%s (db:%d %s) has the policy %s since, and node:%d is to have no master of it", e.ID, d.ID, b.Database, d.ProxyPolicy, r.node)
		return
	}
	if home && len(e.Opening) > 0 && !r.v.Serving(r.node) {
		return // the node is gone, and recovery takes it elsewhere
	}
	if !home {
		if why := r.againstListener(r.node, true); why != "" {
			r.blockers = append(r.blockers, cluster.Refuse(cluster.CodeInsufficientResources, wayOut,
				"endpoint:%s (db:%d %s) can not return to node:%d: %s", e.ID, e.ID.Database, b.Database, r.node, why))
			return
		}
		r.on(r.node).listeners++
	}
	from := e.Nodes
	if d.Spread() { // only what stood in for this node goes
		from = slices.DeleteFunc(slices.Clone(e.Nodes), func(n int) bool { return slices.Contains(b.Nodes, n) || len(e.Nodes) > 1 })
	}
	if home {
		from = e.Draining // an earlier attempt got this far
	}
	r.rebinds = append(r.rebinds, cluster.Move{
		Kind: cluster.Rebind, Endpoint: e.ID, From: first(from), To: r.node,
		Reason: fmt.Sprintf("its snapshot saw it on node:%d", r.node),
	})
}

// draws reports whether the node is told to have the endpoint, or will have one
// of its masters once its shards are home.
func (r *restoration) draws(e cluster.Endpoint) bool {
	home := func(p cluster.Placed) bool {
		return p.Range.Database == e.ID.Database && p.Role == cluster.Master && r.v.Shards[p.Shard].Range == p.Range
	}
	here := func(g cluster.SlotRange) bool { return r.v.Instances[g.Master].Node == r.node }
	return slices.Contains(e.Include, r.node) || slices.ContainsFunc(r.snapshot.Shards, home) ||
		slices.ContainsFunc(r.v.RangesOf(e.ID.Database), here)
}

// moves puts the steps in their order and ties each to what must be done before.
func (r *restoration) moves() []cluster.Move {
	slices.SortStableFunc(r.migrations, longestFirst)
	moves, done := slices.Clone(r.away), map[int]int{}
	for i, m := range moves {
		done[m.Old] = i + 1
	}
	for _, m := range r.migrations {
		m.After = after(done[m.Shard])
		moves = append(moves, m)
		done[m.Shard] = len(moves)
	}
	for _, m := range r.roles {
		m.After = after(cmp.Or(done[m.Shard], done[m.Old]))
		moves = append(moves, m)
	}
	all := len(moves)
	for _, m := range r.rebinds {
		for id := 1; id <= all; id++ {
			m.After = append(m.After, id)
		}
		moves = append(moves, m)
	}
	return numbered(moves)
}

func after(id int) []int {
	if id == 0 {
		return nil
	}
	return []int{id}
}
