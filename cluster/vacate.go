package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The commands that move everything off a node: in peace while its host answers,
// and without it when it does not.

// NotGraceful is what the activity says when the graceful step of a vacate is
// skipped, because the host does not answer.
const NotGraceful = "Don't attempt to gracefully move shards"

// System is who asks for what the cluster does by itself.
const System = "system"

// VacateLost asks for the vacate of a node that stays down. It is done once for
// each time that the node goes down.
type VacateLost struct {
	At   time.Time
	ID   string // of the action
	Node int
}

// Apply implements Command.
func (c VacateLost) Apply(b *Board) (Change, error) {
	n, err := b.node(c.Node)
	if err != nil || n.Abandoned {
		return Change{}, err
	}
	change, err := EnqueueAction{Action{
		ID: c.ID, Name: VacateNode, Node: n.ID, By: System, Cause: "host_lost", Created: c.At,
		Reason: fmt.Sprintf("node:%d has been down for more than %.0f seconds", n.ID, b.Cluster.Grace().Seconds()),
	}}.Apply(b)
	if err != nil {
		return Change{}, err
	}
	n.Abandoned = true
	change.Put = append(change.Put, n)
	return change, nil
}

// BeginVacate closes the node: nothing is placed on it while it is vacated.
type BeginVacate struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c BeginVacate) Apply(b *Board) (Change, error) {
	a, n, err := b.runningOn(c.Action)
	if err != nil {
		return Change{}, err
	}
	n.Vacating, a.Marked = a.ID, true
	return Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "node_closed", "INFO", fmt.Sprintf("everything is moved off node:%d", n.ID))}}, nil
}

// SkipGraceful records that the host does not answer: what it carried is made
// anew without it.
type SkipGraceful struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c SkipGraceful) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil || a.Skipped != "" {
		return Change{}, err
	}
	a.Skipped = NotGraceful
	return Change{Put: []Object{a}, Log: []Entry{a.entry(c.At, "step_skipped", "WARNING", NotGraceful)}}, nil
}

// NoteLeft records what is still to leave the node, when that has changed.
type NoteLeft struct {
	At     time.Time
	Action string
	Left   []string
}

// Apply implements Command.
func (c NoteLeft) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil || slices.Equal(a.Left, c.Left) {
		return Change{}, err
	}
	a.Left, a.LeftAt = c.Left, c.At
	return Change{Put: []Object{a}}, nil
}

// CompleteVacate ends a vacate well: nothing is left on the node.
type CompleteVacate struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c CompleteVacate) Apply(b *Board) (Change, error) {
	a, err := b.action(c.Action)
	if err != nil {
		return Change{}, err
	}
	n, err := b.node(a.Node)
	if err != nil {
		return Change{}, err
	}
	if carried := b.Carried(n.ID); len(carried) > 0 {
		return Change{}, fmt.Errorf("node %d still carries %s", n.ID, strings.Join(carried, ", "))
	}
	if a, err = a.abandon(c.At); err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	a.Ended, a.Left, n.Vacating = c.At, nil, ""
	return Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "completed", "INFO", fmt.Sprintf("nothing is left on node:%d", n.ID))}}, nil
}

// WrittenOff reports whether nothing is expected of the node any more: it is down,
// and a vacate that does without it is under way.
func (v View) WrittenOff(node int) bool {
	n := v.Nodes[node]
	return n.Vacating != "" && !v.Alive[node] && v.Actions[n.Vacating].Skipped != ""
}

// Answers reports whether the instance's process is seen to live though the daemon
// of its host is dead: its port, unlike the daemon's, does not refuse another node.
// Proxies of other nodes may go on using it.
func (v View) Answers(i Instance) bool {
	for node, r := range v.Reports {
		if ports, silent := r.Refused[i.Node]; silent && v.Alive[node] && !slices.Contains(ports, i.Port) {
			return true
		}
	}
	return false
}
