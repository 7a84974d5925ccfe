package controller

import (
	"context"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Member is etcd's word on one member of the quorum.
type Member struct {
	ID      uint64
	Learner bool
}

// Membership changes who votes.
type Membership interface {
	Members(ctx context.Context) ([]Member, error)
	// Promote makes learners voters, back to back, once they are in sync.
	Promote(ctx context.Context, ids ...uint64) error
}

// settleMembers promotes learners two at a time, so that the number of voters
// stays odd: 1, 3 or 5. Interrupted, the next look finishes it.
func (t *term) settleMembers(v cluster.View) {
	learners, differ := t.learners(v)
	if t.member || len(learners) == 0 || (len(learners) < 2 && !differ) {
		return
	}
	t.member = true
	t.wait.Go(func() {
		ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
		defer cancel()
		if err := t.cfg.Members.Promote(ctx, learners...); err != nil {
			t.cfg.Logger.Warn("learners not promoted yet", "error", err)
		}
		t.recordMembers(ctx)
	})
}

// learners returns the learners that are up, and whether their number with the
// voters' shows a promotion that was left half-way.
func (t *term) learners(v cluster.View) (ids []uint64, halfway bool) {
	voters := 0
	for _, n := range cluster.Sorted(v.Nodes) {
		switch {
		case n.Membership == cluster.Voter:
			voters++
		case n.Membership == cluster.Learner && v.Alive[n.ID]:
			ids = append(ids, n.MemberID)
		}
	}
	return ids, voters%2 == 0
}

// recordMembers writes down what etcd shows, whatever was asked of it.
func (t *term) recordMembers(ctx context.Context) {
	members, err := t.cfg.Members.Members(ctx)
	part := map[uint64]cluster.Membership{}
	for _, m := range members {
		part[m.ID] = cluster.Voter
		if m.Learner {
			part[m.ID] = cluster.Learner
		}
	}
	_ = t.Decide(t.ctx, func(cluster.View) (cluster.Command, error) {
		t.member = false
		return nothing{}, err
	})
	for _, n := range cluster.Sorted(t.cfg.Store.Board().Nodes) {
		if p, known := part[n.MemberID]; known && p != n.Membership {
			cmd := cluster.SetMembership{Node: n.ID, Membership: p, MemberID: n.MemberID}
			if err := t.Submit(t.ctx, cmd); err != nil {
				t.cfg.Logger.Warn("membership not recorded", "node", n.ID, "error", err)
			}
		}
	}
}
