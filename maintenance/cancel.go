package maintenance

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// cancel ends an action that somebody cancelled. What is open is undone where
// nothing depends on it yet, and finished otherwise. A node that was being taken
// out, and that nobody else holds out, gets back what has left it. The others
// just stop: a node that was being brought back stays out.
func (t *turn) cancel() step {
	m := t.node.Maintenance
	if m == nil || m.Returning != t.a.ID || t.a.Name != cluster.MaintenanceOn {
		if s := t.stop(); !s.rests() {
			return s
		}
	}
	switch {
	case t.a.Name != cluster.MaintenanceOn:
		err := cluster.Refuse(cluster.CodeCancelled, "", "%s was cancelled by %s", t.a.Name, t.a.Cancel.By)
		return do(cluster.FailAction{At: t.Now, Action: t.a.ID, Status: cluster.ActionCancelled, Error: err})
	case m == nil || !t.a.Marked || len(m.Holds) > 1:
		return do(cluster.EndCancel{At: t.Now, Action: t.a.ID})
	case t.a.Cancel.Planned:
		if s := t.advance(); !s.rests() {
			return s
		}
	}
	return t.back()
}

// stop brings the running moves to an end, the shortest way.
func (t *turn) stop() step {
	var all step
	for _, m := range t.a.Moves {
		if m.Status == cluster.MoveRunning {
			all = all.and(t.halt(m))
		}
	}
	if !all.rests() {
		return all
	}
	return t.settle()
}

func (t *turn) halt(m cluster.Move) step {
	if m.Kind == cluster.Rebind {
		return t.haltRebind(m)
	}
	s, ok := t.Shards[m.Shard]
	r := t.Ranges[s.Range]
	switch {
	case !ok:
		return t.done(m)
	case r.Handover != nil:
		return wait("the slots of redis:%d to be handed over", s.ID)
	case m.Kind == cluster.Failover && r.Master.Shard == s.ID:
		return t.done(m)
	case m.Kind == cluster.Migrate && t.NodeOf(s) == m.To:
		return t.left(m, s)
	}
	if second, there := t.Instances[m.Instance]; there {
		return do(cluster.DropInstance{Instance: second.ID}).and(t.undone(m))
	}
	return t.undone(m)
}

func (t *turn) haltRebind(m cluster.Move) step {
	e, ok := t.Endpoints[m.Endpoint]
	switch {
	case !ok:
		return t.done(m)
	case len(e.Opening) > 0:
		return do(cluster.Bind{At: t.Now, Endpoint: e.ID, Step: cluster.BindUndo}).and(t.undone(m))
	case len(e.Draining) > 0:
		return t.drain(m, e)
	case t.rebound(e, m):
		return t.closed(m, e)
	}
	return t.undone(m)
}

func (t *turn) undone(m cluster.Move) step {
	status, err := cluster.MoveWaiting, cluster.Refuse(cluster.CodeNodeDown, "", "node:%d does not answer", t.a.Node)
	if t.a.Cancel != nil {
		status, err = cluster.MoveAbandoned, cluster.Refuse(cluster.CodeCancelled, "", "%s was cancelled by %s", t.a.Name, t.a.Cancel.By)
	}
	return do(cluster.FinishMove{At: t.Now, Action: t.a.ID, Move: m.ID, Status: status, Error: err})
}

// back plans the way back of what has left, or ends the action: with all of it
// back and compared, or with what could not come back by name.
func (t *turn) back() step {
	s, ok := t.Snapshots[cluster.SnapshotID{Node: t.a.Node, Name: t.a.Snapshot}]
	if !ok {
		return t.giveUp(fmt.Sprintf("node:%d has no snapshot %s", t.a.Node, t.a.Snapshot))
	}
	if s := t.settle(); !s.rests() {
		return s
	}
	if other, in := t.entangled(plan.Home(s)); in {
		return wait("%s of %s, which still moves shards of node:%d or their partners", other.Name, other.Subject(), t.a.Node)
	}
	moves, _, err := plan.Restore(t.View, t.a.Node, s)
	switch failed, gone := t.failureBack(), t.awaited(); {
	case failed == nil && len(gone) > 0 && (err != nil || t.a.Cancel.Planned && t.asWaiting(moves)):
		return wait("%s to come back", nodes(gone))
	case failed != nil && err != nil:
		return t.giveUp(failed.Message, joined(err).Message)
	case failed != nil:
		return t.giveUp(append(t.unmoved(moves), failed.Message)...)
	case err != nil:
		return t.giveUp(joined(err).Message)
	case t.a.Cancel.Planned && t.asWaiting(moves):
		return t.giveUp(t.misfit(moves).Message)
	case len(moves) > 0:
		return t.beginBack(moves)
	}
	missing, proof := unsettled(t.View, t.a.Node), Compare(t.View, s)
	switch {
	case len(missing) == 0:
		return do(cluster.EndCancel{At: t.Now, Action: t.a.ID, Proof: &proof})
	case t.resting() > settling && t.Age(t.a.Cancel.At) > settling:
		return t.giveUp(missing...)
	}
	return wait("%s", missing[0])
}

func (t *turn) beginBack(moves []cluster.Move) step {
	attach := cluster.AttachPlan{At: t.Now, Action: t.a.ID, Moves: moves}
	if t.node.Maintenance.Returning == t.a.ID {
		return do(attach)
	}
	return do(cluster.BeginReturn{At: t.Now, Action: t.a.ID}, attach)
}

// failureBack returns why the first move of the way back failed, or nil.
func (t *turn) failureBack() *cluster.Error {
	if !t.a.Cancel.Planned {
		return nil
	}
	for _, m := range t.a.Moves[t.a.Cancel.Back:] {
		if m.Status == cluster.MoveFailed {
			return m.Error
		}
	}
	return nil
}

// giveUp ends the cancelling: what has not come back stays where it is.
func (t *turn) giveUp(left ...string) step {
	return do(cluster.EndCancel{At: t.Now, Action: t.a.ID, Left: left})
}
