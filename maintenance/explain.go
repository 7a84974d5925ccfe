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

// Explanation says why a shard or a node is as it is, from the rules that
// decide it. Each reason has its code, and the hint says what would help.
type Explanation struct {
	Summary string
	// Of a node: what its shards may grow to, and what it offers them, in bytes.
	Promised, Memory int64
	Because          cluster.Refusals // why it is where, or as, it is
	Waits            cluster.Refusals // what it waits for
	Shards           []Seated         // the shard, or those of the node, and where each could go
	Next             string           // what to do now
}

// Seated is a shard and every other node as a place for it.
type Seated struct {
	Shard  int
	Role   cluster.Role
	Needs  int64 // bytes
	Places []plan.Seat
}

func (e *Explanation) because(code cluster.Code, hint, format string, args ...any) {
	e.Because = append(e.Because, cluster.Refuse(code, hint, format, args...))
}

func (e *Explanation) waits(code cluster.Code, hint, format string, args ...any) {
	e.Waits = append(e.Waits, cluster.Refuse(code, hint, format, args...))
}

// The codes of reasons that are no refusals.
const (
	CodePlaced     cluster.Code = "placed"      // where it is since its database was created
	CodeMoved      cluster.Code = "moved"       // an action brought it
	CodeVisitor    cluster.Code = "visitor"     // its own node is out of service
	CodeInService  cluster.Code = "in_service"  // the node takes shards
	CodeHeld       cluster.Code = "held"        // somebody keeps the node out
	CodeInProgress cluster.Code = "in_progress" // an action is at it
	CodeUnsafe     cluster.Code = "not_safe"    // to shut the node down
)

// ExplainShard explains the shard, which must exist.
func ExplainShard(v cluster.View, s cluster.Shard) Explanation {
	r, node := v.Ranges[s.Range], v.NodeOf(s)
	e := Explanation{
		Summary: fmt.Sprintf("%s, slots %s, is %s on node:%d", title(v, s), r.SlotsText(), v.RoleOf(s), node),
		Shards:  []Seated{seated(v, s)},
	}
	if v.RoleOf(s) == cluster.Master && !r.MasterSince.IsZero() {
		e.Summary += ", since " + r.MasterSince.UTC().Format(time.RFC3339)
	}
	e.whyHere(v, s)
	e.whatItLacks(v, s)
	e.movesOf(v, s)
	e.Next = nextForShard(e, s)
	return e
}

func seated(v cluster.View, s cluster.Shard) Seated {
	return Seated{Shard: s.ID, Role: v.RoleOf(s), Needs: v.Databases[s.Range.Database].ProcessMemory(), Places: plan.Seats(v, s)}
}

// whyHere says what brought the shard to its node.
func (e *Explanation) whyHere(v cluster.View, s cluster.Shard) {
	node := v.NodeOf(s)
	if home := plan.HomeOf(v, s); home != 0 && home != node {
		e.because(CodeVisitor, fmt.Sprintf("haulout node %d maintenance_mode off brings it home", home),
			"its home is node:%d, which is out of service since %s", home, v.Nodes[home].Maintenance.Since.UTC().Format(time.RFC3339))
	}
	if a, m, ok := arrivedBy(v, s); ok {
		e.because(CodeMoved, "", "%s of %s, asked for by %s, brought it from node:%d at %s: %s", a.Name, a.Subject(), a.By, m.From, m.Ended.UTC().Format(time.RFC3339), m.Reason)
	} else if s.Instance.Incarnation <= 1 {
		e.because(CodePlaced, "", "it is there since db:%d was created", s.Range.Database)
	} else {
		e.because(CodeMoved, "the activity tells: GET /v1/logs", "it was brought there earlier, or rebuilt there after its node was down for long")
	}
}

// arrivedBy returns the last move that is still on the board and that brought the
// shard to where it is.
func arrivedBy(v cluster.View, s cluster.Shard) (action cluster.Action, last cluster.Move, found bool) {
	for _, a := range v.ActionsByAge() {
		for _, m := range a.Moves {
			if m.Kind == cluster.Migrate && m.Shard == s.ID && m.Status == cluster.MoveDone && m.Instance == s.Instance && !m.Ended.Before(last.Ended) {
				action, last, found = a, m, true
			}
		}
	}
	return action, last, found
}

// whatItLacks says what the shard needs to be well.
func (e *Explanation) whatItLacks(v cluster.View, s cluster.Shard) {
	r, i := v.Ranges[s.Range], v.Instances[s.Instance]
	switch {
	case r.Lost:
		e.waits(cluster.CodeShardLost, "see haulout recover list", "no eligible copy of its slots is left")
	case r.Handover != nil:
		e.waits(CodeInProgress, "", "its slots are being handed over from redis:%d to redis:%d", r.Handover.From.Shard, r.Handover.To.Shard)
	case v.RoleOf(s) == cluster.Master:
		e.Waits = append(e.Waits, preflight{View: v}.serves(s)...)
	case !v.Alive[i.Node]:
		e.waits(cluster.CodeNodeDown, untilRebuilt(v, i.Node), "node:%d is down", i.Node)
	default:
		if why := unsynced(v, i); why != "" {
			e.waits(cluster.CodeNotInSync, "wait until it is in sync: haulout status shards", "it %s", why)
		}
	}
}

// untilRebuilt says what becomes of the slaves of a node that is down.
func untilRebuilt(v cluster.View, node int) string {
	if v.Nodes[node].Maintenance != nil {
		return fmt.Sprintf("start node:%d: while it is out of service, its slaves are not rebuilt elsewhere", node)
	}
	return fmt.Sprintf("start node:%d; if it stays down for %s, its slaves are rebuilt elsewhere", node, v.Cluster.Grace())
}

// movesOf says what actions are about to do with the shard, and what keeps them.
func (e *Explanation) movesOf(v cluster.View, s cluster.Shard) {
	for _, a := range v.ActionsByAge() {
		if a.Status == cluster.ActionQueued && slices.Contains(a.Options.Shards, s.ID) {
			e.waits(CodeInProgress, cancelHint(a), "%s of %s to begin", a.Name, a.Subject())
		}
		if a.Status.Ended() {
			continue
		}
		t := newTurn(v, a, func() string { return "" })
		for _, m := range a.Moves {
			if !m.Status.Ended() && (m.Shard == s.ID || m.Old == s.ID) {
				why := t.delay(m)
				e.waits(why.Code, cmp.Or(why.Hint, cancelHint(a)), "%s, in %s of %s, is %s: %s", m.Text(), a.Name, a.Subject(), m.Status, why.Message)
			}
		}
	}
}

func cancelHint(a cluster.Action) string {
	return "wait for it to end, or cancel it: haulout cluster cancel_action " + a.ID
}

// delay says what the move, which has not ended, waits for.
func (t *turn) delay(m cluster.Move) *cluster.Error {
	progress := func(text string) *cluster.Error { return cluster.Refuse(CodeInProgress, "", "%s", text) }
	switch {
	case m.Status == cluster.MoveRunning && t.a.Cancel != nil && !t.a.Cancel.Planned:
		return progress("it is being undone")
	case m.Status == cluster.MoveRunning:
		return progress("it waits for " + cmp.Or(t.carry(m).waits, "its next step"))
	case t.hopeless(m):
		return cluster.Refuse(cluster.CodeStale, "", "a move before it failed")
	case !t.ready(m):
		return progress("it waits for " + t.before(m))
	}
	if err := plan.Fits(t.View, m); err != nil {
		return joined(err)
	}
	if why := t.lanes().holds(m); why != "" {
		return progress(why)
	}
	return progress("it is its turn")
}

// before names the moves that must be done before this one and are not.
func (t *turn) before(m cluster.Move) string {
	var list []string
	for _, id := range m.After {
		if b, ok := t.a.Move(id); ok && b.Status != cluster.MoveDone {
			list = append(list, b.Text())
		}
	}
	return strings.Join(list, ", ")
}

func nextForShard(e Explanation, s cluster.Shard) string {
	for _, list := range []cluster.Refusals{e.Waits, e.Because} {
		for _, r := range list {
			if r.Hint != "" && r.Code != CodeMoved {
				return r.Hint
			}
		}
	}
	hint := "add a node: no other can have it"
	for _, p := range slices.Backward(e.Shards[0].Places) {
		switch {
		case p.Best:
			return fmt.Sprintf("nothing has to be done; to move it: haulout migrate shard %d target_node %d", s.ID, p.Node)
		case len(p.Against) == 1:
			hint = "to make it movable: " + p.Against[0].Hint
		}
	}
	return hint
}
