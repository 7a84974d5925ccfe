package maintenance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// endOn ends a maintenance_on once no move is left: with what has come up
// since, planned too; with what is left named; or well, once the node has been
// seen empty.
func (t *turn) endOn() step {
	if s := t.settle(); !s.rests() {
		return s
	}
	moves, left := plan.Evacuate(t.View, t.a.Node, t.a.Options)
	if err := t.failure(); err != nil {
		return t.fail(err, append(left, t.unmoved(moves)...))
	}
	if len(moves) > 0 || len(left) == 0 && t.outdated() {
		return t.attach(moves, left)
	}
	if len(left) > 0 {
		return t.failLater(cluster.Refuse(cluster.CodeInsufficientResources, t.roomHint(),
			"not everything on node:%d has somewhere to go: %s", t.a.Node, strings.Join(left, "; ")), left)
	}
	return t.conclude(append(remaining(t.View, t.a.Node), lastCopies(t.View, t.a.Node)...), cluster.CompleteOn{At: t.Now, Action: t.a.ID})
}

// roomHint says what would help a node that can not be emptied.
func (t *turn) roomHint() string {
	if len(t.Nodes) == 1 {
		return fmt.Sprintf("let another node join and run it again, or bring it back: haulout node %d maintenance_mode off", t.a.Node)
	}
	for _, s := range t.ShardsOn(t.a.Node) {
		if t.RoleOf(s) == cluster.Master {
			return "make room on other nodes and run it again"
		}
	}
	return "make room on other nodes and run it again, or let the replicas stay: run it again with keep_slave_shards"
}

// endOff ends a maintenance_off or a snapshot_restore once no move is left, with
// the comparison that proves the return.
func (t *turn) endOff() step {
	if s := t.settle(); !s.rests() {
		return s
	}
	s := t.Snapshots[cluster.SnapshotID{Node: t.a.Node, Name: t.a.Snapshot}]
	moves, _, err := plan.Restore(t.View, t.a.Node, s)
	if failure := t.failure(); failure != nil {
		return t.fail(failure, t.unmoved(moves))
	}
	if other, in := t.entangled(plan.Home(s)); in {
		return wait("%s of %s, which still moves shards of node:%d or their partners", other.Name, other.Subject(), t.a.Node)
	}
	switch {
	case err != nil:
		return t.failLater(joined(err), nil)
	case len(moves) > 0, t.outdated():
		return t.attach(moves, nil)
	}
	proof := Compare(t.View, s)
	if t.a.Name == cluster.SnapshotRestore {
		return t.conclude(unsettled(t.View, t.a.Node), cluster.CompleteRestore{At: t.Now, Action: t.a.ID, Proof: proof})
	}
	return t.conclude(unsettled(t.View, t.a.Node), cluster.CompleteOff{At: t.Now, Action: t.a.ID, Proof: proof})
}

// outdated reports whether moves wait that have nothing left to do: somebody else
// brought their shards where they belong.
func (t *turn) outdated() bool { return len(t.waiting()) > 0 }

// entangled returns another running action that has yet to move a range of the
// snapshot: what the node looks like now is not what it will be. What waits in a
// cancelled action that has not planned its way back is never begun, and of two
// actions that rest only the younger waits for the other.
func (t *turn) entangled(home cluster.Snapshot) (cluster.Action, bool) {
	ranges := map[cluster.RangeID]bool{}
	for _, p := range home.Shards {
		ranges[p.Range] = true
	}
	for _, a := range t.ActionsByAge() {
		if a.Node == t.a.Node || a.Status.Ended() {
			continue
		}
		for _, m := range a.Moves {
			if ranges[t.Shards[m.Shard].Range] && (m.Status == cluster.MoveRunning || m.Status == cluster.MoveWaiting && t.begins(a)) {
				return a, true
			}
		}
	}
	return cluster.Action{}, false
}

// begins reports whether the other action's waiting moves may still start before
// this action goes on.
func (t *turn) begins(other cluster.Action) bool {
	if other.Cancel != nil && !other.Cancel.Planned {
		return false
	}
	return other.Created.Before(t.a.Created) || other.Created.Equal(t.a.Created) && other.ID < t.a.ID
}

// conclude completes the action when nothing is missing from what must be
// seen, and fails it if that takes too long.
func (t *turn) conclude(missing []string, complete cluster.Command) step {
	if t.leads() {
		missing = append(missing, fmt.Sprintf("node:%d leads the cluster", t.a.Node))
	}
	switch {
	case len(missing) == 0:
		return do(complete)
	case t.resting() > settling:
		return t.fail(cluster.Refuse(cluster.CodeDeadline, "run it again", "%s", strings.Join(missing, "; ")), missing)
	}
	return wait("%s", strings.Join(missing, "; "))
}

// resting is how long ago the last move ended, or the action began.
func (t *turn) resting() time.Duration {
	age := t.Age(t.a.Started)
	for _, m := range t.a.Moves {
		age = min(age, t.Age(m.Ended))
	}
	return age
}

// failure returns why the first of the moves that failed did, or nil.
func (t *turn) failure() *cluster.Error {
	for _, m := range t.a.Moves {
		if m.Status == cluster.MoveFailed {
			return m.Error
		}
	}
	return nil
}

// unmoved names what is still to be moved after a failure, and why it was not.
func (t *turn) unmoved(moves []cluster.Move) []string {
	var list []string
	for _, m := range moves {
		why := "not begun, because of an earlier failure"
		for _, o := range t.a.Moves {
			if o.Text() == m.Text() && o.Error != nil {
				why = o.Error.Message
			}
		}
		list = append(list, fmt.Sprintf("%s: %s", m.Text(), why))
	}
	return list
}

// remaining says what is still on an emptied node besides the shards it keeps:
// what other actions have there, and what has been seen there without an order.
func remaining(v cluster.View, node int) []string {
	list := ordered(v, node)
	if why := unseen(v, node); why != "" {
		return append(list, why)
	}
	return append(list, lingering(v, node)...)
}

// ordered is what the board has on the node apart from shards.
func ordered(v cluster.View, node int) []string {
	var list []string
	for _, i := range v.InstancesOn(node) {
		switch {
		case v.Shards[i.ID.Shard].Instance == i.ID:
		case v.Leaves(i):
			list = append(list, fmt.Sprintf("a copy of redis:%d has yet to leave node:%d: it may have what clients were told is kept, and the others have to have it first", i.ID.Shard, node))
		default:
			list = append(list, fmt.Sprintf("a copy of redis:%d is on its way to node:%d", i.ID.Shard, node))
		}
	}
	for _, e := range v.Endpoints {
		if e.ServedBy(node) {
			list = append(list, fmt.Sprintf("endpoint:%s is still on node:%d", e.ID, node))
		}
	}
	slices.Sort(list)
	return list
}

// lingering is what the node shows that the board does not order there.
func lingering(v cluster.View, node int) []string {
	var list []string
	for id := range v.Reports[node].Instances {
		if _, ordered := v.Instances[id]; !ordered {
			list = append(list, fmt.Sprintf("a process of redis:%d is still on node:%d", id.Shard, node))
		}
	}
	for id, s := range v.Reports[node].Proxy.Endpoints {
		if e, ok := v.Endpoints[id]; s.Listening && (!ok || !e.ServedBy(node)) {
			list = append(list, fmt.Sprintf("endpoint:%s still listens on node:%d", id, node))
		}
	}
	slices.Sort(list)
	return list
}

func unseen(v cluster.View, node int) string {
	switch {
	case !v.Alive[node]:
		return fmt.Sprintf("node:%d does not answer", node)
	case !v.Heard(node):
		return awaitedReport(node)
	case v.Reports[node].Proxy.Silent:
		return fmt.Sprintf("the proxy of node:%d does not answer", node)
	}
	return ""
}

// unsettled says what the board orders on a node that has come back and that has not
// been seen there yet.
func unsettled(v cluster.View, node int) []string {
	if why := unseen(v, node); why != "" {
		return []string{why}
	}
	var list []string
	for _, s := range v.ShardsOn(node) {
		if v.Ranges[s.Range].Lost {
			continue
		}
		o, _ := v.Observed(s.Instance)
		if o.State != cluster.Up || o.Role != v.RoleOf(s) {
			list = append(list, fmt.Sprintf("redis:%d is not seen as %s on node:%d%s", s.ID, v.RoleOf(s), node, cluster.Because(cmp.Or(o.Reason, string(o.State)))))
		}
	}
	for _, e := range v.EndpointsOn(node) {
		if s := v.Reports[node].Proxy.Endpoints[e.ID]; !s.Listening {
			list = append(list, fmt.Sprintf("endpoint:%s does not listen on node:%d%s", e.ID, node, cluster.Because(s.Reason)))
		}
	}
	return list
}
