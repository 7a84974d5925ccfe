package plan

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// space is what the nodes have left while a plan is made. It counts every
// instance on the board, the second ones of moves included, what the moves of
// running actions will still bring, and what this plan has added so far.
type space struct {
	v      cluster.View
	nodes  []int // by id
	taken  map[int]*load
	copies map[cluster.RangeID][]held
	// sources are the engines of the masters that the plan itself makes.
	sources map[cluster.RangeID]cluster.Engine
}

// load is what a node carries or is about to.
type load struct {
	memory                     int64 // bytes
	shards, masters, listeners int
}

// held is a copy of a range: of which shard, on which node.
type held struct{ shard, node int }

// want is a shard that looks for a place.
type want struct {
	shard int // new shards have negative numbers
	slots cluster.RangeID
	db    cluster.Database
	other string // what the other copy of its slots is to it: master or replica
	home  bool   // it returns to where its snapshot saw it, so maintenance does not bar it
	mixed bool   // it may share a zone with the other copy
	leads bool   // it is the master of a new range, and has to have a replica
}

// newSpace counts the view. Moves for which skip answers true are not counted.
func newSpace(v cluster.View, skip func(cluster.Action, cluster.Move) bool) *space {
	sp := &space{v: v, taken: map[int]*load{}, copies: map[cluster.RangeID][]held{}, sources: map[cluster.RangeID]cluster.Engine{}}
	for _, n := range cluster.Sorted(v.Nodes) {
		sp.nodes = append(sp.nodes, n.ID)
		sp.taken[n.ID] = &load{}
	}
	for _, n := range sp.nodes {
		for _, i := range v.InstancesOn(n) {
			sp.add(want{shard: i.ID.Shard, slots: i.Range, db: v.Databases[i.Range.Database]}, n)
		}
		sp.on(n).listeners = len(listening(v, n))
	}
	for _, r := range v.Ranges {
		if i, ok := v.Instances[r.Master]; ok {
			sp.on(i.Node).masters++
		}
	}
	sp.addMoves(skip)
	return sp
}

// addMoves counts what moves on their way have not brought to their target yet.
func (sp *space) addMoves(skip func(cluster.Action, cluster.Move) bool) {
	for _, a := range sp.v.ActionsByAge() {
		for _, m := range a.Moves {
			if !m.Status.Ended() && !a.Status.Ended() && !skip(a, m) {
				sp.addMove(m)
			}
		}
	}
}

func (sp *space) addMove(m cluster.Move) {
	switch m.Kind {
	case cluster.Migrate:
		s, ok := sp.v.Shards[m.Shard]
		if _, arrived := sp.v.Instances[m.Instance]; ok && !arrived && sp.v.NodeOf(s) != m.To {
			sp.add(want{shard: s.ID, slots: s.Range, db: sp.v.Databases[s.Range.Database]}, m.To)
		}
	case cluster.Rebind:
		if !slices.ContainsFunc(listening(sp.v, m.To), func(e cluster.Endpoint) bool { return e.ID == m.Endpoint }) {
			sp.on(m.To).listeners++
		}
	}
}

// listening returns the endpoints for which the node's proxy has, keeps or
// opens a listener.
func listening(v cluster.View, node int) []cluster.Endpoint {
	var list []cluster.Endpoint
	for _, e := range v.Endpoints {
		if slices.Contains(e.Nodes, node) || slices.Contains(e.Opening, node) || slices.Contains(e.Draining, node) {
			list = append(list, e)
		}
	}
	return list
}

// on returns the node's load. A node that has left the board carries nothing.
func (sp *space) on(node int) *load {
	if l, ok := sp.taken[node]; ok {
		return l
	}
	return &load{}
}

func (sp *space) add(w want, node int) {
	sp.on(node).memory += w.db.ProcessMemory()
	sp.on(node).shards++
	sp.copies[w.slots] = append(sp.copies[w.slots], held{w.shard, node})
}

func (sp *space) remove(w want, node int) {
	sp.on(node).memory -= w.db.ProcessMemory()
	sp.on(node).shards--
	list := slices.Clone(sp.copies[w.slots])
	i := slices.Index(list, held{w.shard, node})
	sp.copies[w.slots] = slices.Delete(list, i, i+1)
}

// free is how many bytes the node has left. It is negative on a node that is
// overbooked.
func (sp *space) free(node int) int64 { return sp.v.Nodes[node].TotalMemory - sp.on(node).memory }

// bars yields every rule that keeps the shard off the node, however much room
// there is.
func (sp *space) bars(w want, node int) iter.Seq[*cluster.Error] {
	return func(yield func(*cluster.Error) bool) {
		if shut := sp.shut(node, w.home); shut != nil && !yield(shut) {
			return
		}
		for _, c := range sp.copies[w.slots] {
			if why := sp.apart(w, c, node); why != nil && !yield(why) {
				return
			}
		}
		loads := sp.unreadable
		if w.leads {
			loads = sp.unfollowed
		}
		if why := loads(w, node); why != nil {
			yield(why)
		}
	}
}

// apart says why the shard can not be on the node while the copy is where it is, or nil.
func (sp *space) apart(w want, c held, node int) *cluster.Error {
	switch {
	case c.shard == w.shard:
	case c.node == node:
		return cluster.Refuse(cluster.CodeCopiesTogether, fmt.Sprintf("move redis:%d away from it first", c.shard), "node:%d holds its %s", node, w.other)
	case !w.mixed && zoned(sp.v, w.db) && zone(sp.v, c.node) == zone(sp.v, node):
		return cluster.Refuse(cluster.CodeRackViolation, "name a node in another zone, or override the rule by name", "node:%d is in the zone of its %s", node, w.other)
	}
	return nil
}

// lacks yields everything the node has too little of for the shard.
func (sp *space) lacks(w want, node int) iter.Seq[*cluster.Error] {
	return func(yield func(*cluster.Error) bool) {
		n, l := sp.v.Nodes[node], sp.on(node)
		if l.shards >= n.MaxShards && !yield(cluster.Refuse(cluster.CodeInsufficientResources,
			fmt.Sprintf("raise max_redis_servers of node:%d, or move shards away from it", node), "node:%d has %d of %d shards", node, l.shards, n.MaxShards)) {
			return
		}
		if sp.free(node) < w.db.ProcessMemory() {
			yield(cluster.Refuse(cluster.CodeInsufficientResources, fmt.Sprintf("move shards away from node:%d, or add a node", node),
				"node:%d has %s left", node, cluster.Size(max(sp.free(node), 0), 2)))
		}
	}
}

// said is what the first of the objections says, or "".
func said(objections iter.Seq[*cluster.Error]) string {
	for e := range objections {
		return e.Message
	}
	return ""
}

// bar, lack and against name what the plan goes by: the first rule, the first
// lack, and the first of both. They are empty where there is none.
func (sp *space) bar(w want, node int) string     { return said(sp.bars(w, node)) }
func (sp *space) lack(w want, node int) string    { return said(sp.lacks(w, node)) }
func (sp *space) against(w want, node int) string { return cmp.Or(sp.bar(w, node), sp.lack(w, node)) }

// shut says why nothing may be placed on the node, or nil. The node's own
// shards may return to a node in maintenance.
func (sp *space) shut(node int, home bool) *cluster.Error {
	n, ok := sp.v.Nodes[node]
	switch {
	case !ok:
		return cluster.Refuse(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", node)
	case !sp.v.Alive[node]:
		return cluster.Refuse(cluster.CodeNodeDown, fmt.Sprintf("start node:%d", node), "node:%d is down", node)
	case n.Removing != "":
		return cluster.Refuse(cluster.CodeNodeClosed, "name another node", "node:%d is being removed", node)
	case n.Vacating != "":
		return cluster.Refuse(cluster.CodeNodeClosed, "wait for it to end", "node:%d is being vacated", node)
	case n.QuorumOnly:
		return cluster.Refuse(cluster.CodeNodeClosed, fmt.Sprintf("open it with haulout tune node %d quorum_only disabled", node), "node:%d is quorum-only", node)
	case n.Maintenance != nil && !home:
		return cluster.Refuse(cluster.CodeNodeClosed, fmt.Sprintf("bring it back with haulout node %d maintenance_mode off", node), "node:%d is in maintenance mode", node)
	}
	return nil
}

// closed is what shut says, or "".
func (sp *space) closed(node int, home bool) string {
	if e := sp.shut(node, home); e != nil {
		return e.Message
	}
	return ""
}

// againstListener says why an endpoint can not go to the node, or "".
func (sp *space) againstListener(node int, home bool) string {
	if closed := sp.closed(node, home); closed != "" {
		return closed
	}
	if n, l := sp.v.Nodes[node], sp.on(node); l.listeners >= n.MaxListeners {
		return fmt.Sprintf("node:%d has %d of %d listeners", node, l.listeners, n.MaxListeners)
	}
	return ""
}

// pick returns the node for the shard that comes first in the order, or 0.
func (sp *space) pick(w want, order func(a, b int) int, except ...int) int {
	return best(sp.nodes, order, func(n int) bool {
		return !slices.Contains(except, n) && sp.against(w, n) == ""
	})
}

func best(nodes []int, order func(a, b int) int, fits func(int) bool) int {
	found := 0
	for _, n := range nodes {
		if fits(n) && (found == 0 || order(n, found) < 0) {
			found = n
		}
	}
	return found
}

// byMasters prefers the node with the fewest masters, then the most free memory.
func (sp *space) byMasters(a, b int) int {
	return cmp.Or(cmp.Compare(sp.on(a).masters, sp.on(b).masters), cmp.Compare(sp.free(b), sp.free(a)), cmp.Compare(a, b))
}

// byShards prefers the node with the fewest shards, then the most free memory.
func (sp *space) byShards(a, b int) int {
	return cmp.Or(cmp.Compare(sp.on(a).shards, sp.on(b).shards), cmp.Compare(sp.free(b), sp.free(a)), cmp.Compare(a, b))
}

// byListeners prefers the node with the fewest endpoints.
func (sp *space) byListeners(a, b int) int {
	return cmp.Or(cmp.Compare(sp.on(a).listeners, sp.on(b).listeners), cmp.Compare(a, b))
}

// pickListener returns the node for an endpoint: of those with its masters that may
// have it, else of all, the one with the fewest; or 0. A node that does not reach one
// of them comes last.
func (sp *space) pickListener(masters []int, except ...int) int {
	fits := func(n int) bool { return !slices.Contains(except, n) && sp.againstListener(n, false) == "" }
	reaches := func(n int) bool {
		return fits(n) && !slices.ContainsFunc(masters, func(m int) bool { return sp.v.Alive[m] && !sp.v.Reaches(n, m) })
	}
	return cmp.Or(
		best(masters, sp.byListeners, reaches), best(sp.nodes, sp.byListeners, reaches),
		best(masters, sp.byListeners, fits), best(sp.nodes, sp.byListeners, fits),
	)
}

// reasons lists why each node but the excepted can not be had.
func (sp *space) reasons(why func(node int) string, except ...int) string {
	var list []string
	for _, n := range sp.nodes {
		if r := why(n); r != "" && !slices.Contains(except, n) {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		return "there is no other node"
	}
	return strings.Join(list, ", ")
}
