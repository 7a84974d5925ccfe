package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestTakeOver(t *testing.T) {
	for name, x := range map[string]struct{ to, from cluster.InstanceID }{
		"forward": {id(2, 1), id(1, 1)},
		"back":    {id(1, 1), id(2, 1)},
	} {
		s := begin(t, 3)
		s.database("a", 1, true)
		over := cluster.TakeOver{At: at, Range: first, ID: "h", NewID: "i", To: x.to, Reason: "its host is gone"}
		if s.try(over) == nil {
			t.Errorf("%s: nothing is open", name)
		}
		s.must(cluster.OpenHandover{At: at, ID: "h", To: id(2, 1), Action: ""})
		if s.try(cluster.TakeOver{Range: first, ID: "h", NewID: "i", To: id(7, 1)}) == nil || s.try(cluster.TakeOver{Range: first, ID: "g", NewID: "i", To: x.to}) == nil {
			t.Errorf("%s: by a stranger, or of another one", name)
		}
		promised := s.board.Ranges[first].Handover.Generation
		s.must(over)
		r := s.board.Ranges[first]
		if h := r.Handover; h.ID != "i" || !h.Unplanned || h.From != x.from || h.To != x.to || h.Executor() != x.to || !h.Opened.Equal(at) {
			t.Errorf("%s: %+v", name, h)
		}
		if r.Master != id(1, 1) || r.Generation <= promised || r.Handover.Generation <= r.Generation {
			t.Errorf("%s: a proxy that was aimed at the other side would stay there: %+v", name, r)
		}
		if s.try(cluster.TakeOver{Range: first, ID: "i", NewID: "k", To: x.from}) == nil {
			t.Errorf("%s: an unplanned one was turned", name)
		}
		s.must(cluster.CloseHandover{At: at, Range: first, ID: "i", Moved: true})
		if r := s.board.Ranges[first]; r.Master != x.to || r.Handover != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
