package cluster_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestAgeIsCountedByTheLeader(t *testing.T) {
	started := at.Add(time.Hour) // by a clock that was an hour ahead
	b := (&cluster.Board{}).With(1, cluster.Change{Put: []cluster.Object{
		cluster.Action{ID: "a", Status: cluster.ActionRunning, Created: started, Moves: []cluster.Move{{ID: 1, Started: started.Add(1)}}},
		cluster.Action{ID: "old", Status: cluster.ActionFailed, Created: at.Add(-1)},
	}})
	seen := b.FirstSeen(nil, at)
	if len(seen) != 2 {
		t.Fatal(seen)
	}
	seen = b.FirstSeen(seen, at.Add(time.Minute))
	v := cluster.View{Board: b, Now: at.Add(time.Minute), FirstSeen: seen}
	for _, a := range []time.Time{started, started.Add(1)} {
		if got := v.Age(a); got != time.Minute {
			t.Errorf("%s", got)
		}
	}
	if got := v.Age(at); got != time.Minute {
		t.Errorf("what nobody counts is as old as it says, not %s", got)
	}
	if b = b.With(2, cluster.Change{Delete: []cluster.Key{{Kind: cluster.KindAction, ID: "a"}}}); len(b.FirstSeen(seen, at)) != 0 {
		t.Error("what has left the board is still counted")
	}
}
