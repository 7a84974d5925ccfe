package cluster_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// Every pair of statuses, legal or not: what the table says, and what the
// commands that change them do.

var actionStatuses = []cluster.ActionStatus{
	"", cluster.ActionQueued, cluster.ActionRunning, cluster.ActionCompleted, cluster.ActionFailed, cluster.ActionCancelled,
}

func TestActionStatusPairs(t *testing.T) {
	legal := map[cluster.ActionStatus]string{
		"":                    "queued",
		cluster.ActionQueued:  "running failed cancelled",
		cluster.ActionRunning: "completed failed cancelled",
	}
	for _, from := range actionStatuses {
		for _, to := range actionStatuses {
			want := to != "" && slices.Contains(strings.Fields(legal[from]), string(to))
			if got := from.MayBecome(to); got != want {
				t.Errorf("%q may become %q: %v", from, to, got)
			}
		}
		if ended := legal[from] == ""; from.Ended() != ended {
			t.Errorf("%q ended: %v", from, from.Ended())
		}
	}
}

var moveStatuses = []cluster.MoveStatus{
	"", cluster.MoveWaiting, cluster.MoveRunning, cluster.MoveDone, cluster.MoveFailed, cluster.MoveAbandoned,
}

func TestMoveStatusPairs(t *testing.T) {
	legal := map[cluster.MoveStatus]string{
		"":                  "waiting",
		cluster.MoveWaiting: "running abandoned",
		cluster.MoveRunning: "done failed abandoned waiting",
	}
	for _, from := range moveStatuses {
		for _, to := range moveStatuses {
			want := to != "" && slices.Contains(strings.Fields(legal[from]), string(to))
			if got := from.MayBecome(to); got != want {
				t.Errorf("%q may become %q: %v", from, to, got)
			}
		}
		if ended := legal[from] == ""; from.Ended() != ended {
			t.Errorf("%q ended: %v", from, from.Ended())
		}
	}
}

// The commands that end an action, tried on an action in every status.
func TestActionCommandsKeepTheTable(t *testing.T) {
	commands := map[cluster.ActionStatus][]cluster.Command{
		cluster.ActionRunning:   {cluster.RecordChecks{Action: "a"}},
		cluster.ActionCompleted: {cluster.CompleteOn{Action: "a"}, cluster.CompleteOff{Action: "a"}},
		cluster.ActionFailed:    {cluster.FailAction{Action: "a", Status: cluster.ActionFailed, Error: cluster.Refuse("x", "", "x")}},
		cluster.ActionCancelled: {cluster.FailAction{Action: "a", Status: cluster.ActionCancelled, Error: cluster.Refuse("x", "", "x")}},
	}
	for _, from := range actionStatuses[1:] {
		for to, list := range commands {
			for _, c := range list {
				s := begin(t, 1)
				n := s.board.Nodes[1]
				n.Maintenance = &cluster.Maintenance{Holds: []cluster.Hold{{ID: "a"}}}
				s.board = s.board.With(2, cluster.Change{Put: []cluster.Object{n, cluster.Action{ID: "a", Node: 1, Status: from}}})
				err := s.try(c)
				if (err == nil) != from.MayBecome(to) {
					t.Errorf("%T of an action that is %s: %v", c, from, err)
				}
				if err == nil && s.board.Actions["a"].Status != to {
					t.Errorf("%T left the action %s", c, s.board.Actions["a"].Status)
				}
			}
		}
	}
}

// The same for moves.
func TestMoveCommandsKeepTheTable(t *testing.T) {
	for _, from := range moveStatuses[1:] {
		for _, to := range []cluster.MoveStatus{cluster.MoveRunning, cluster.MoveWaiting, cluster.MoveDone, cluster.MoveFailed} {
			s := begin(t, 2)
			s.database("a", 1, true)
			s.board = s.board.With(9, cluster.Change{Put: []cluster.Object{cluster.Action{
				ID: "a", Node: 1, Status: cluster.ActionRunning,
				Moves: []cluster.Move{{ID: 1, Kind: cluster.Failover, Shard: 2, Old: 1, Status: from}},
			}}})
			var c cluster.Command = cluster.FinishMove{At: at, Action: "a", Move: 1, Status: to, Error: cluster.Refuse("x", "", "x")}
			if to == cluster.MoveRunning {
				c = cluster.StartMove{At: at, Action: "a", Move: 1}
			}
			err := s.try(c)
			if (err == nil) != from.MayBecome(to) {
				t.Errorf("%T from %s to %s: %v", c, from, to, err)
			}
			if err == nil && s.board.Actions["a"].Moves[0].Status != to {
				t.Errorf("%T left the move %s", c, s.board.Actions["a"].Moves[0].Status)
			}
		}
	}
}
