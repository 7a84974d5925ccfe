package maintenance

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
)

// quorum refuses to take a voting node out if the other voting nodes that are
// up and in service are fewer than a majority of all. For a node without a vote
// it is enough that the quorum stands now.
func (p preflight) quorum() cluster.Refusals {
	for _, left := range []bool{false, true} {
		c := p.count(left)
		need := c.voters/2 + 1
		switch {
		case p.node.Membership != cluster.Voter && c.up < need:
			return one(cluster.CodeQuorumWouldBeLost, "bring "+nodes(c.absent)+" back first", "%d of %d voting nodes are up, %s", c.up, c.voters, needed(need))
		case p.node.Membership == cluster.Voter && c.serving < need:
			return one(cluster.CodeQuorumWouldBeLost, quorumHint(c.voters, c.absent),
				"without node:%d, %d of %d voting nodes would be up and in service, %s", p.id, c.serving, c.voters, needed(need))
		}
	}
	return nil
}

// census is of the voting nodes.
type census struct {
	voters, up int
	serving    int   // up and in service, without the node in question
	absent     []int // the others without that
}

// count counts the voting nodes, with or without those that are being removed: either
// may become of them. One that an action is about to take out counts as out.
func (p preflight) count(left bool) census {
	var c census
	leaving := map[int]bool{}
	for _, a := range p.Actions {
		leaving[a.Node] = leaving[a.Node] || a.Name == cluster.MaintenanceOn && a.Status == cluster.ActionRunning
	}
	for _, n := range cluster.Sorted(p.Nodes) {
		if n.Membership != cluster.Voter || left && n.Removing != "" && n.ID != p.id {
			continue
		}
		c.voters++
		if p.Alive[n.ID] {
			c.up++
		}
		switch {
		case n.ID == p.id:
		case p.Alive[n.ID] && n.Maintenance == nil && !leaving[n.ID]:
			c.serving++
		default:
			c.absent = append(c.absent, n.ID)
		}
	}
	return c
}

func needed(n int) string {
	if n == 1 {
		return "1 is needed"
	}
	return fmt.Sprintf("%d are needed", n)
}

// quorumHint names the waiver only where nothing else helps: with one or two
// voting nodes none can ever be spared.
func quorumHint(voters int, absent []int) string {
	switch {
	case voters <= 2:
		return "add nodes until three vote; or, if the cluster may stand still while the node is down, waive this with ignore_check quorum"
	case len(absent) > 0:
		return fmt.Sprintf("bring %s back first", nodes(absent))
	}
	return "add voting nodes"
}
