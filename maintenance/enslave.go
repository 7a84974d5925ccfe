package maintenance

import (
	"fmt"
	"strings"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

var beforeEnslave = []question{
	{name: "node", text: "the node exists and answers", answer: preflight.nodeUp, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heard, alone: true},
	{name: "no_other_action", text: "nothing else is being done to the node's shards", answer: preflight.unclaimed},
	{name: "masters_up", text: "every master on the node serves", answer: preflight.mastersUp},
	{name: "replicas_in_sync", text: "every replicated master on the node has its replica in sync", answer: preflight.inSync},
	{name: "endpoints", text: "every endpoint on the node has somewhere to go", answer: preflight.endpointsMovable},
}

func (p preflight) endpointsMovable() cluster.Refusals {
	var list cluster.Refusals
	_, _, left := plan.Enslave(p.View, p.id, p.o)
	for _, why := range left {
		list = append(list, cluster.Refuse(cluster.CodeInsufficientResources, "bring back nodes that are out, raise max_listeners of others, or give shards_only", "%s", why))
	}
	return list
}

// enslave makes the masters on the node slaves and moves its endpoints. Nothing
// keeps masters off the node afterwards.
func (t *turn) enslave() step {
	moves, stays, left := plan.Enslave(t.View, t.a.Node, t.a.Options)
	if !t.a.Planned {
		return t.attach(moves, stays)
	}
	if s := t.advance(); !s.rests() {
		return s
	}
	if s := t.settle(); !s.rests() {
		return s
	}
	if err := t.failure(); err != nil {
		return t.fail(err, append(left, t.unmoved(moves)...))
	}
	if len(moves) > 0 || len(left) == 0 && t.outdated() {
		return t.attach(moves, stays)
	}
	if len(left) > 0 {
		return t.failLater(cluster.Refuse(cluster.CodeInsufficientResources, "bring back nodes that are out, or raise max_listeners of others, and run it again", "%s", strings.Join(left, "; ")), left)
	}
	return t.conclude(t.unswapped(), cluster.CompleteShards{At: t.Now, Action: t.a.ID})
}

func (f *Forecast) enslaves(v cluster.View, node int, o cluster.MaintenanceOptions) {
	f.Moves, f.Stays, f.Left = plan.Enslave(v, node, o)
	f.Against = append(f.Against, f.Left...)
	f.Outcome = fmt.Sprintf("node:%d would keep its shards, as slaves", node)
	if len(f.Stays) > 0 {
		f.Outcome += ", except what stays"
	}
}
