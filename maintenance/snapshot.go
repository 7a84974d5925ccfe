package maintenance

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// NameFormat is the layout of the names of maintenance snapshots, in UTC.
const NameFormat = "maintenance_mode_2006-01-02_15-04-05"

// snapshot takes the snapshot to return to. A node that is out already keeps
// its first one, whatever was asked: a new one would show it empty.
func (t *turn) snapshot() step {
	if m := t.node.Maintenance; m != nil {
		if _, ok := t.Snapshots[cluster.SnapshotID{Node: t.a.Node, Name: m.Snapshot}]; !ok {
			return t.noSnapshot(m.Snapshot)
		}
		return do(cluster.KeepSnapshot{Action: t.a.ID, Snapshot: m.Snapshot})
	}
	s := Snapshot(t.View, t.a.Node, freeName(t.View, t.a.Node))
	s.Maintenance = true
	return do(cluster.SaveSnapshot{Action: t.a.ID, Snapshot: s})
}

// chooseSnapshot lets an off return to the snapshot asked for, else to that of
// the mark.
func (t *turn) chooseSnapshot(name string) step {
	if t.a.Options.SnapshotName != "" {
		name = t.a.Options.SnapshotName
	}
	if _, ok := t.Snapshots[cluster.SnapshotID{Node: t.a.Node, Name: name}]; !ok {
		return t.noSnapshot(name)
	}
	return do(cluster.KeepSnapshot{Action: t.a.ID, Snapshot: name})
}

func (t *turn) noSnapshot(name string) step {
	return t.fail(cluster.Refuse(cluster.CodeSnapshotNotFound, "skip_shards_restore ends maintenance mode without one",
		"node:%d has no snapshot %s", t.a.Node, name), nil)
}

// freeName is the name for the moment; the next second's if that is taken.
func freeName(v cluster.View, node int) string {
	for at := v.Now.UTC(); ; at = at.Add(time.Second) {
		name := at.Format(NameFormat)
		if _, taken := v.Snapshots[cluster.SnapshotID{Node: node, Name: name}]; !taken {
			return name
		}
	}
}

// TakeSnapshot is the command that stores, under a name, what stands on a node.
type TakeSnapshot struct {
	At   time.Time
	Node int
	Name string
	By   string
}

// Apply implements cluster.Command.
func (c TakeSnapshot) Apply(b *cluster.Board) (cluster.Change, error) {
	s := Snapshot(cluster.View{Board: b, Now: c.At}, c.Node, c.Name)
	return cluster.CreateSnapshot{Snapshot: s, By: c.By}.Apply(b)
}

// Snapshot writes down what stands on the node now, under the name. A shard
// that has its role only because its partner's node is out is written down with
// the role it had before.
func Snapshot(v cluster.View, node int, name string) cluster.Snapshot {
	n := v.Nodes[node]
	s := cluster.Snapshot{
		ID: cluster.SnapshotID{Node: node, Name: name}, Created: v.Now,
		MaxShards: n.MaxShards, MaxListeners: n.MaxListeners, QuorumOnly: n.QuorumOnly,
	}
	shards, endpoints := awaited(v, node)
	for _, shard := range v.ShardsOn(node) {
		s.Shards = append(s.Shards, cluster.Placed{
			Shard: shard.ID, Range: shard.Range, Database: v.Databases[shard.Range.Database].Name, Role: roleAtHome(v, shard, shards),
			Mixed: plan.Mixed(v, shard),
		})
		if _, visitor := shards[shard.ID]; visitor {
			s.VisitorShards = append(s.VisitorShards, shard.ID)
		}
	}
	for _, e := range v.EndpointsOn(node) {
		if !slices.Contains(e.Nodes, node) {
			continue
		}
		d := v.Databases[e.ID.Database]
		s.Endpoints = append(s.Endpoints, cluster.Bound{Endpoint: e.ID, Database: d.Name, Nodes: boundAtHome(v, e), Policy: d.ProxyPolicy})
		if endpoints[e.ID] {
			s.VisitorEndpoints = append(s.VisitorEndpoints, e.ID)
		}
	}
	return s
}

// roleAtHome is the shard's role when nobody is out: the other one than its
// partner's, if that is awaited elsewhere.
func roleAtHome(v cluster.View, s cluster.Shard, awaited map[int]cluster.Role) cluster.Role {
	partner, _ := v.Partner(s)
	switch awaited[partner.ID] {
	case cluster.Master:
		return cluster.Slave
	case cluster.Slave:
		return cluster.Master
	}
	return v.RoleOf(s)
}

// boundAtHome is where the endpoint is when nobody is out: the nodes that are out
// and want it back count, if its policy binds it to several.
func boundAtHome(v cluster.View, e cluster.Endpoint) []int {
	list := slices.Clone(e.Nodes)
	for _, n := range cluster.Sorted(v.Nodes) {
		if !v.Databases[e.ID.Database].Spread() {
			continue
		}
		for _, b := range plan.Awaited(v, n).Endpoints {
			if b.Endpoint == e.ID && !slices.Contains(list, n.ID) {
				list = append(list, n.ID)
			}
		}
	}
	return list
}

// awaited returns what other nodes that are out will want back: shards with
// their roles, and endpoints.
func awaited(v cluster.View, node int) (shards map[int]cluster.Role, endpoints map[cluster.EndpointID]bool) {
	shards, endpoints = map[int]cluster.Role{}, map[cluster.EndpointID]bool{}
	for _, n := range v.Nodes {
		if n.ID == node {
			continue
		}
		open := plan.Awaited(v, n)
		for _, p := range open.Shards {
			shards[p.Shard] = p.Role
		}
		for _, b := range open.Endpoints { // one of several nodes of an endpoint is at home, too
			endpoints[b.Endpoint] = endpoints[b.Endpoint] || !slices.Contains(b.Nodes, node)
		}
	}
	return shards, endpoints
}
