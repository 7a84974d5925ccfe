package maintenance

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// away is how long a host that went down while an action is at work may take to
// come back before the action ends without it: a lease, and a restart of its daemon.
const away = 45 * time.Second

// awaited names the nodes that went down since the action began, a moment ago. Who is out
// of service may stay down.
func (t *turn) awaited() (list []int) {
	for _, n := range cluster.Sorted(t.Nodes) {
		out := n.Maintenance != nil && n.ID != t.a.Node || n.Vacating != "" || n.Removing != ""
		lately := t.Age(n.DownSince) < min(away, t.Age(t.a.Started))
		if n.DownSince.IsZero() { // not written down yet
			lately = t.resting() < away
		}
		if !t.Alive[n.ID] && !out && lately {
			list = append(list, n.ID)
		}
	}
	return list
}

// failLater fails the action, unless some host may be back in a moment: it goes on
// then from where it stands. What is lost is not waited for.
func (t *turn) failLater(err *cluster.Error, left []string) step {
	if gone := t.awaited(); len(gone) > 0 && err.Code != cluster.CodeShardLost {
		return wait("%s to come back", nodes(gone))
	}
	return t.fail(err, left)
}
