package plan

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// settling is how long a master must have been where it is before an endpoint
// follows it: masters that come and go do not drag clients along.
const settling = 15 * time.Second

// Bound returns where the policy of the endpoint's database wants it now: what
// stays in its order, then what joins. It is never empty unless the endpoint is
// nowhere now and nobody can have it. A node in maintenance is never joined, and
// stays only until its action takes the endpoint away.
func Bound(v cluster.View, e cluster.Endpoint, except ...int) []int {
	sp := newSpace(v, none)
	if !v.Databases[e.ID.Database].Spread() {
		return sp.boundSingle(e, except)
	}
	stays, joins := sp.policy(e)
	var list []int
	for _, n := range e.Nodes {
		if stays(n) && sp.mayStay(n) {
			list = append(list, n)
		}
	}
	for _, n := range sp.nodes {
		if joins(n) && !slices.Contains(list, n) && sp.mayJoin(n, e, except) {
			list = append(list, n)
		}
	}
	if len(list) > 0 {
		return list
	}
	return sp.anywhere(e, except)
}

// boundSingle is one node: the one that was asked for, else the first that serves.
func (sp *space) boundSingle(e cluster.Endpoint, except []int) []int {
	if slices.Contains(e.Nodes, e.Wanted) && sp.v.Serving(e.Wanted) || e.Wanted != 0 && sp.mayJoin(e.Wanted, e, except) {
		return []int{e.Wanted}
	}
	for _, closed := range []bool{false, true} {
		for _, n := range e.Nodes {
			if sp.v.Serving(n) && sp.v.Nodes[n].Closed() == closed {
				return []int{n}
			}
		}
	}
	return sp.anywhere(e, except)
}

// anywhere is for an endpoint that has no node by its policy: where it still
// serves, else on any node, one that is excluded last.
func (sp *space) anywhere(e cluster.Endpoint, except []int) []int {
	if left := slices.DeleteFunc(slices.Clone(e.Nodes), func(n int) bool { return !sp.v.Serving(n) }); len(left) > 0 {
		return left
	}
	for _, n := range e.Opening {
		if sp.mayJoin(n, e, except) {
			return []int{n} // chosen before
		}
	}
	for n := range sp.v.Refusing {
		except = append(except[:len(except):len(except)], n)
	}
	if n := Listener(sp.v, e, append(slices.Clone(e.Exclude), except...)...); n != 0 {
		return []int{n}
	}
	if n := Listener(sp.v, e, except...); n != 0 {
		return []int{n}
	}
	return e.Nodes
}

// policy returns which nodes of the endpoint stay by its policy and which join.
// Masters that have just moved neither draw it near nor send it away.
func (sp *space) policy(e cluster.Endpoint) (stays, joins func(node int) bool) {
	excluded := func(n int) bool { return slices.Contains(e.Exclude, n) }
	if sp.v.Databases[e.ID.Database].ProxyPolicy == cluster.AllNodes {
		all := func(n int) bool { return !excluded(n) }
		return all, all
	}
	wanted, settled, calm := slices.Clone(e.Include), slices.Clone(e.Include), true
	for _, r := range sp.v.RangesOf(e.ID.Database) {
		node := sp.v.Instances[r.Master].Node
		wanted = append(wanted, node)
		if r.Handover == nil && (sp.v.Age(r.MasterSince) >= settling || !e.Asked.Before(r.MasterSince)) {
			settled = append(settled, node)
		} else {
			calm = false
		}
	}
	stays = func(n int) bool { return !excluded(n) && (!calm || slices.Contains(wanted, n)) }
	joins = func(n int) bool { return !excluded(n) && slices.Contains(settled, n) }
	return stays, joins
}

// mayStay reports whether the node can go on to serve an endpoint. What is in
// maintenance is left to its action.
func (sp *space) mayStay(node int) bool {
	n := sp.v.Nodes[node]
	return sp.v.Serving(node) && !n.QuorumOnly && n.Removing == ""
}

func (sp *space) mayJoin(node int, e cluster.Endpoint, except []int) bool {
	_, refuses := sp.v.Refusing[node]
	opens := slices.Contains(e.Opening, node) && sp.closed(node, false) == "" // it is counted already
	return !refuses && !slices.Contains(except, node) && sp.v.Serving(node) && (opens || sp.againstListener(node, false) == "")
}

// left returns the nodes of the endpoint that go on to serve it without this one.
func left(v cluster.View, e cluster.Endpoint, node int) []int {
	return slices.DeleteFunc(slices.Clone(e.Nodes), func(n int) bool {
		return n == node || !v.Serving(n) || v.Nodes[n].Closed()
	})
}

// listeners returns the nodes of a new endpoint, the one that discovery answers
// first: databases take turns in which node that is.
func (sp *space) listeners(d cluster.Database, masters []int) []int {
	var list []int
	for _, n := range sp.nodes {
		if (d.ProxyPolicy == cluster.AllNodes || slices.Contains(masters, n)) && sp.againstListener(n, false) == "" {
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		return nil
	}
	turn := sp.v.Cluster.NextDatabase % len(list)
	return append(slices.Clone(list[turn:]), list[:turn]...)
}
