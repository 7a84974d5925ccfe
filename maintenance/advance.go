package maintenance

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// and joins two steps of moves that do not touch each other.
func (s step) and(other step) step {
	s.do = append(s.do, other.do...)
	s.waits = strings.TrimPrefix(s.waits+"; "+other.waits, "; ")
	s.waits = strings.TrimSuffix(s.waits, "; ")
	return s
}

// advance carries the running moves one step further and starts those whose
// turn has come. It rests when no move is left that could be started.
func (t *turn) advance() step {
	var all step
	for _, m := range t.a.Moves {
		if m.Status == cluster.MoveRunning {
			all = all.and(t.carry(m))
		}
	}
	return all.and(t.start())
}

func (t *turn) carry(m cluster.Move) step {
	switch m.Kind {
	case cluster.Migrate:
		return t.migrate(m)
	case cluster.Failover:
		return t.failover(m)
	default:
		return t.rebind(m)
	}
}

// start starts the waiting moves that may run now. Those that no longer fit the
// board stay, and are planned anew once nothing else is left to do.
func (t *turn) start() step {
	var all step
	l := t.lanes()
	for _, m := range t.a.Moves {
		if m.Status != cluster.MoveWaiting || t.hopeless(m) || !t.ready(m) {
			continue
		}
		if why := l.holds(m); why != "" {
			all = all.and(wait("%s: %s", m.Text(), why))
			continue
		}
		if plan.Fits(t.View, m) != nil {
			continue
		}
		l.take(m)
		all = all.and(do(cluster.StartMove{At: t.Now, Action: t.a.ID, Move: m.ID}))
	}
	return all
}

// ready reports whether everything before the move is done.
func (t *turn) ready(m cluster.Move) bool {
	return !slices.ContainsFunc(m.After, func(id int) bool {
		before, ok := t.a.Move(id)
		return ok && before.Status != cluster.MoveDone
	})
}

// hopeless reports whether a move can never start, because one before it failed.
func (t *turn) hopeless(m cluster.Move) bool {
	return slices.ContainsFunc(m.After, func(id int) bool {
		before, ok := t.a.Move(id)
		return ok && (before.Status == cluster.MoveFailed || before.Status == cluster.MoveAbandoned || t.hopeless(before))
	})
}

// lanes is what moves take of what there is for them: copies at a time, one
// hand-over at a time on each node.
type lanes struct {
	*turn
	moves   int            // further ones of any kind that may start
	copies  int            // of them, copies
	copying []cluster.Move // copies under way, those of other actions, too
	failing map[int]bool   // nodes with a failover running
}

func (t *turn) lanes() *lanes {
	l := &lanes{turn: t, moves: math.MaxInt, copies: t.concurrency(), failing: map[int]bool{}}
	if asked := t.a.Options.MaxConcurrent; asked > 0 {
		l.moves = asked
	}
	ending := false
	for _, a := range t.Actions {
		for _, m := range a.Moves {
			switch {
			case m.Status != cluster.MoveRunning:
			case t.copied(m) && a.ID == t.a.ID:
				l.moves--
			case t.copied(m):
			case a.ID == t.a.ID:
				l.take(m)
				ending = ending || t.nearlyCopied(m)
			case m.Kind == cluster.Migrate:
				l.copying = append(l.copying, m)
			}
		}
	}
	if ending && t.allowed() == 0 {
		l.copies++
	}
	return l
}

// nextBegins is how many bytes are copied while the next copy begins: its process
// starts, asks its source, and that forks. Small shards would take twice as long if
// each waited for the one before.
const nextBegins = 128 << 20

// nearlyCopied reports whether a copy under way has so little left that the next may
// begin beside it.
func (t *turn) nearlyCopied(m cluster.Move) bool {
	return m.Kind == cluster.Migrate && !m.Instance.IsZero() && m.Bytes > 0 && m.Bytes-arrived(t.View, m) <= nextBegins
}

// copied reports whether a migration has its copy, and only the change of roles and
// the end of the old process are left: the next copy need not wait for them.
func (t *turn) copied(m cluster.Move) bool {
	return m.Kind == cluster.Migrate && !m.Instance.IsZero() && (t.Shards[m.Shard].Instance == m.Instance || hasCopy(t.View, m.Instance))
}

// hasCopy reports whether the instance was seen with a finished copy.
func hasCopy(v cluster.View, id cluster.InstanceID) bool {
	o, _ := v.Observed(id)
	return o.EverLinked && !o.Syncing
}

// concurrency is how many copies the action may run at a time: as allowed, else as
// many as half of the host's cores, because a copy keeps two cores busy.
func (t *turn) concurrency() int {
	return cmp.Or(t.allowed(), t.node.Cores/2, 1)
}

// allowed is the number of copies that people asked for, or else set for the cluster.
// 0: neither.
func (t *turn) allowed() int {
	return cmp.Or(t.a.Options.MaxConcurrent, t.Cluster.ConcurrentMoves)
}

func (l *lanes) take(m cluster.Move) {
	l.moves--
	switch m.Kind {
	case cluster.Migrate:
		l.copies--
		l.copying = append(l.copying, m)
	case cluster.Failover:
		l.failing[m.From], l.failing[m.To] = true, true
	}
}

// holds says what a move that is ready waits for, or "".
func (l *lanes) holds(m cluster.Move) string {
	if s, ok := l.Shards[m.Shard]; ok {
		_, _, claimed := l.Claimed(s.Range)
		if claimed || l.Ranges[s.Range].Handover != nil {
			return "its slots are being moved or handed over"
		}
	}
	switch {
	case l.Age(m.Ended) < pause(m.Attempt):
		return "will be tried again"
	case l.moves <= 0:
		return "as many moves as asked for are running"
	case m.Kind == cluster.Migrate && l.copies <= 0:
		return "as many copies as allowed are running"
	case m.Kind == cluster.Migrate && l.busyTarget(m) != "":
		return l.busyTarget(m)
	case m.Kind == cluster.Failover && (l.failing[m.From] || l.failing[m.To]):
		return "another failover is running"
	case m.Kind == cluster.Rebind && l.rebindingElsewhere(m):
		return "it is being re-bound"
	}
	return ""
}

// rebindingElsewhere reports whether another action has the endpoint in hand.
func (l *lanes) rebindingElsewhere(m cluster.Move) bool {
	for _, a := range l.Actions {
		for _, o := range a.Moves {
			if o.Status == cluster.MoveRunning && o.Kind == cluster.Rebind && o.Endpoint == m.Endpoint {
				return true
			}
		}
	}
	return false
}

// pause is how long a move rests after its attempt before the next: 1, 2, 4, 8 s.
func pause(attempt int) time.Duration {
	if attempt == 0 {
		return 0
	}
	return time.Second << min(attempt-1, 3)
}

// settle removes the copies that moves left behind which are not running. One that
// leaves goes by itself.
func (t *turn) settle() step {
	var all step
	for _, m := range t.a.Moves {
		i, there := t.Instances[m.Instance]
		if !there || m.Status == cluster.MoveRunning || t.Shards[i.ID.Shard].Instance == i.ID || t.Leaves(i) {
			continue
		}
		if t.Ranges[i.Range].Handover != nil {
			all = all.and(wait("the hand-over of the slots of redis:%d", i.ID.Shard))
		} else {
			all = all.and(do(cluster.DropInstance{Instance: i.ID}))
		}
	}
	return all
}
