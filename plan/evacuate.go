package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Evacuate plans how the node is emptied: what moves, in order, and what has
// nowhere to go, each by name with the reason. What fits is moved even if
// something is left.
//
// A replicated master is first made a slave, by failing over to its partner,
// and then moved; a master without a partner in service is moved as it is, with
// a temporary replica, and so is one whose partner is of a newer engine, if there
// is a place for it. Slaves that the options keep stay.
func Evacuate(v cluster.View, node int, o cluster.MaintenanceOptions) (moves []cluster.Move, left []string) {
	e := &evacuation{space: newSpace(v, of(node)), node: node, to: map[int]int{}}
	e.collect(o)
	for i, it := range e.items {
		if e.v.Ranges[it.slots].Lost {
			left = append(left, fmt.Sprintf("%s: its slots are lost until restored", it))
		} else if !e.find(i, 2) && !(o.OverrideRack && e.findMixed(i)) && !e.giveUp(i, o) {
			left = append(left, e.stays(e.items[i]))
		}
	}
	moves = e.failovers
	rebinds, bound := e.rebinds(listening(v, node))
	moves = append(moves, rebinds...)
	moves = append(moves, e.migrations()...)
	return numbered(moves), append(left, bound...)
}

// of skips the moves of the node's own action: they are what is planned.
func of(node int) func(cluster.Action, cluster.Move) bool {
	return func(a cluster.Action, _ cluster.Move) bool { return a.Node == node }
}

func numbered(moves []cluster.Move) []cluster.Move {
	for i := range moves {
		moves[i].ID = i + 1
	}
	return moves
}

// evacuation is a node being emptied.
type evacuation struct {
	*space
	node      int
	failovers []cluster.Move
	items     []item
	to        map[int]int // item -> node
}

// item is a shard that has to leave.
type item struct {
	want
	bytes  int64          // to copy
	master bool           // moves as a master, without a failover before
	after  []int          // the failover, by its id
	newer  *cluster.Shard // of a master: its partner in service, of a newer engine
}

func (i item) String() string {
	return fmt.Sprintf("redis:%d (db:%d %s, %s)", i.shard, i.db.ID, i.db.Name, cluster.Size(i.db.ProcessMemory(), 2))
}

// collect finds the masters to fail over and the shards to move, the largest first.
func (e *evacuation) collect(o cluster.MaintenanceOptions) {
	for _, s := range e.v.ShardsOn(e.node) {
		it := item{
			want:  want{shard: s.ID, slots: s.Range, db: e.v.Databases[s.Range.Database], other: "master"},
			bytes: copied(e.v, s),
		}
		if e.v.RoleOf(s) == cluster.Master {
			it.master, it.other = true, "replica"
			partner, ok := e.partner(s)
			switch {
			case ok && CutOff(e.v, s, partner) == "":
				it.failOver(e, s, partner)
			case ok:
				it.newer = &partner
			}
		}
		if it.master || !o.KeepsSlaves(it.db.ID) {
			e.items = append(e.items, it)
		}
	}
	slices.SortFunc(e.items, func(a, b item) int {
		return cmp.Or(cmp.Compare(b.db.ShardMemory(), a.db.ShardMemory()), cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.shard, b.shard))
	})
}

// copied is what a copy of the shard has to carry, as last observed.
func copied(v cluster.View, s cluster.Shard) int64 {
	o, _ := v.Observed(s.Instance)
	return o.Dataset
}

// partner returns the shard that can become master in the other's place: it is
// on a node in service.
func (sp *space) partner(s cluster.Shard) (cluster.Shard, bool) {
	p, ok := sp.v.Partner(s)
	return p, ok && sp.closed(sp.v.NodeOf(p), false) == ""
}

// failOver has the master become a slave first.
func (i *item) failOver(e *evacuation, s, partner cluster.Shard) {
	i.master, i.other, i.after = false, "master", []int{e.failover(s, partner)}
}

// giveUp fails a master over to its newer partner after all, since it has no
// other place, and reports whether the slave that it then is can go or stay.
func (e *evacuation) giveUp(i int, o cluster.MaintenanceOptions) bool {
	it := &e.items[i]
	if it.newer == nil {
		return false
	}
	s := e.v.Shards[it.shard]
	it.failOver(e, s, *it.newer)
	return o.KeepsSlaves(it.db.ID) || e.find(i, 2)
}

func (e *evacuation) failover(s, partner cluster.Shard) int {
	to := e.v.NodeOf(partner)
	e.on(e.node).masters--
	e.on(to).masters++
	e.sources[s.Range] = e.v.EngineOf(partner.Instance)
	e.failovers = append(e.failovers, cluster.Move{
		Kind: cluster.Failover, Shard: partner.ID, Old: s.ID, From: e.node, To: to,
		Reason: but(fmt.Sprintf("node:%d goes out of service and redis:%d on node:%d has the same data", e.node, partner.ID, to), CutOff(e.v, s, partner)),
	})
	return len(e.failovers)
}

// find gives the item a node. If none has room left, others of this plan are
// moved aside, depth times over.
func (e *evacuation) find(i, depth int) bool {
	it := e.items[i]
	order := e.byShards
	if it.master {
		order = e.byMasters
	}
	if n := e.pick(it.want, order, e.node); n != 0 {
		e.assign(i, n)
		return true
	}
	return depth > 0 && e.makeRoom(i, depth)
}

// findMixed gives the item a node in spite of the zone rule.
func (e *evacuation) findMixed(i int) bool {
	e.items[i].mixed = true
	return e.find(i, 2)
}

func (e *evacuation) makeRoom(i, depth int) bool {
	for _, n := range e.nodes {
		if n == e.node || e.bar(e.items[i].want, n) != "" {
			continue
		}
		for other := range e.items {
			if e.to[other] == n && e.replace(other, i, n, depth) {
				return true
			}
		}
	}
	return false
}

// replace puts item i in the place of the other, if the other finds a new one.
func (e *evacuation) replace(other, i, node, depth int) bool {
	e.unassign(other)
	if e.lack(e.items[i].want, node) == "" {
		e.assign(i, node)
		if e.find(other, depth-1) {
			return true
		}
		e.unassign(i)
	}
	e.assign(other, node)
	return false
}

func (e *evacuation) assign(i, node int) {
	e.to[i] = node
	e.add(e.items[i].want, node)
	if e.items[i].master {
		e.on(node).masters++
	}
}

func (e *evacuation) unassign(i int) {
	node := e.to[i]
	delete(e.to, i)
	e.remove(e.items[i].want, node)
	if e.items[i].master {
		e.on(node).masters--
	}
}

// stays names a shard that has nowhere to go, and why.
func (e *evacuation) stays(it item) string {
	return fmt.Sprintf("%s: %s", it, e.reasons(func(n int) string { return e.against(it.want, n) }, e.node))
}

// migrations are the moves of the shards that found a node, the longest first.
func (e *evacuation) migrations() []cluster.Move {
	var moves []cluster.Move
	for i, it := range e.items {
		if to, ok := e.to[i]; ok {
			moves = append(moves, cluster.Move{
				Kind: cluster.Migrate, Shard: it.shard, From: e.node, To: to, After: it.after, Bytes: it.bytes, OverrideRack: it.mixed,
				Reason: fmt.Sprintf("node:%d goes out of service", e.node),
			})
		}
	}
	slices.SortStableFunc(moves, longestFirst)
	return moves
}

func longestFirst(a, b cluster.Move) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Shard, b.Shard))
}

// rebinds moves the endpoints, preferably to where their masters will be.
func (e *evacuation) rebinds(endpoints []cluster.Endpoint) (moves []cluster.Move, left []string) {
	for _, ep := range sortedEndpoints(endpoints) {
		to, needed, why := e.rebind(ep)
		switch {
		case why != "":
			left = append(left, why)
		case needed:
			moves = append(moves, cluster.Move{
				Kind: cluster.Rebind, Endpoint: ep.ID, From: e.node, To: to,
				Reason: fmt.Sprintf("node:%d goes out of service", e.node),
			})
		}
	}
	return moves, left
}

// rebind returns where the endpoint goes - nowhere if it just leaves the node to
// the others - or why it has to stay. If it is not needed, another action is
// moving the endpoint.
func (e *evacuation) rebind(ep cluster.Endpoint) (to int, needed bool, stays string) {
	spread := e.v.Databases[ep.ID.Database].Spread()
	if !spread && rebinding(e.v, ep.ID, e.node) {
		return 0, false, ""
	}
	if !slices.Contains(ep.Nodes, e.node) {
		return first(ep.Nodes), true, "" // an earlier action left it draining here
	}
	if spread && len(left(e.v, ep, e.node)) > 0 {
		return 0, true, ""
	}
	masters := e.masterNodes(ep.ID.Database)
	if to = cmp.Or(e.pickListener(masters, append(slices.Clone(ep.Exclude), e.node)...), e.pickListener(masters, e.node)); to != 0 {
		e.on(to).listeners++
		return to, true, ""
	}
	return 0, false, fmt.Sprintf("endpoint:%s (db:%d %s): %s", ep.ID, ep.ID.Database, e.v.Databases[ep.ID.Database].Name,
		e.reasons(func(n int) string { return e.againstListener(n, false) }, e.node))
}

// rebinding reports whether an action of another node has the endpoint in hand.
func rebinding(v cluster.View, id cluster.EndpointID, node int) bool {
	for _, a := range v.Actions {
		for _, m := range a.Moves {
			if a.Node != node && m.Status == cluster.MoveRunning && m.Kind == cluster.Rebind && m.Endpoint == id {
				return true
			}
		}
	}
	return false
}

// masterNodes returns where the masters of the database will be after this plan.
func (e *evacuation) masterNodes(database int) []int {
	after := map[int]int{}
	for _, f := range e.failovers {
		after[f.Old] = f.To
	}
	for i, n := range e.to {
		if e.items[i].master {
			after[e.items[i].shard] = n
		}
	}
	var list []int
	for _, r := range e.v.RangesOf(database) {
		n := cmp.Or(after[r.Master.Shard], e.v.Instances[r.Master].Node)
		if n != 0 && n != e.node && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func sortedEndpoints(list []cluster.Endpoint) []cluster.Endpoint {
	slices.SortFunc(list, func(a, b cluster.Endpoint) int {
		return cmp.Or(cmp.Compare(a.ID.Database, b.ID.Database), cmp.Compare(a.ID.Index, b.ID.Index))
	})
	return list
}

func first(list []int) int {
	if len(list) == 0 {
		return 0
	}
	return list[0]
}
