package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CancelAction asks for an action to end. One that has not begun ends at once;
// one that runs stops what is open and, if it took a node out, brings it back.
type CancelAction struct {
	At     time.Time
	Action string
	By     string
}

// Apply implements Command.
func (c CancelAction) Apply(b *Board) (Change, error) {
	a, err := b.action(c.Action)
	switch {
	case err != nil:
		return Change{}, err
	case a.Status.Ended():
		return Change{}, Refuse(CodeStale, "there is nothing to cancel", "%s of %s has ended: it is %s", a.Name, a.Subject(), a.Status)
	case a.Name == RemoveNode && a.Marked:
		return Change{}, Refuse(CodeBusy, "let it end; the host can join again with an empty data folder",
			"the removal of node:%d can not be cancelled any more", a.Node)
	case a.Cancel != nil:
		return Change{}, nil
	case a.Status == ActionQueued:
		return FailAction{At: c.At, Action: a.ID, Status: ActionCancelled, Error: a.cancelled(c.By)}.Apply(b)
	}
	a.Cancel = &Cancel{At: c.At, By: c.By}
	entry := a.entry(c.At, "cancelling", "WARNING", fmt.Sprintf("%s of %s is being cancelled by %s", a.Name, a.Subject(), c.By))
	entry.By = c.By
	return Change{Put: []Object{a}, Log: []Entry{entry}}, nil
}

// cancelled is the error an action that somebody cancelled ends with.
func (a Action) cancelled(by string) *Error {
	return Refuse(CodeCancelled, "", "%s was cancelled by %s", a.Name, by)
}

// EndCancel ends a cancelled action: the hold of a maintenance_on goes, and the
// mark with the last hold. With a Proof all is back and the snapshot goes too;
// with something left it stays, so that the rest can be brought back later.
type EndCancel struct {
	At     time.Time
	Action string
	Proof  *Proof
	Left   []string // what has not come back, and why
}

// Apply implements Command.
func (c EndCancel) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a.Cancel == nil {
		return Change{}, fmt.Errorf("nobody cancelled action %s", a.ID)
	}
	if a, err = a.abandon(c.At); err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCancelled); err != nil {
		return Change{}, err
	}
	a.Ended, a.Error, a.Proof, a.Left = c.At, a.cancelled(a.Cancel.By), c.Proof, c.Left
	n, err := b.node(a.Node)
	if err != nil {
		return Change{}, err
	}
	if a.Marked && n.Maintenance != nil && len(n.Maintenance.Holds) == 1 && c.Proof == nil && len(c.Left) == 0 {
		return Change{}, fmt.Errorf("action %s ends its cancelling with neither a proof nor what is left", a.ID)
	}
	n, released := a.release(n)
	text := fmt.Sprintf("%s of node:%d cancelled by %s", a.Name, a.Node, a.Cancel.By)
	change := Change{}
	switch {
	case n.Maintenance != nil:
		text += fmt.Sprintf(", the node stays out: %s left", Count(len(n.Maintenance.Holds), "hold"))
	case len(c.Left) > 0:
		a.Error.Hint = fmt.Sprintf("bring back what is left with haulout node %d snapshot restore %s", a.Node, a.Snapshot)
		text += ", the node is back in service, except: " + strings.Join(c.Left, "; ")
	default:
		text += ", the node is in service as it was"
		if c.Proof != nil && !c.Proof.Exact {
			text += ", except: " + strings.Join(c.Proof.Differences, "; ")
		}
		if s, ok := b.Snapshots[SnapshotID{a.Node, a.Snapshot}]; ok && s.Maintenance {
			change.Delete = []Key{s.Key()}
		}
	}
	change.Put = []Object{a}
	if released {
		change.Put = append(change.Put, n)
	}
	change.Log = []Entry{a.entry(c.At, "cancelled", "WARNING", text)}
	return change, nil
}

// release takes the action's own hold off the node, and the mark with the last
// hold. It reports whether the node had changed by that.
func (a Action) release(n Node) (Node, bool) {
	if n.Maintenance == nil {
		return n, false
	}
	m := *n.Maintenance
	m.Holds = slices.DeleteFunc(slices.Clone(m.Holds), func(h Hold) bool { return h.ID == a.ID })
	if m.Returning == a.ID {
		m.Returning = ""
	}
	n.Maintenance = &m
	if len(m.Holds) == 0 {
		n.Maintenance = nil
	}
	return n, true
}
