package cluster

import (
	"fmt"
	"strings"
	"time"
)

// The commands that change snapshots made by hand, and the end of their restore.

// goodName reports whether a snapshot may have the name: it stands in paths and keys.
func goodName(name string) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, strange) && !strings.ContainsAny(name[:1], "._-")
}

// reservedName begins the names of the snapshots of maintenance mode.
const reservedName = "maintenance_mode_"

// CreateSnapshot stores a snapshot that somebody asked for.
type CreateSnapshot struct {
	Snapshot Snapshot
	By       string
}

// Apply implements Command.
func (c CreateSnapshot) Apply(b *Board) (Change, error) {
	id := c.Snapshot.ID
	if _, err := b.node(id.Node); err != nil {
		return Change{}, err
	}
	switch _, taken := b.Snapshots[id]; {
	case !goodName(id.Name):
		return Change{}, Refuse(CodeBadRequest, "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first", "a snapshot can not be named %q", id.Name)
	case strings.HasPrefix(id.Name, reservedName):
		return Change{}, Refuse(CodeBadRequest, "choose another name", "names that begin with %s belong to maintenance mode", reservedName)
	case taken:
		return Change{}, Refuse(CodeNameTaken, "choose another name, or delete it first", "node:%d has a snapshot %s already", id.Node, id.Name)
	}
	if a, running := b.RunningOn(id.Node); running {
		return Change{}, Refuse(CodeActionRunning, "wait for it to end: haulout cluster running_actions", "%s is %s on node:%d", a.Name, a.Status, id.Node)
	}
	return Change{Put: []Object{c.Snapshot}, Log: []Entry{{
		Time: c.Snapshot.Created, Type: "node_snapshot_created", Severity: "INFO", Node: id.Node, By: c.By,
		Text: fmt.Sprintf("snapshot %s of node:%d created", id.Name, id.Node),
	}}}, nil
}

// DeleteSnapshot removes a snapshot that was made by hand.
type DeleteSnapshot struct {
	At       time.Time
	Snapshot SnapshotID
	By       string
}

// Apply implements Command.
func (c DeleteSnapshot) Apply(b *Board) (Change, error) {
	if _, err := b.node(c.Snapshot.Node); err != nil {
		return Change{}, err
	}
	s, ok := b.Snapshots[c.Snapshot]
	if !ok {
		return Change{}, Refuse(CodeSnapshotNotFound, fmt.Sprintf("see haulout node %d snapshot list", c.Snapshot.Node),
			"node:%d has no snapshot %s", c.Snapshot.Node, c.Snapshot.Name)
	}
	m := b.Nodes[s.ID.Node].Maintenance
	running, busy := b.RunningOn(s.ID.Node)
	used := busy && (running.Snapshot == s.ID.Name || running.Options.SnapshotName == s.ID.Name)
	if s.Maintenance && (used || m != nil && m.Snapshot == s.ID.Name) {
		return Change{}, Refuse(CodeSnapshotProtected, fmt.Sprintf("it goes with haulout node %d maintenance_mode off", s.ID.Node),
			"snapshot %s belongs to maintenance mode and can not be deleted", s.ID.Name)
	}
	if used {
		return Change{}, Refuse(CodeBusy, "wait for it to end: haulout cluster running_actions", "%s of node:%d uses the snapshot %s", running.Name, running.Node, s.ID.Name)
	}
	return Change{Delete: []Key{s.Key()}, Log: []Entry{{
		Time: c.At, Type: "node_snapshot_deleted", Severity: "INFO", Node: s.ID.Node, By: c.By,
		Text: fmt.Sprintf("snapshot %s of node:%d deleted", s.ID.Name, s.ID.Node),
	}}}, nil
}

// CompleteRestore ends a snapshot_restore well. The snapshot stays.
type CompleteRestore struct {
	At     time.Time
	Action string
	Proof  Proof
}

// Apply implements Command.
func (c CompleteRestore) Apply(b *Board) (Change, error) {
	a, err := b.action(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	proof := c.Proof
	a.Proof, a.Ended = &proof, c.At
	text := fmt.Sprintf("snapshot %s of node:%d restored", a.Snapshot, a.Node)
	if !proof.Exact {
		text += ", except: " + strings.Join(proof.Differences, "; ")
	}
	return Change{Put: []Object{a}, Log: []Entry{a.entry(c.At, "completed", "INFO", text)}}, nil
}
