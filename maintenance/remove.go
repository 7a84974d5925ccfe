package maintenance

import (
	"fmt"
	"strings"

	"github.com/haulout/haulout/cluster"
)

var beforeRemove = []question{
	{name: "node", text: "the node exists", answer: preflight.exists, alone: true},
	{name: "not_the_last", text: "another node stays", answer: preflight.others, alone: true},
	{name: "not_master", text: "another node is cluster master", answer: preflight.follows},
	{name: "empty", text: "nothing is left on the node", answer: preflight.empty},
	{name: "quorum", text: "a majority of the voting nodes that stay is up and in service", answer: preflight.quorumWithout},
}

func (p preflight) exists() cluster.Refusals {
	if _, ok := p.Nodes[p.id]; !ok {
		return one(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", p.id)
	}
	return nil
}

func (p preflight) others() cluster.Refusals {
	if len(p.Nodes) < 2 {
		return one(cluster.CodeLastNode, "end its daemon and delete its data folder to give the cluster up", "node:%d is the last node of the cluster", p.id)
	}
	return nil
}

func (p preflight) follows() cluster.Refusals {
	if p.Leader == p.id {
		return one(cluster.CodeIsMaster, fmt.Sprintf("hand that over first: haulout node %d maintenance_mode on demote_node", p.id),
			"node:%d is the cluster master", p.id)
	}
	return nil
}

// empty looks at the board, and at what a live node itself shows.
func (p preflight) empty() cluster.Refusals {
	if err := p.Removable(p.id); err != nil {
		return cluster.Refusals{err}
	}
	if _, reported := p.Reports[p.id]; p.Alive[p.id] && !reported {
		return one(cluster.CodeUnheard, "try again in a moment", "node:%d did not report yet", p.id)
	}
	if left := lingering(p.View, p.id); p.Alive[p.id] && len(left) > 0 {
		return one(cluster.CodeBusy, "try again in a moment", "%s", strings.Join(left, "; "))
	}
	return nil
}

// quorumWithout is the quorum's own rule for those that stay, and says the same when
// those in maintenance mode are off, as may be at any time.
func (p preflight) quorumWithout() cluster.Refusals {
	if p.node.Membership != cluster.Voter {
		return nil
	}
	for _, left := range []bool{false, true} {
		c := p.count(left)
		stay := c.voters - 1
		if need := stay/2 + 1; c.serving < need {
			hint := "let other nodes join first, until three vote"
			if len(c.absent) > 0 {
				hint = "bring " + nodes(c.absent) + " back first"
			}
			return one(cluster.CodeQuorumWouldBeLost, hint, "without node:%d, %d of %d voting nodes would be up and in service, %s", p.id, c.serving, stay, needed(need))
		}
	}
	return nil
}

// RemovalNotes says what the cluster is like without the node, where that is
// worth knowing before.
func RemovalNotes(v cluster.View, node int) []string {
	if v.Nodes[node].Membership != cluster.Voter {
		return nil
	}
	voters, joins := 0, false // a learner joins them at once
	for _, n := range v.Nodes {
		if n.ID != node && n.Membership == cluster.Voter {
			voters++
		}
		joins = joins || n.ID != node && n.Membership == cluster.Learner && n.Removing == "" && v.Alive[n.ID]
	}
	if voters == 0 || voters%2 == 1 || joins {
		return nil
	}
	remedy := "let another node join"
	if next, known := v.NextVoter(node); known {
		remedy = fmt.Sprintf("start node:%d, which then votes, too", next)
	}
	return []string{fmt.Sprintf("%d nodes vote then, an even number, and the cluster bears the loss of %d of them: %s", voters, (voters-1)/2, remedy)}
}

// remove closes the node and then waits for the leader, which asks the quorum
// to let it go.
func (t *turn) remove() step {
	if err := t.Removable(t.a.Node); err != nil {
		return t.fail(err, nil)
	}
	if !t.a.Marked {
		return do(cluster.BeginRemoval{At: t.Now, Action: t.a.ID})
	}
	switch missing := t.lingering(); {
	case len(missing) > 0 && t.Age(t.a.Started) > settling:
		return t.fail(cluster.Refuse(cluster.CodeDeadline, "run it again", "%s", strings.Join(missing, "; ")), missing)
	case len(missing) > 0:
		return wait("%s", strings.Join(missing, "; "))
	}
	return wait("the quorum to let node:%d go", t.a.Node)
}

// lingering is what has to be seen of a live node before it is let go.
func (t *turn) lingering() []string {
	if !t.Alive[t.a.Node] {
		return nil
	}
	if why := unseen(t.View, t.a.Node); why != "" {
		return []string{why}
	}
	return lingering(t.View, t.a.Node)
}

// MayLeave reports whether the action removes a node that the quorum may let go
// now: it is closed, nothing is on it, and, if it is up, that has been seen.
func MayLeave(v cluster.View, a cluster.Action) bool {
	if a.Name != cluster.RemoveNode || a.Status != cluster.ActionRunning || !a.Marked || v.Removable(a.Node) != nil {
		return false
	}
	return len(newTurn(v, a, nil).lingering()) == 0
}
