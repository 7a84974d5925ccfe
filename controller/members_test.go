package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

// removal asks for node 4, which carries nothing and is dead, to be removed, and
// waits for the outcome.
func removal(o *office, refusals ...error) cluster.Action {
	o.t.Helper()
	o.refusals = refusals
	if err := o.Submit(o.t.Context(), write{cluster.Node{ID: 4, MemberID: 44, Membership: cluster.Voter}}); err != nil {
		o.t.Fatal(err)
	}
	o.report(nil)
	if err := o.StartAction(o.t.Context(), cluster.Action{ID: "r", Name: cluster.RemoveNode, Node: 4, Created: time.Now()}); err != nil {
		o.t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
	return o.quorum.Board().Actions["r"]
}

func TestNodeIsRemovedByQuorumThenBoard(t *testing.T) {
	for name, c := range map[string]struct {
		refusals []error
		asked    []int
		status   cluster.ActionStatus
	}{
		"at once":        {nil, []int{4}, cluster.ActionCompleted},
		"an answer lost": {[]error{errors.New("time out")}, []int{4, 4}, cluster.ActionCompleted},
		"the quorum refuses": {
			[]error{cluster.Refuse(cluster.CodeQuorumWouldBeLost, "", "too few members are up")}, []int{4}, cluster.ActionFailed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, nil)
				defer o.resign()
				a := removal(o, c.refusals...)
				n, there := o.quorum.Board().Nodes[4]
				if a.Status != c.status || there == (c.status == cluster.ActionCompleted) || n.Removing != "" || !slices.Equal(o.removed, c.asked) {
					t.Errorf("%+v, node %+v, asked %v", a, n, o.removed)
				}
			})
		})
	}
}

// The quorum has let the node go when the leader dies: the next one takes it off
// the board.
func TestRemovalIsFinishedByTheNextLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		o.resign()
		b := o.quorum.board
		a := cluster.Action{ID: "r", Name: cluster.RemoveNode, Node: 4, Status: cluster.ActionRunning, Marked: true, Started: time.Now()}
		o.quorum.board = b.With(b.Revision+1, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 4, Membership: cluster.Voter, Removing: "r"}, a}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Lead(ctx, 7) }()
		synctest.Wait()
		o.report(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, there := o.quorum.Board().Nodes[4]; there || o.quorum.Board().Actions["r"].Status != cluster.ActionCompleted {
			t.Errorf("%+v", o.quorum.Board().Actions["r"])
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What becomes of work beside the loop reaches it, however long slow commits hold it up:
// what it is not told of it would wait for in all its term.
func TestRemovalGoesOnAfterSlowCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		o.refusals = []error{errors.New("time out")}
		a := cluster.Action{ID: "r", Name: cluster.RemoveNode, Node: 4, Status: cluster.ActionRunning, Marked: true, Started: time.Now()}
		change := cluster.Change{Put: []cluster.Object{cluster.Node{ID: 4, Membership: cluster.Voter, Removing: "r"}, a}}
		for node := 5; node < 9; node++ {
			change.Put = append(change.Put, cluster.Node{ID: node, Membership: cluster.Client})
		}
		o.quorum.mu.Lock() // that all these are down is to be written down
		o.quorum.board, o.quorum.takes = o.quorum.board.With(2, change), 4*time.Second
		o.quorum.mu.Unlock()
		o.report(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if a := o.quorum.Board().Actions["r"]; a.Status != cluster.ActionCompleted || len(o.removed) != 2 {
			t.Errorf("%+v, asked %v", a, o.removed)
		}
	})
}

// A leader never removes itself: it hands the office on.
func TestRemovedLeaderStepsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		asked := make(chan struct{}, 10)
		o.cfg.HandOn = func(context.Context, int) error { asked <- struct{}{}; return nil }
		o.report(nil)
		a := cluster.Action{ID: "r", Name: cluster.RemoveNode, Node: 3, Status: cluster.ActionRunning, Marked: true, Started: time.Now()}
		for _, object := range []cluster.Object{a, cluster.Node{ID: 3, Membership: cluster.Voter, Removing: "r"}} {
			if err := o.Submit(t.Context(), write{object}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(asked) != 1 || len(o.removed) > 0 {
			t.Errorf("asked to step down %d times, removed %v", len(asked), o.removed)
		}
	})
}
