package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

const (
	announcing = 5 * time.Second  // from the switch until subscribers are told, at most
	counting   = 10 * time.Second // beyond the drain cap, for the proxy to cut what is left
)

// several reports whether the endpoint has, or is to have, more than one node, or
// somebody asked for the one it has.
func several(v cluster.View, e cluster.Endpoint) bool {
	return v.Databases[e.ID.Database].Spread() || !e.Asked.IsZero()
}

// follow returns what takes an endpoint of several nodes a step nearer to what
// its policy wants. Those that join listen before those that leave are drained;
// nodes that are gone are left at once.
func follow(v cluster.View, e cluster.Endpoint) []cluster.Command {
	if len(e.Draining) > 0 {
		return leave(v, e)
	}
	want := plan.Bound(v, e)
	kept := common(e.Nodes, want)
	joining := slices.DeleteFunc(slices.Clone(want), func(n int) bool { return slices.Contains(kept, n) })
	ready := common(joining, slices.DeleteFunc(slices.Clone(e.Opening), func(n int) bool { return !listens(v, e, n) }))
	late := len(e.Opening) > 0 && v.Age(e.Since) >= opening
	bind := cluster.Bind{At: v.Now, Endpoint: e.ID}
	switch {
	case len(kept) > 0 && slices.ContainsFunc(e.Nodes, func(n int) bool { return !v.Serving(n) && !slices.Contains(kept, n) }):
		return switchTo(v, e, kept)
	case len(joining) == 0 && len(kept) == len(e.Nodes):
		if len(e.Opening) == 0 {
			return nil
		}
		bind.Step = cluster.BindUndo
		return []cluster.Command{bind}
	case len(ready) == len(joining), late && len(ready) > 0, late && len(kept) > 0 && len(kept) < len(e.Nodes):
		return switchTo(v, e, append(kept, ready...))
	case late && len(kept) == 0:
		joining = plan.Bound(v, e, e.Opening...)
		if len(common(joining, e.Nodes)) > 0 {
			return nil
		}
	case len(common(joining, e.Opening)) == len(joining) && len(joining) == len(e.Opening):
		return nil
	}
	bind.Step, bind.Nodes = cluster.BindOpen, append(kept, joining...)
	return []cluster.Command{bind}
}

// common returns what of the list is in the other.
func common(list, other []int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(n int) bool { return !slices.Contains(other, n) })
}

func listens(v cluster.View, e cluster.Endpoint, node int) bool {
	return v.Heard(node) && v.Reports[node].Proxy.Up && v.Reports[node].Proxy.Endpoints[e.ID].Listening
}

// switchTo binds the endpoint to the nodes, all of which listen, and begins to
// take leave of the others, once clients are where they were sent last.
func switchTo(v cluster.View, e cluster.Endpoint, nodes []int) []cluster.Command {
	if v.Arriving(e, nodes) {
		return nil
	}
	step := cluster.Bind{
		At: v.Now, Endpoint: e.ID, Step: cluster.BindSwitch, Nodes: nodes,
		Text: fmt.Sprintf("endpoint:%s is bound to %s", e.ID, cluster.NodesText(nodes)), Severity: "INFO",
	}
	for _, n := range e.Nodes {
		if !slices.Contains(nodes, n) && !v.Serving(n) {
			step.Text, step.Severity = step.Text+fmt.Sprintf(", it lost node:%d", n), "WARNING"
		}
	}
	change, err := step.Apply(v.Board)
	if err != nil {
		return nil
	}
	after := v
	after.Board = v.With(v.Revision+1, change) // nobody who serves was heard on it
	return append([]cluster.Command{step}, leave(after, after.Endpoints[e.ID])...)
}

// leave sees the clients off the nodes that drain, as a move does: subscribers of
// discovery are told when nobody is left who could come to a rest. Nodes that are
// gone have no clients, and nobody is waited for where the new ones are gone, too.
func leave(v cluster.View, e cluster.Endpoint) []cluster.Command {
	if len(e.Draining) == 0 {
		return nil
	}
	clients, waiting, known := 0, 0, true
	for _, n := range e.Draining {
		if v.Serving(n) {
			p := v.Reports[n].Proxy
			s := p.Endpoints[e.ID]
			clients, waiting, known = clients+s.Connections, waiting+s.Waiting, known && v.Heard(n) && !p.Silent
		}
	}
	var commands []cluster.Command
	age, lost := v.Age(e.Since), serverless(v, e.Nodes)
	if e.Announced != e.Nodes[0] && (known && clients <= waiting || lost || age >= announcing) {
		commands = append(commands, cluster.Bind{At: v.Now, Endpoint: e.ID, Step: cluster.BindAnnounce})
	}
	if lost || known && (clients == 0 && !v.Lingering(e) || age >= draining) || age >= draining+counting {
		commands = append(commands, cluster.Bind{At: v.Now, Endpoint: e.ID, Step: cluster.BindClose})
	}
	return commands
}
