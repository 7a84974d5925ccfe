package maintenance

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

const (
	opening        = 30 * time.Second // for new listeners
	announcing     = 5 * time.Second  // from the switch until subscribers are told, at most
	draining       = 60 * time.Second // the drain cap
	counting       = 10 * time.Second // beyond the cap, for the last numbers
	closing        = 2 * time.Minute  // beyond the cap, for old listeners
	rebindAttempts = 3
)

// rebind takes an endpoint to another node through its four committed states.
func (t *turn) rebind(m cluster.Move) step {
	e, ok := t.Endpoints[m.Endpoint]
	switch {
	case !ok:
		return t.done(m) // its database is gone
	case len(e.Opening) > 0:
		return t.open(m, e)
	case len(e.Draining) > 0:
		return t.drain(m, e)
	case t.rebound(e, m):
		return t.closed(m, e)
	case plan.Fits(t.View, m) != nil || t.past(m, opening):
		return t.again(m, rebindAttempts, t.unopened(m, e))
	}
	if m.To == 0 || slices.Contains(e.Nodes, m.To) {
		return t.switchTo(e, t.target(e, m))
	}
	return do(cluster.Bind{At: t.Now, Endpoint: e.ID, Step: cluster.BindOpen, Nodes: t.target(e, m)})
}

// rebound reports whether discovery answers as the move wants it.
func (t *turn) rebound(e cluster.Endpoint, m cluster.Move) bool {
	if m.To != 0 && !t.Databases[e.ID.Database].Spread() {
		return slices.Equal(e.Nodes, []int{m.To})
	}
	return (m.To == 0 || slices.Contains(e.Nodes, m.To)) && (m.From == 0 || !slices.Contains(e.Nodes, m.From))
}

// target is where the endpoint shall be: where it is, To in place of From. Either
// may be missing where it is bound to several nodes.
func (t *turn) target(e cluster.Endpoint, m cluster.Move) []int {
	if m.To != 0 && !t.Databases[e.ID.Database].Spread() {
		return []int{m.To}
	}
	list := slices.DeleteFunc(slices.Clone(e.Nodes), func(n int) bool { return n == m.From || n == m.To })
	if m.To != 0 {
		list = append(list, m.To)
	}
	return list
}

// open waits for the new listener, then lets discovery answer with it.
func (t *turn) open(m cluster.Move, e cluster.Endpoint) step {
	undo := do(cluster.Bind{At: t.Now, Endpoint: e.ID, Step: cluster.BindUndo})
	switch {
	case !slices.Equal(e.Opening, []int{m.To}):
		return undo
	case plan.Fits(t.View, m) != nil || t.past(m, opening):
		return undo.and(t.again(m, rebindAttempts, t.unopened(m, e)))
	case t.Beyond(m.To, e.ID.Database) != 0:
		return wait("%s", t.beyond(e, m))
	case t.Heard(m.To) && t.Reports[m.To].Proxy.Up && t.state(e, m.To).Listening:
		return t.switchTo(e, t.target(e, m))
	}
	return wait("endpoint:%s to listen on node:%d%s", e.ID, m.To, cluster.Because(t.state(e, m.To).Reason))
}

// switchTo binds the endpoint to the nodes, which all listen, once its clients are
// where they were sent last.
func (t *turn) switchTo(e cluster.Endpoint, nodes []int) step {
	if t.Arriving(e, nodes) {
		return wait("clients of endpoint:%s to arrive at node:%d, where they were sent a moment ago", e.ID, e.Nodes[0])
	}
	return do(cluster.Bind{At: t.Now, Endpoint: e.ID, Step: cluster.BindSwitch, Nodes: nodes})
}

func (t *turn) unopened(m cluster.Move, e cluster.Endpoint) *cluster.Error {
	if err := plan.Fits(t.View, m); err != nil {
		return joined(err)
	}
	if t.Beyond(m.To, e.ID.Database) != 0 {
		return cluster.Refuse(cluster.CodeDeadline, "see what is wrong with the network between the two", "%s", t.beyond(e, m))
	}
	reason := t.state(e, m.To).Reason
	if !t.Reports[m.To].Proxy.Up {
		reason = "its proxy is not up"
	}
	return cluster.Refuse(cluster.CodeDeadline, "", "endpoint:%s does not listen on node:%d%s", e.ID, m.To, cluster.Because(reason))
}

// beyond says which masters the clients of the new listener would wait for.
func (t *turn) beyond(e cluster.Endpoint, m cluster.Move) string {
	d := t.Databases[e.ID.Database]
	return fmt.Sprintf("node:%d, which is to have endpoint:%s, does not reach node:%d, which has masters of db:%d (%s)", m.To, e.ID, t.Beyond(m.To, d.ID), d.ID, d.Name)
}

func (t *turn) state(e cluster.Endpoint, node int) cluster.EndpointState {
	return t.Reports[node].Proxy.Endpoints[e.ID]
}

// drain waits until the old listeners have no connection left that comes to a
// rest, tells the subscribers of discovery, waits for the others and for who is
// late, and closes them. At the cap what is left is cut.
func (t *turn) drain(m cluster.Move, e cluster.Endpoint) step {
	left, waiting, moved, cut, known := t.connections(e)
	empty := known && left == 0
	switch {
	case e.Announced != e.Nodes[0] && (known && left <= waiting || t.Age(e.Since) >= announcing):
		return do(cluster.Bind{At: t.Now, Endpoint: e.ID, Step: cluster.BindAnnounce})
	case empty && !t.Lingering(e), known && t.Age(e.Since) >= draining, t.Age(e.Since) >= draining+counting:
		return do(cluster.Bind{
			At: t.Now, Endpoint: e.ID, Step: cluster.BindClose,
			Action: t.a.ID, Move: m.ID, Moved: moved, Cut: cut + left,
		})
	}
	return wait("%s of endpoint:%s to leave node:%d", cluster.Count(left, "client connection"), e.ID, e.Draining[0])
}

// connections counts those left at the draining nodes, how many of them wait
// without end, and those that were drained and cut there. Unless known, a live
// node has not said it yet.
func (t *turn) connections(e cluster.Endpoint) (left, waiting, moved, cut int, known bool) {
	known = true
	for _, n := range e.Draining {
		known = known && (t.Heard(n) && !t.Reports[n].Proxy.Silent || !t.Alive[n])
		if s := t.state(e, n); t.Alive[n] {
			left, waiting, moved, cut = left+s.Connections, waiting+s.Waiting, moved+s.Drained, cut+s.Cut
		}
	}
	return left, waiting, moved, cut, known
}

// closed waits until the old listener has been seen gone.
func (t *turn) closed(m cluster.Move, e cluster.Endpoint) step {
	switch {
	case m.From == 0, !t.Alive[m.From], t.Heard(m.From) && !t.Reports[m.From].Proxy.Silent && !t.state(e, m.From).Listening:
		return t.done(m)
	case t.past(m, opening+draining+counting+closing):
		return t.failed(m, cluster.Refuse(cluster.CodeDeadline, "", "endpoint:%s still listens on node:%d", e.ID, m.From))
	}
	return wait("endpoint:%s to stop listening on node:%d", e.ID, m.From)
}
