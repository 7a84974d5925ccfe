package maintenance

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Forecast is what an action would do if it started now.
type Forecast struct {
	Checks      []cluster.Check
	Moves       []cluster.Move
	Stays       []string // what is not to be moved, and why
	Left        []string // what should be moved and has nowhere to go, and why
	Differences []string // of a return: what can not be as the snapshot saw it
	// Against says why the node would not end safe to shut down, or not return.
	Against []string
	Outcome string // in one sentence
}

// DryRun tells what the action would do: all checks, the moves, what stays. It
// is the plan of this moment: the action itself plans again when it starts.
func DryRun(v cluster.View, node int, name cluster.ActionName, o cluster.MaintenanceOptions, by string) Forecast {
	f := Forecast{Checks: append([]cluster.Check{idle(v, node)}, Preflight(v, node, name, o)...)}
	for _, c := range f.Checks {
		if c.Error != nil {
			f.Against = append(f.Against, c.Error.Message)
		}
	}
	switch answered := len(f.Checks) == 1+len(before(name)); {
	case answered && name == cluster.MaintenanceOn:
		f.evacuates(v, node, o)
	case answered && name == cluster.EnslaveNode:
		f.enslaves(v, node, o)
	case answered && name == cluster.VacateNode:
		f.vacates(v, node, o)
	case name == cluster.VacateNode: // refused
	case name == cluster.RemoveNode:
		f.Outcome = fmt.Sprintf("node:%d would be removed from the cluster", node)
	case answered:
		f.returns(newTurn(v, cluster.Action{Name: name, Node: node, Options: o, By: by}, nil))
	}
	if Refusals(f.Checks) != nil {
		f.Outcome = fmt.Sprintf("%s of node:%d would be refused, and nothing be touched", name, node)
	}
	return f
}

func idle(v cluster.View, node int) cluster.Check {
	c := cluster.Check{Name: "no_running_action", Text: "no other action runs on the node", Passed: true}
	if a, running := v.RunningOn(node); running {
		c.Passed = false
		c.Error = cluster.Refuse(cluster.CodeActionRunning, "wait for it to end: haulout cluster running_actions", "%s is %s on node:%d", a.Name, a.Status, node)
	}
	return c
}

func (f *Forecast) evacuates(v cluster.View, node int, o cluster.MaintenanceOptions) {
	f.Moves, f.Left = plan.Evacuate(v, node, o)
	for _, s := range v.ShardsOn(node) {
		_, replicated := v.Partner(s)
		if replicated && o.KeepsSlaves(s.Range.Database) && !f.moves(s) {
			f.Stays = append(f.Stays, fmt.Sprintf("%s stays on node:%d as slave: slaves are to be kept", title(v, s), node))
		}
	}
	f.Against = append(f.Against, f.Left...)
	switch {
	case len(f.Left) > 0:
		f.Outcome = fmt.Sprintf("maintenance_on would move what fits and end failed: not everything on node:%d has somewhere to go", node)
	case len(f.Against) > 0:
		f.Outcome = fmt.Sprintf("node:%d would be emptied and not be safe to shut down", node)
	default:
		f.Outcome = fmt.Sprintf("node:%d would be safe to shut down", node)
	}
}

func (f *Forecast) moves(s cluster.Shard) bool {
	for _, m := range f.Moves {
		if m.Kind == cluster.Migrate && m.Shard == s.ID {
			return true
		}
	}
	return false
}

func (f *Forecast) returns(t *turn) {
	node := t.a.Node
	if m := t.node.Maintenance; m != nil && len(m.Holds) > 1 {
		holds := m.Holds
		released := t.hold(holds)
		for _, h := range holds {
			if h.ID == released {
				f.Outcome = fmt.Sprintf("the hold of %s would be released, and node:%d stay out", h.Owner, node)
			} else {
				f.Stays = append(f.Stays, fmt.Sprintf("hold of %s", h.Owner))
			}
		}
		return
	}
	p := preflight{View: t.View, id: node, node: t.node, o: t.a.Options}
	s := p.toRestore()
	if t.a.Options.SkipShardsRestore {
		f.away(t.View, s)
		f.Outcome = fmt.Sprintf("node:%d would be back in service, and nothing be moved", node)
		return
	}
	f.Moves, f.Differences, _ = plan.Restore(t.View, node, s) // what it refuses stands in the checks
	f.Outcome = fmt.Sprintf("node:%d would be restored exactly", node)
	if len(f.Differences) > 0 {
		f.Outcome = fmt.Sprintf("node:%d would be restored with %s", node, cluster.Count(len(f.Differences), "difference"))
	}
}

// away names what would not come home.
func (f *Forecast) away(v cluster.View, s cluster.Snapshot) {
	for _, p := range plan.Home(s).Shards {
		if shard, ok := v.Shards[p.Shard]; ok && v.NodeOf(shard) != s.ID.Node {
			f.Stays = append(f.Stays, fmt.Sprintf("%s stays on node:%d: skip_shards_restore", title(v, shard), v.NodeOf(shard)))
		}
	}
	for _, b := range plan.Home(s).Endpoints {
		if e, ok := v.Endpoints[b.Endpoint]; ok && !e.ServedBy(s.ID.Node) {
			f.Stays = append(f.Stays, fmt.Sprintf("endpoint:%s (%s) stays on %s: skip_shards_restore", e.ID, b.Database, nodes(e.Nodes)))
		}
	}
}

func title(v cluster.View, s cluster.Shard) string {
	d := v.Databases[s.Range.Database]
	return fmt.Sprintf("redis:%d (db:%d %s)", s.ID, d.ID, d.Name)
}
