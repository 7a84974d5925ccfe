package cluster_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestRemoval(t *testing.T) {
	s := begin(t, 3)
	s.must(cluster.SetMembership{Node: 2, Membership: cluster.Voter, MemberID: 2})
	s.must(cluster.SetMembership{Node: 3, Membership: cluster.Voter, MemberID: 3})
	s.must(cluster.CreateSnapshot{Snapshot: cluster.Snapshot{ID: cluster.SnapshotID{Node: 3, Name: "old"}}})
	s.running("earlier", cluster.SnapshotRestore, 3)
	s.must(cluster.CompleteRestore{At: at, Action: "earlier"})
	s.running("r", cluster.RemoveNode, 3)
	if err := s.try(cluster.CompleteRemoval{At: at, Action: "r"}); err == nil {
		t.Fatal("a node went that nobody had closed")
	}
	s.must(cluster.BeginRemoval{At: at, Action: "r"})
	n := s.board.Nodes[3]
	if !n.Closed() || n.Removing != "r" {
		t.Errorf("%+v", n)
	}
	s.refused(cluster.CancelAction{At: at, Action: "r"}, cluster.CodeBusy)
	s.refused(cluster.AddNode{At: at, Node: cluster.Node{Identity: n.Identity, Address: n.Address}}, cluster.CodeJoinRefused)
	s.refused(cluster.AddNode{At: at, Node: cluster.Node{Identity: "new", Address: n.Address}}, cluster.CodeJoinRefused)
	change, err := cluster.CompleteRemoval{At: at, Action: "r"}.Apply(s.board)
	if err != nil || len(change.Log) != 1 || change.Log[0].Type != "node_remove_completed" || !strings.Contains(change.Log[0].Text, "2 nodes vote, an even number") {
		t.Errorf("%+v, %v", change.Log, err)
	}
	learner := s.board.Nodes[2]
	learner.ID, learner.Membership = 7, cluster.Learner
	beside := s.board.With(s.board.Revision, cluster.Change{Put: []cluster.Object{learner}})
	if change, err := (cluster.CompleteRemoval{At: at, Action: "r"}).Apply(beside); err != nil || !strings.HasSuffix(change.Log[0].Text, "until node:7 does, too") {
		t.Errorf("%+v, %v", change.Log, err)
	}
	s.must(cluster.CompleteRemoval{At: at, Action: "r"})
	if len(s.board.Nodes) != 2 || len(s.board.Snapshots) != 0 || len(s.board.Actions) != 1 || s.board.Actions["r"].Status != cluster.ActionCompleted {
		t.Errorf("%+v %+v %+v", s.board.Nodes, s.board.Snapshots, s.board.Actions)
	}
	// The host comes again, under a number that nobody had.
	s.must(cluster.AddNode{At: at, Node: cluster.Node{Identity: "new", Address: n.Address}})
	if s.board.Nodes[4].Address != n.Address {
		t.Errorf("%+v", s.board.Nodes)
	}
}

func TestRemovalOfANodeThatCarriesSomething(t *testing.T) {
	s := begin(t, 2)
	s.database("a", 1, true)
	s.running("r", cluster.RemoveNode, 2)
	s.refused(cluster.BeginRemoval{At: at, Action: "r"}, cluster.CodeBusy)
	if got := s.board.Carried(2); !slices.Equal(got, []string{"redis:2"}) {
		t.Errorf("carried: %v", got)
	}
	if got := s.board.Carried(1); !slices.Equal(got, []string{"redis:1", "endpoint:1:1"}) {
		t.Errorf("carried: %v", got)
	}
}

func TestFailedRemovalOpensTheNode(t *testing.T) {
	s := begin(t, 2)
	s.running("r", cluster.RemoveNode, 2)
	s.must(cluster.BeginRemoval{At: at, Action: "r"})
	s.must(cluster.FailAction{At: at, Action: "r", Status: cluster.ActionFailed, Error: cluster.Refuse("x", "", "x")})
	if s.board.Nodes[2].Closed() {
		t.Errorf("%+v", s.board.Nodes[2])
	}
}

func TestRemovedNodesAreKnown(t *testing.T) {
	s := begin(t, 2)
	b := s.board.With(9, cluster.Change{Delete: []cluster.Key{{Kind: cluster.KindNode, ID: "2"}}})
	for node, want := range map[int]bool{0: false, 1: false, 2: true, 3: false} {
		if got := b.Removed(node); got != want {
			t.Errorf("node:%d: %v", node, got)
		}
	}
}
