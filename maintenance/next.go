package maintenance

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Next returns the commands that bring the action one step closer to its end,
// to be applied in their order. It returns none when there is nothing to do but
// wait, or when the action has ended. ids supplies ids for hand-overs, fresh
// and unique with each call.
func Next(v cluster.View, a cluster.Action, ids func() string) []cluster.Command {
	return newTurn(v, a, ids).next().do
}

// hearing is how long the first report of a host is waited for.
const hearing = 30 * time.Second

// settling is how long an emptied or filled node may take to look as planned.
const settling = 2 * time.Minute

// step is what comes next: commands, or what is waited for in plain words.
// The zero step says that there is neither.
type step struct {
	do    []cluster.Command
	waits string
}

func do(commands ...cluster.Command) step { return step{do: commands} }

func wait(format string, args ...any) step { return step{waits: fmt.Sprintf(format, args...)} }

// rests reports whether nothing is to be done and nothing to be waited for.
func (s step) rests() bool { return len(s.do) == 0 && s.waits == "" }

// turn is one look at one action.
type turn struct {
	cluster.View
	a    cluster.Action
	node cluster.Node
	ids  func() string
	busy map[int]bool // nodes that take part in a hand-over
}

func newTurn(v cluster.View, a cluster.Action, ids func() string) *turn {
	t := &turn{View: v, a: a, node: v.Nodes[a.Node], ids: ids, busy: map[int]bool{}}
	for _, r := range v.Ranges {
		if h := r.Handover; h != nil {
			t.busy[v.Instances[h.From].Node] = true
			t.busy[v.Instances[h.To].Node] = true
		}
	}
	return t
}

func (t *turn) next() step {
	switch {
	case t.a.Status.Ended():
		return step{}
	case t.a.Status == cluster.ActionQueued:
		return t.begin()
	case t.a.Cancel != nil:
		return t.cancel()
	case t.a.Name == cluster.MaintenanceOn:
		return t.on()
	case t.a.Name == cluster.MaintenanceOff:
		return t.off()
	case t.a.Name == cluster.SnapshotRestore:
		return t.bringBack()
	case t.a.Name == cluster.ShardFailover, t.a.Name == cluster.MigrateShards:
		return t.onShards()
	case t.a.Name == cluster.RemoveNode:
		return t.remove()
	case t.a.Name == cluster.EnslaveNode:
		return t.enslave()
	case t.a.Name == cluster.VacateNode:
		return t.vacate()
	}
	return t.fail(cluster.Refuse(cluster.CodeUnsupported, "", "action %s does not exist", t.a.Name), nil)
}

// begin checks a queued action and starts or refuses it.
func (t *turn) begin() step {
	if missing := unheard(t.View); len(missing) > 0 && t.Age(t.a.Created) < hearing {
		return wait("the first report of %s", nodes(missing))
	}
	if t.leads() && t.Age(t.a.Created) < hearing {
		return wait("node:%d to hand over the lead of the cluster", t.a.Node)
	}
	checks := Preflight(t.View, t.a.Node, t.a.Name, t.a.Options)
	if err := Refusals(checks); err != nil {
		if why := joined(err); why.Code != cluster.CodeUnheard || t.Age(t.a.Created) >= hearing {
			return t.fail(why, nil)
		}
		return wait("word of hosts on the present state")
	}
	return do(cluster.RecordChecks{At: t.Now, Action: t.a.ID, Checks: checks})
}

// leads reports whether the action asks the node to be demoted and it is still
// cluster master.
func (t *turn) leads() bool { return t.a.Options.DemoteNode && t.Leader == t.a.Node }

// on takes the node out of service.
func (t *turn) on() step {
	switch {
	case t.a.Snapshot == "":
		return t.snapshot()
	case !t.a.Marked:
		return do(cluster.Mark{At: t.Now, Action: t.a.ID})
	case t.node.Maintenance == nil:
		return t.unmarked()
	case !t.a.Planned:
		return t.attach(plan.Evacuate(t.View, t.a.Node, t.a.Options))
	}
	if s := t.advance(); !s.rests() {
		return s
	}
	return t.endOn()
}

// off brings the node back, or takes one of several holds off it.
func (t *turn) off() step {
	m := t.node.Maintenance
	switch {
	case m == nil:
		return t.unmarked()
	case len(m.Holds) > 1:
		return do(cluster.ReleaseHold{At: t.Now, Action: t.a.ID, Hold: t.hold(m.Holds)})
	case t.a.Options.SkipShardsRestore:
		return do(cluster.CompleteOff{At: t.Now, Action: t.a.ID})
	case t.a.Snapshot == "":
		return t.chooseSnapshot(m.Snapshot)
	case !t.a.Marked:
		return do(cluster.BeginReturn{At: t.Now, Action: t.a.ID})
	case !t.a.Planned:
		return t.restore()
	}
	if s := t.advance(); !s.rests() {
		return s
	}
	return t.endOff()
}

// bringBack brings what a snapshot saw back to a node that is in service.
func (t *turn) bringBack() step {
	switch {
	case t.a.Snapshot == "":
		return t.chooseSnapshot(t.a.Options.SnapshotName)
	case !t.a.Planned:
		return t.restore()
	}
	if s := t.advance(); !s.rests() {
		return s
	}
	return t.endOff()
}

// hold is the one that an off takes away: the caller's newest, else the newest.
func (t *turn) hold(holds []cluster.Hold) string {
	for i := len(holds) - 1; i >= 0; i-- {
		if holds[i].Owner == t.a.By {
			return holds[i].ID
		}
	}
	return holds[len(holds)-1].ID
}

// unmarked ends an action whose node somebody put back into service by hand.
func (t *turn) unmarked() step {
	err := cluster.Refuse(cluster.CodeNotInMaintenance, "see haulout status nodes",
		"node:%d is not in maintenance mode any more", t.a.Node)
	all := t.settle()
	for _, m := range t.a.Moves {
		if m.Status != cluster.MoveRunning {
			continue
		}
		if t.Ranges[t.Shards[m.Shard].Range].Handover != nil {
			all = all.and(wait("the slots of redis:%d to be handed over", m.Shard))
		} else {
			all = all.and(t.failed(m, err))
		}
	}
	if !all.rests() {
		return all
	}
	return t.fail(err, nil)
}

// restore attaches the plan of the way back, or cancels without touching anything.
func (t *turn) restore() step {
	moves, _, err := plan.Restore(t.View, t.a.Node, t.Snapshots[cluster.SnapshotID{Node: t.a.Node, Name: t.a.Snapshot}])
	if err != nil {
		return t.failLater(joined(err), nil)
	}
	return t.attach(moves, nil)
}

// attach writes a plan down. One that is what waits already would come back for
// ever, as would one of what does not stay done: that ends the action.
func (t *turn) attach(moves []cluster.Move, left []string) step {
	if m, ok := t.undoneAgain(moves); ok {
		return t.failLater(cluster.Refuse(cluster.CodeBusy, "see what takes it back: haulout status activity",
			"%s was done %d times, and did not stay so", m.Text(), doneAtMost), append(left, t.unmoved(moves)...))
	}
	if t.asWaiting(moves) {
		return t.failLater(t.misfit(moves), append(left, t.unmoved(moves)...))
	}
	return do(cluster.AttachPlan{At: t.Now, Action: t.a.ID, Moves: moves, Left: left})
}

// misfit says why moves can not be started, the first that can not.
func (t *turn) misfit(moves []cluster.Move) *cluster.Error {
	for _, m := range moves {
		if err := plan.Fits(t.View, m); err != nil {
			return joined(err)
		}
	}
	return cluster.Refuse(cluster.CodeInternal, "", "the plan for node:%d was made twice", t.a.Node)
}

// doneAtMost is how often an action does the same.
const doneAtMost = 5

// undoneAgain returns a move that was done so often already: something else, such as the
// policy of an endpoint, wants it otherwise.
func (t *turn) undoneAgain(moves []cluster.Move) (cluster.Move, bool) {
	done := map[string]int{}
	for _, m := range t.a.Moves {
		if m.Status == cluster.MoveDone {
			done[whatMoves(m)]++
		}
	}
	for _, m := range moves {
		if done[whatMoves(m)] >= doneAtMost {
			return m, true
		}
	}
	return cluster.Move{}, false
}

// asWaiting reports whether the moves are those that wait already.
func (t *turn) asWaiting(moves []cluster.Move) bool {
	var waiting, planned []string
	for _, m := range t.a.Moves {
		if m.Status == cluster.MoveWaiting {
			waiting = append(waiting, whatMoves(m))
		}
	}
	for _, m := range moves {
		planned = append(planned, whatMoves(m))
	}
	return len(planned) > 0 && slices.Equal(waiting, planned)
}

// whatMoves tells moves apart by what they do, wherever they stand in a plan.
func whatMoves(m cluster.Move) string {
	return fmt.Sprintf("%s %d %d %s %d %d", m.Kind, m.Shard, m.Old, m.Endpoint, m.From, m.To)
}

func (t *turn) fail(err *cluster.Error, left []string) step {
	return do(cluster.FailAction{At: t.Now, Action: t.a.ID, Status: cluster.ActionFailed, Error: err, Left: left})
}
