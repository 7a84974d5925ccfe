package maintenance

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
)

// quorum refuses to take a voting node out if the other voting nodes that are
// up and in service are fewer than a majority of all. For a node without a vote
// it is enough that the quorum stands now.
func (p preflight) quorum() cluster.Refusals {
	voters, up, serving := 0, 0, 0
	var absent []int
	for _, n := range cluster.Sorted(p.Nodes) {
		if n.Membership != cluster.Voter {
			continue
		}
		voters++
		if p.Alive[n.ID] {
			up++
		}
		if n.ID == p.id {
			continue
		}
		if p.Alive[n.ID] && n.Maintenance == nil {
			serving++
		} else {
			absent = append(absent, n.ID)
		}
	}
	need := voters/2 + 1
	switch {
	case p.node.Membership != cluster.Voter && up < need:
		return one(cluster.CodeQuorumWouldBeLost, "bring "+nodes(absent)+" back first", "%d of %d voting nodes are up, %s", up, voters, needed(need))
	case p.node.Membership == cluster.Voter && serving < need:
		return one(cluster.CodeQuorumWouldBeLost, quorumHint(voters, absent),
			"without node:%d, %d of %d voting nodes would be up and in service, %s", p.id, serving, voters, needed(need))
	}
	return nil
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
