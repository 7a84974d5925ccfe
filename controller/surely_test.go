package controller

import (
	"log/slog"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// A room that panics ends what it was about, and not the daemon.
func TestRoomThatCanNotDecide(t *testing.T) {
	office := &term{Controller: &Controller{cfg: Config{Logger: slog.New(slog.DiscardHandler)}}}
	var none *cluster.Action
	broken := func() []cluster.Command { return []cluster.Command{cluster.FailAction{Action: none.ID}} }
	instead := cluster.FailAction{Action: "a"}
	if got := office.surely(broken, instead); len(got) != 1 || got[0].(cluster.FailAction).Action != "a" {
		t.Errorf("%+v", got)
	}
	if got := office.surely(broken); got != nil {
		t.Errorf("%+v", got)
	}
	if got := office.surely(func() []cluster.Command { return []cluster.Command{instead} }, nil); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// It ends also while a move of it runs, which nobody can carry on.
func TestActionThatCanNotBeDecidedEndsWithItsMoves(t *testing.T) {
	a := cluster.Action{ID: "a", Name: cluster.ShardFailover, Database: 1, Status: cluster.ActionRunning, Moves: []cluster.Move{
		{ID: 1, Kind: cluster.Failover, Shard: 2, Old: 1, Status: cluster.MoveRunning}, {ID: 2, Kind: cluster.Failover, Shard: 4, Old: 3, Status: cluster.MoveWaiting},
	}}
	var b *cluster.Board
	b = b.With(1, cluster.Change{Put: []cluster.Object{cluster.Database{ID: 1, Name: "orders"}, cluster.SlotRange{ID: rng, Master: one}, cluster.Shard{ID: 2, Range: rng, Instance: two}, a}})
	for _, cmd := range givesUp(cluster.View{Board: b}, a) {
		change, err := cmd.Apply(b)
		if err != nil {
			t.Fatalf("%T: %v", cmd, err)
		}
		b = b.With(b.Revision+1, change)
	}
	if a := b.Actions["a"]; a.Status != cluster.ActionFailed || a.Error.Code != cluster.CodeInternal || !a.MovesEnded() {
		t.Errorf("%+v", a)
	}
}
