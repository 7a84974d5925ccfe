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

// A clock that is set, or the clock of another leader, neither ends a node's grace
// at once nor makes it endless.
func TestGraceIsNotTheClocks(t *testing.T) {
	const grace = 10 * time.Minute // unless tuned
	b := (&cluster.Board{}).With(1, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 2, DownSince: at}}})
	for name, c := range map[string]struct {
		takesOver time.Duration // on its clock, after the node went down
		counted   time.Duration // then
	}{
		"the same leader":            {0, 0},
		"a leader 4 minutes later":   {4 * time.Minute, 4 * time.Minute},
		"a clock an hour ahead":      {time.Hour + time.Minute, grace - time.Minute},
		"a clock an hour behind":     {time.Minute - time.Hour, 0},
		"a leader when it is due":    {grace, grace - time.Minute},
		"a leader at the last while": {grace - 30*time.Second, grace - time.Minute},
	} {
		now := at.Add(c.takesOver)
		seen := b.FirstSeen(nil, now)
		for _, later := range []time.Duration{0, time.Second, time.Hour} {
			seen = b.FirstSeen(seen, now.Add(later))
			v := cluster.View{Board: b, Now: now.Add(later), FirstSeen: seen}
			if got := v.Age(at); got != c.counted+later {
				t.Errorf("%s, %s on: down for %s, want %s", name, later, got, c.counted+later)
			}
		}
	}
	b = b.With(2, cluster.Change{Put: []cluster.Object{cluster.Cluster{ReplicaGrace: 30}}})
	if got := (cluster.View{Board: b, Now: at.Add(time.Hour), FirstSeen: b.FirstSeen(nil, at.Add(time.Hour))}).Age(at); got != 15*time.Second {
		t.Errorf("of a short grace %s are taken on word", got)
	}
}
