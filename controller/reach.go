package controller

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// outreachedFor is how long another voter must have reached more hosts than this leader
// does before it gets the office. It is a part of a lease, so that a host which only the
// leader does not reach keeps its own.
const outreachedFor = 1500 * time.Millisecond

// yield hands the office to a voter that reaches every host which this leader reaches, and
// one that it does not: packets may be lost between the leader and a host that pass
// everywhere else, and a host whose leader does not answer counts as down.
func (t *term) yield(v cluster.View) {
	to := t.outreaching(v)
	if to != t.outreached.by {
		t.outreached.by, t.outreached.since = to, t.now()
	}
	if to != 0 && t.since(t.outreached.since) >= outreachedFor {
		t.leave(to, "another node reaches hosts that this one does not")
	}
}

// outreaching returns the voter that reaches the most of those that reach more than this
// leader, 0 if none does.
func (t *term) outreaching(v cluster.View) (best int) {
	if t.since(v.HeardAt[t.cfg.Node]) > recent {
		return 0
	}
	most := reached(v, t.cfg.Node)
	for _, n := range cluster.Sorted(v.Nodes) {
		theirs := reached(v, n.ID)
		if len(theirs) > len(most) && includes(theirs, most) && v.Alive[n.ID] && v.MayLead(n.ID) == nil && t.since(v.HeardAt[n.ID]) <= recent {
			best, most = n.ID, theirs
		}
	}
	return best
}

// reached is what the node reaches of the cluster, itself too.
func reached(v cluster.View, node int) map[int]bool {
	set := map[int]bool{node: true}
	for _, n := range v.Reports[node].Reached {
		if _, member := v.Nodes[n]; member {
			set[n] = true
		}
	}
	return set
}

func includes(set, part map[int]bool) bool {
	for n := range part {
		if !set[n] {
			return false
		}
	}
	return true
}
