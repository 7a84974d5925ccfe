package maintenance

import (
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

const (
	syncing          = 30 * time.Second // for a replica to be in sync
	failoverAttempts = 5
)

// failover makes the move's shard master of its range.
func (t *turn) failover(m cluster.Move) step {
	s, ok := t.Shards[m.Shard]
	if !ok {
		return t.done(m) // its database is gone
	}
	r := t.Ranges[s.Range]
	switch {
	case r.Handover != nil:
		return wait("the slots of redis:%d to be handed over", s.ID)
	case r.Master.Shard == s.ID:
		return t.done(m)
	case m.Handover != "":
		return t.again(m, failoverAttempts, cluster.Refuse(cluster.CodeHandoverFailed, "see the activity for the reason",
			"redis:%d on node:%d did not become master", s.ID, t.NodeOf(s)))
	}
	if err := plan.Fits(t.View, m); err != nil && r.Lost {
		return t.again(m, m.Attempt+1, joined(err)) // to be planned anew, which leaves it out
	}
	to := t.Instances[s.Instance]
	if why := unready(t.View, to); why != "" {
		if t.past(m, syncing) {
			return t.again(m, failoverAttempts, cluster.Refuse(cluster.CodeNotInSync, "see haulout status shards",
				"redis:%d on node:%d can not become master: it %s", s.ID, to.Node, why))
		}
		return wait("redis:%d on node:%d, which %s", s.ID, to.Node, why)
	}
	if t.Age(m.Started) < t.Cluster.Handoff() {
		return wait("clients to hear that redis:%d fails over", m.Old)
	}
	return t.handover(m, to)
}
