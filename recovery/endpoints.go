package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

const (
	// opening is how long a node may take to listen before another is tried.
	opening = 10 * time.Second
	// draining is how long clients of a node that came back after all may stay.
	draining = 60 * time.Second
)

// Endpoints returns the commands that bind endpoints of hosts that are gone to
// others, and those of several nodes to the nodes of their policy. An endpoint that a running move has in hand is left to it.
func Endpoints(v cluster.View) []cluster.Command {
	var commands []cluster.Command
	for _, d := range cluster.Sorted(v.Databases) {
		for _, e := range v.EndpointsOf(d.ID) {
			next := nearer(v, e)
			commands = append(commands, next...)
			v = counted(v, next)
		}
	}
	return commands
}

// nearer returns what takes the endpoint nearer to where it shall be.
func nearer(v cluster.View, e cluster.Endpoint) []cluster.Command {
	if _, _, claimed := v.ClaimedEndpoint(e.ID); claimed {
		return nil
	}
	if several(v, e) {
		return follow(v, e)
	}
	return rebind(v, e)
}

// counted is the view in which what was decided has a place already, for the endpoint
// that is decided about next. Who was heard on the board still is.
func counted(v cluster.View, decided []cluster.Command) cluster.View {
	for _, c := range decided {
		if change, err := c.Apply(v.Board); err == nil {
			v.Board = v.With(v.Revision, change)
		}
	}
	return v
}

// rebind returns what takes the endpoint a step further, if it is on its way or
// has to go.
func rebind(v cluster.View, e cluster.Endpoint) []cluster.Command {
	switch {
	case len(e.Draining) > 0:
		return leave(v, e)
	case len(e.Opening) > 0:
		return opened(v, e)
	case !serverless(v, e.Nodes):
		return nil
	}
	return open(v, e)
}

// serverless reports whether the proxies of all the nodes are gone.
func serverless(v cluster.View, nodes []int) bool {
	return !slices.ContainsFunc(nodes, v.Serving)
}

// open chooses a node, if there is one to choose.
func open(v cluster.View, e cluster.Endpoint, except ...int) []cluster.Command {
	for n := range v.Refusing {
		except = append(except, n)
	}
	to := plan.Listener(v, e, except...)
	if to == 0 {
		return nil
	}
	bind := cluster.Bind{At: v.Now, Endpoint: e.ID, Step: cluster.BindOpen, Nodes: []int{to}}
	if len(e.Opening) == 0 { // one choice after the other is no news
		bind.Text = fmt.Sprintf("endpoint:%s lost node:%d: node:%d opens it", e.ID, e.Nodes[0], to)
	}
	return []cluster.Command{bind}
}

// opened waits for the new listener. Nobody was told of it yet, so that going
// back is free: to a host that returned, or to another choice.
func opened(v cluster.View, e cluster.Endpoint) []cluster.Command {
	to := e.Opening[0]
	undo := cluster.Bind{At: v.Now, Endpoint: e.ID, Step: cluster.BindUndo}
	switch {
	case !serverless(v, e.Nodes):
		undo.Text = fmt.Sprintf("endpoint:%s stays on node:%d, which is back", e.ID, e.Nodes[0])
		return []cluster.Command{undo}
	case serverless(v, e.Opening) || v.Nodes[to].Closed():
		undo.Text = fmt.Sprintf("node:%d can not have endpoint:%s any more", to, e.ID)
		return []cluster.Command{undo}
	case listens(v, e, to):
		return switchTo(v, e, e.Opening)
	case v.Age(e.Since) >= opening:
		return open(v, e, to)
	}
	return nil
}
