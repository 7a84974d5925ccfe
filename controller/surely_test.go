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
	if got := office.surely(broken, nil); got != nil {
		t.Errorf("%+v", got)
	}
	if got := office.surely(func() []cluster.Command { return []cluster.Command{instead} }, nil); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}
