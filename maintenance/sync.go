package maintenance

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// smallLag is how many bytes a replica may be behind to be called in sync. The
// hand-over itself waits until nothing is missing.
const smallLag = 4 << 20

// unsynced says what a replica lacks to be in sync with the master of its
// range, or "". Both must have been seen.
func unsynced(v cluster.View, replica cluster.Instance) string {
	r := v.Ranges[replica.Range]
	master, ok := v.Instances[r.Master]
	if !ok {
		return "has no master"
	}
	m, seen := v.Observed(master.ID)
	if !seen || m.State != cluster.Up {
		return "has a master that does not answer"
	}
	if m.Role != cluster.Master {
		return "has a master that its node does not show as one yet"
	}
	if why := unlinked(v, replica, master); why != "" {
		return why
	}
	if o, _ := v.Observed(replica.ID); m.Offset-o.Offset > smallLag {
		return fmt.Sprintf("is %s behind", cluster.Size(m.Offset-o.Offset, 1))
	}
	return ""
}

// unready says what a replica lacks to take its master's place at once, or "". A
// replica in sync is not ready for up to a second after it was linked.
func unready(v cluster.View, replica cluster.Instance) string {
	if why := unsynced(v, replica); why != "" {
		return why
	}
	if m, _ := v.Observed(v.Ranges[replica.Range].Master); !slices.Contains(m.Feeds, address(v, replica)) {
		return "does not get its master's writes yet"
	}
	return ""
}

// unlinked says what a replica lacks to follow the source, or "".
func unlinked(v cluster.View, replica, source cluster.Instance) string {
	o, seen := v.Observed(replica.ID)
	switch {
	case !v.Alive[replica.Node]:
		return "is on a node that is down"
	case !seen:
		return "has not been seen yet"
	case o.State != cluster.Up:
		return "is not up" + cluster.Because(cmp.Or(o.Reason, string(o.State)))
	case o.Syncing || !o.EverLinked:
		return "is still being copied"
	case !o.Linked || o.Source != address(v, source):
		return "is not linked to its master"
	}
	return ""
}

// address is where an instance listens, as replicas name their source.
func address(v cluster.View, i cluster.Instance) string {
	return fmt.Sprintf("%s:%d", v.Nodes[i.Node].Address, i.Port)
}

// past reports whether the attempt has lasted longer than d. It allows more
// time while a live host that takes part has not reported: a new leader knows
// nothing yet, and what it does not know is not late.
func (t *turn) past(m cluster.Move, d time.Duration) bool {
	for _, n := range t.parties(m) {
		if _, heard := t.Reports[n]; t.Alive[n] && !heard {
			d += settling
			break
		}
	}
	return t.Age(m.Started) > d
}

// parties are the nodes a move needs to hear of.
func (t *turn) parties(m cluster.Move) []int {
	list := []int{m.From, m.To}
	if s, ok := t.Shards[m.Shard]; ok {
		list = append(list, t.Instances[t.Ranges[s.Range].Master].Node)
	}
	return list
}

// again puts a move back for another attempt, or fails it after the last. What failed
// while a host is away for a moment gets as many again.
func (t *turn) again(m cluster.Move, attempts int, err *cluster.Error) step {
	if m.Attempt < attempts || m.Attempt < 2*attempts && len(t.awaited()) > 0 {
		return do(cluster.FinishMove{At: t.Now, Action: t.a.ID, Move: m.ID, Status: cluster.MoveWaiting, Error: err})
	}
	return do(cluster.FinishMove{At: t.Now, Action: t.a.ID, Move: m.ID, Status: cluster.MoveFailed, Error: err})
}

func (t *turn) done(m cluster.Move) step {
	return do(cluster.FinishMove{At: t.Now, Action: t.a.ID, Move: m.ID, Status: cluster.MoveDone})
}

func (t *turn) failed(m cluster.Move, err *cluster.Error) step { return t.again(m, 0, err) }

// handover opens a hand-over for the move, one at a time on each node.
func (t *turn) handover(m cluster.Move, to cluster.Instance) step {
	from := t.Instances[t.Ranges[to.Range].Master].Node
	if t.busy[from] || t.busy[to.Node] {
		return wait("another hand-over on node:%d or node:%d", from, to.Node)
	}
	t.busy[from], t.busy[to.Node] = true, true
	return do(cluster.OpenHandover{At: t.Now, ID: t.ids(), To: to.ID, Action: t.a.ID, Move: m.ID})
}
