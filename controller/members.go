package controller

import (
	"context"
	"errors"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
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
	// Remove takes whatever member the node has out of the quorum; it is no error
	// if it has none. It is refused (quorum_would_be_lost) if too few would be left.
	Remove(ctx context.Context, n cluster.Node) error
}

// removeEvery is the pause after an attempt to remove a node that failed.
const removeEvery = 2 * time.Second

// settleMembers promotes learners two at a time, so that the number of voters
// stays odd: 1, 3 or 5. Interrupted, the next look finishes it.
func (t *term) settleMembers(v cluster.View) {
	learners, differ := t.learners(v)
	if t.member || len(learners) == 0 || (len(learners) < 2 && !differ) {
		return
	}
	t.member = true
	t.beside(func() {
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
		case n.Membership == cluster.Learner && v.Alive[n.ID] && n.Removing == "":
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
	_ = t.tell(func(cluster.View) (cluster.Command, error) {
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

// removeNodes has the quorum let go of a node that is being removed, and then
// takes it off the board. Interrupted, the next look finishes it, maybe another
// leader's: a member that is gone already is no error.
func (t *term) removeNodes(v cluster.View) {
	for _, a := range v.ActionsByAge() {
		if t.removes || a.Node == t.cfg.Node || !maintenance.MayLeave(v, a) {
			continue
		}
		t.removes = true
		t.beside(func() { t.removeNode(a, v.Nodes[a.Node]) })
	}
}

// removeNode commits what became of the removal. Only a refusal of the quorum
// ends it; after any other failure the member may be gone, so it is tried again.
func (t *term) removeNode(a cluster.Action, n cluster.Node) {
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	err := t.cfg.Members.Remove(ctx, n)
	var refused *cluster.Error
	errors.As(err, &refused)
	var end cluster.Command = nothing{}
	switch {
	case err == nil:
		end = cluster.CompleteRemoval{At: t.now().UTC(), Action: a.ID}
	case cluster.CodeOf(err) == cluster.CodeQuorumWouldBeLost:
		end = cluster.FailAction{At: t.now().UTC(), Action: a.ID, Status: cluster.ActionFailed, Error: refused}
	default:
		t.cfg.Logger.Warn("the quorum did not let the node go yet", "node", n.ID, "error", err)
		t.sleep(t.ctx, removeEvery)
	}
	err = t.tell(func(cluster.View) (cluster.Command, error) { t.removes = false; return end, nil })
	if err != nil && t.ctx.Err() == nil {
		t.cfg.Logger.Warn("the end of the removal was not committed", "node", n.ID, "error", err)
	}
}
