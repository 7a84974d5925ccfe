package maintenance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

var beforeVacate = []question{
	{name: "node", text: "the node exists", answer: preflight.exists, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heard, alone: true},
	{name: "in_service", text: "the node is in service, or down", answer: preflight.vacatable, alone: true},
	{name: "no_other_action", text: "nothing else is being done to the node's shards", answer: preflight.unclaimed},
	{name: "masters_up", text: "every master on the node serves, if it is up", answer: ifUp(preflight.mastersUp)},
	{name: "replicas_in_sync", text: "every replicated master on the node has its replica in sync, if it is up", answer: ifUp(preflight.inSync)},
}

// ifUp asks a question only about a node that answers.
func ifUp(ask func(preflight) cluster.Refusals) func(preflight) cluster.Refusals {
	return func(p preflight) cluster.Refusals {
		if !p.Alive[p.id] {
			return nil
		}
		return ask(p)
	}
}

// vacatable refuses a node that somebody holds out and that answers: what stays
// there stays on purpose. One that is down is vacated on request.
func (p preflight) vacatable() cluster.Refusals {
	switch {
	case p.node.Maintenance != nil && p.Alive[p.id]:
		return one(cluster.CodeBusy, fmt.Sprintf("end that first, or run haulout node %d maintenance_mode on without keep_slave_shards", p.id),
			"node:%d is in maintenance mode", p.id)
	case p.node.Removing != "":
		return one(cluster.CodeBusy, "", "node:%d is being removed", p.id)
	}
	return nil
}

// returning is how long a node that went down may take to answer again, before it
// is vacated without it: that gives up what has its only copy there.
const returning = 10 * time.Second

// vacate moves everything off the node: like a maintenance_on without the way back
// while its host answers. When it does not, the others do without it: its masters
// are taken over, its endpoints bound elsewhere and its replicas rebuilt, which
// the recovery room decides, and what had no copy is given up as lost until it returns.
func (t *turn) vacate() step {
	down, since := !t.Alive[t.a.Node], t.Nodes[t.a.Node].DownSince
	switch {
	case !t.a.Marked:
		return do(cluster.BeginVacate{At: t.Now, Action: t.a.ID})
	case down && t.a.Skipped == "":
		if s := t.stop(); !s.rests() {
			return s
		}
		if since.IsZero() || t.Age(since) < returning {
			return wait("node:%d to answer", t.a.Node)
		}
		return do(cluster.SkipGraceful{At: t.Now, Action: t.a.ID})
	case down:
		if s := t.stop(); !s.rests() {
			return s
		}
		return t.salvage()
	case t.a.By == cluster.System:
		err := cluster.Refuse(cluster.CodeCancelled, "", "node:%d is back", t.a.Node)
		return do(cluster.FailAction{At: t.Now, Action: t.a.ID, Status: cluster.ActionCancelled, Error: err, Left: []string{}})
	case !t.a.Planned:
		return t.attach(plan.Evacuate(t.View, t.a.Node, t.a.Options))
	}
	if s := t.advance(); !s.rests() {
		return s
	}
	return t.endVacate()
}

// endVacate ends a graceful vacate, once the node was seen empty.
func (t *turn) endVacate() step {
	if s := t.settle(); !s.rests() {
		return s
	}
	moves, left := plan.Evacuate(t.View, t.a.Node, t.a.Options)
	if err := t.failure(); err != nil {
		return t.fail(err, append(left, t.unmoved(moves)...))
	}
	switch {
	case len(moves) > 0:
		return t.attach(moves, left)
	case len(left) > 0:
		return t.fail(cluster.Refuse(cluster.CodeInsufficientResources, "make room on other nodes and run it again",
			"not everything on node:%d has somewhere to go: %s", t.a.Node, strings.Join(left, "; ")), left)
	}
	return t.conclude(remaining(t.View, t.a.Node), cluster.CompleteVacate{At: t.Now, Action: t.a.ID})
}

// salvage sees a node vacated that is down. It ends when nothing is left there or
// nothing can be done about it: by name, and not before nothing has changed for a while.
func (t *turn) salvage() step {
	going, lost, stuck := salvaged(t.View, t.a.Node)
	left := slices.Concat(lost, stuck, going)
	switch {
	case len(left) == 0:
		return do(cluster.CompleteVacate{At: t.Now, Action: t.a.ID})
	case !slices.Equal(t.a.Left, left):
		return do(cluster.NoteLeft{At: t.Now, Action: t.a.ID, Left: left})
	case len(going) > 0 && (t.Age(t.a.LeftAt) <= settling || t.salvaging()):
		return wait("%s", strings.Join(going, "; "))
	case len(going) > 0:
		return t.fail(cluster.Refuse(cluster.CodeDeadline, "see haulout status; run it again", "%s", strings.Join(left, "; ")), left)
	case len(lost) > 0:
		return t.fail(cluster.Refuse(cluster.CodeShardLost, fmt.Sprintf("their data comes back with node:%d or its disk", t.a.Node),
			"%s", strings.Join(left, "; ")), left)
	}
	return t.fail(cluster.Refuse(cluster.CodeInsufficientResources, "make room on other nodes: it is then rebuilt by itself", "%s", strings.Join(left, "; ")), left)
}

// salvaging reports whether a copy of what the node carried is being made: that
// has deadlines of its own.
func (t *turn) salvaging() bool {
	return slices.ContainsFunc(t.ShardsOn(t.a.Node), func(s cluster.Shard) bool {
		_, there := t.Second(s)
		return there
	})
}

// salvaged says what is left on a node that is down: what is on its way, what is
// lost until the node returns, and what has nowhere to go.
func salvaged(v cluster.View, node int) (going, lost, stuck []string) {
	for _, s := range v.ShardsOn(node) {
		_, second := v.Second(s)
		_, replicated := v.Partner(s)
		switch r := v.Ranges[s.Range]; {
		case r.Lost:
			lost = append(lost, fmt.Sprintf("%s is lost until restored: slots %s", title(v, s), r.SlotsText()))
		case v.RoleOf(s) == cluster.Master && !replicated && v.Answers(v.Instances[r.Master]):
			going = append(going, fmt.Sprintf("%s lives on, only the daemon of node:%d is dead: it is not given up", title(v, s), node))
		case v.RoleOf(s) == cluster.Master:
			going = append(going, fmt.Sprintf("%s to be taken over by another copy", title(v, s)))
		case second:
			going = append(going, fmt.Sprintf("%s to be copied", title(v, s)))
		case s.Rebuild != nil:
			stuck = append(stuck, fmt.Sprintf("%s: %s", title(v, s), s.Rebuild.Reason))
		default:
			going = append(going, fmt.Sprintf("%s to be rebuilt", title(v, s)))
		}
	}
	for _, i := range v.InstancesOn(node) {
		if v.Shards[i.ID.Shard].Instance != i.ID {
			going = append(going, fmt.Sprintf("a copy of redis:%d to be given up", i.ID.Shard))
		}
	}
	for _, d := range cluster.Sorted(v.Databases) {
		for _, e := range v.EndpointsOf(d.ID) {
			if e.ServedBy(node) {
				going = append(going, fmt.Sprintf("endpoint:%s to be bound to another node", e.ID))
			}
		}
	}
	return going, lost, stuck
}

// vacates forecasts a vacate.
func (f *Forecast) vacates(v cluster.View, node int, o cluster.MaintenanceOptions) {
	if v.Alive[node] {
		f.Moves, f.Left = plan.Evacuate(v, node, o)
		f.Outcome = fmt.Sprintf("node:%d would be empty and in service", node)
	} else {
		f.Stays = append(f.Stays, cluster.NotGraceful)
		f.salvages(v, node)
		f.Outcome = fmt.Sprintf("node:%d would be empty, without its help", node)
	}
	f.Against = append(f.Against, f.Left...)
	if len(f.Left) > 0 {
		f.Outcome = fmt.Sprintf("vacate would move what can be and end failed: not everything on node:%d can be saved", node)
	}
}

func (f *Forecast) salvages(v cluster.View, node int) {
	for _, s := range v.ShardsOn(node) {
		partner, replicated := v.Partner(s)
		to, why := plan.Replica(v, s)
		switch master := v.RoleOf(s) == cluster.Master; {
		case v.Ranges[s.Range].Lost, master && (!replicated || !v.Alive[v.NodeOf(partner)]):
			f.Left = append(f.Left, fmt.Sprintf("%s would be lost until node:%d returns: it has no other copy", title(v, s), node))
		case to == 0:
			f.Left = append(f.Left, fmt.Sprintf("%s: %s", title(v, s), cmp.Or(why, "no node can have it")))
		default:
			d, _ := v.Observed(v.Ranges[s.Range].Master)
			f.Moves = append(f.Moves, cluster.Move{
				ID: len(f.Moves) + 1, Kind: cluster.Migrate, Shard: s.ID, From: node, To: to, Bytes: d.Dataset,
				Reason: fmt.Sprintf("node:%d is down: rebuilt from another copy", node),
			})
		}
	}
}
