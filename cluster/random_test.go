package cluster_test

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
)

// Whatever commands come, in whatever order, what is committed keeps the
// invariants of boards, and boards that were committed before do not change.
func TestRandomCommandsKeepTheInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := begin(t, 4)
		s.database("x", 2, true)
		s.database("y", 1, false)
		n := 0
		for range rapid.IntRange(10, 80).Draw(t, "length") {
			n++
			c := anyCommand(t, s.board, n)
			before := *s.board
			copied := deep(s.board)
			if s.try(c) != nil {
				continue
			}
			if !reflect.DeepEqual(copied, deep(&before)) {
				t.Fatalf("%T changed the board before it", c)
			}
			if err := broken(s.board); err != nil {
				t.Fatalf("after %T %+v: %v", c, c, err)
			}
		}
	})
}

// deep is everything on the board, printed.
func deep(b *cluster.Board) string {
	actions := ""
	for _, a := range b.ActionsByAge() {
		actions += fmt.Sprintf("%+v ", a)
	}
	return fmt.Sprintf("%+v %v %v %v %v %v %s", b.Nodes, b.Ranges, b.Shards, b.Instances, b.Endpoints, b.Snapshots, actions)
}

func anyCommand(t *rapid.T, b *cluster.Board, n int) cluster.Command {
	some := func(name string, most int) int { return rapid.IntRange(1, most).Draw(t, name) }
	action := "a0"
	if all := cluster.Sorted(b.Actions); len(all) > 0 {
		action = rapid.SampledFrom(all).Draw(t, "action").ID
	}
	move := some("move", 3)
	instance := id(some("shard", max(b.Cluster.NextShard, 2)), some("incarnation", 3))
	r := cluster.RangeID{Database: some("db", 3), Index: some("index", 2) - 1}
	e := cluster.EndpointID{Database: some("db", 3), Index: 1}
	handover := fmt.Sprintf("h%d", some("handover", n))
	if h := b.Ranges[r].Handover; h != nil {
		handover = h.ID
	}
	yes := rapid.Bool().Draw(t, "yes")
	commands := []func() cluster.Command{
		func() cluster.Command { return anyDatabase(t, n) },
		func() cluster.Command { return cluster.DeleteDatabase{Database: some("db", 3)} },
		func() cluster.Command {
			return cluster.EnqueueAction{Action: cluster.Action{ID: fmt.Sprintf("a%d", n), Name: cluster.MaintenanceOn, Node: some("node", 4)}}
		},
		func() cluster.Command { return cluster.RecordChecks{Action: action} },
		func() cluster.Command { return cluster.Mark{Action: action} },
		func() cluster.Command { return cluster.BeginReturn{Action: action} },
		func() cluster.Command { return cluster.CompleteOn{Action: action} },
		func() cluster.Command { return cluster.CompleteOff{Action: action} },
		func() cluster.Command {
			return cluster.FailAction{Action: action, Status: cluster.ActionFailed, Error: cluster.Refuse("x", "", "x")}
		},
		func() cluster.Command { return cluster.AttachPlan{Action: action, Moves: anyMoves(t, b)} },
		func() cluster.Command { return cluster.StartMove{Action: action, Move: move} },
		func() cluster.Command {
			status := rapid.SampledFrom([]cluster.MoveStatus{cluster.MoveDone, cluster.MoveFailed, cluster.MoveWaiting}).Draw(t, "status")
			return cluster.FinishMove{Action: action, Move: move, Status: status, Error: cluster.Refuse("x", "", "x")}
		},
		func() cluster.Command { return cluster.AddInstance{Action: action, Move: move, Pass: n % 3} },
		func() cluster.Command { return cluster.SwitchInstance{Instance: instance} },
		func() cluster.Command { return cluster.DropInstance{Instance: instance} },
		func() cluster.Command { return cluster.Repoint{Instance: instance} },
		func() cluster.Command { return cluster.MarkStarted{Instances: []cluster.InstanceID{instance}} },
		func() cluster.Command {
			return cluster.OpenHandover{ID: fmt.Sprintf("h%d", n), To: instance, Unplanned: yes}
		},
		func() cluster.Command {
			return cluster.CloseHandover{Range: r, ID: handover, Moved: yes, ReplID: handover}
		},
		func() cluster.Command { return cluster.LoseRange{Range: r} },
		func() cluster.Command { return cluster.RecoverRange{Range: r, Node: some("node", 4)} },
		func() cluster.Command { return cluster.RecoverRange{Range: r, Copy: instance} },
		func() cluster.Command {
			step := rapid.SampledFrom([]cluster.BindStep{cluster.BindOpen, cluster.BindSwitch, cluster.BindAnnounce, cluster.BindClose, cluster.BindUndo}).Draw(t, "step")
			return cluster.Bind{Endpoint: e, Step: step, Nodes: []int{some("node", 4)}}
		},
	}
	return rapid.SampledFrom(commands).Draw(t, "command")()
}

func anyDatabase(t *rapid.T, n int) cluster.Command {
	d := valid(fmt.Sprintf("d%d", n), rapid.IntRange(1, 2).Draw(t, "shards"), rapid.Bool().Draw(t, "replicated"))
	p := cluster.Placement{Endpoint: 1}
	for range d.ShardsCount {
		nodes := rapid.Permutation([]int{1, 2, 3, 4}).Draw(t, "nodes")
		p.Masters, p.Replicas = append(p.Masters, nodes[0]), append(p.Replicas, nodes[1])
	}
	return cluster.CreateDatabase{Database: d, Placement: p}
}

func anyMoves(t *rapid.T, b *cluster.Board) []cluster.Move {
	var moves []cluster.Move
	for range rapid.IntRange(0, 3).Draw(t, "moves") {
		m := cluster.Move{
			Kind: rapid.SampledFrom([]cluster.MoveKind{cluster.Migrate, cluster.Failover, cluster.Rebind}).Draw(t, "kind"),
			To:   rapid.IntRange(1, 4).Draw(t, "to"),
		}
		if m.Kind == cluster.Rebind {
			m.Endpoint = cluster.EndpointID{Database: 1, Index: 1}
		} else {
			m.Shard = rapid.IntRange(1, max(b.Cluster.NextShard, 2)).Draw(t, "moved")
		}
		moves = append(moves, m)
	}
	return moves
}
