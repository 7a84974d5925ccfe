package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The commands that carry an action from queued to its end.

// EnqueueAction accepts an operator's request. The result of the previous one
// of the same name on the same node is forgotten.
type EnqueueAction struct{ Action Action }

// Apply implements Command.
func (c EnqueueAction) Apply(b *Board) (Change, error) {
	if err := b.subject(c.Action); err != nil {
		return Change{}, err
	}
	if err := b.Beside(c.Action); err != nil {
		return Change{}, err
	}
	// Two requests may have looked before either was here.
	if same, found := b.SameRequest(c.Action); found {
		return Change{}, Refuse(CodeKeyUsed, "look what became of it", "the idempotency_key %s belongs to task %s", same.Idempotency, same.ID)
	}
	a := c.Action
	a.Status = ActionQueued
	change := Change{Put: []Object{a}, Log: []Entry{a.entry(a.Created, "requested", "INFO",
		fmt.Sprintf("%s of %s requested%s", a.Name, a.Subject(), a.Options.waiver()))}}
	for _, old := range b.ActionsByAge() {
		if old.Node == a.Node && old.Database == a.Database && old.Name == a.Name && old.Status.Ended() {
			change.Delete = append(change.Delete, old.Key())
		}
	}
	return change, nil
}

func (o MaintenanceOptions) waiver() string {
	if o.OverrideRack {
		return ", the zone rule waived by override_rack_policy"
	}
	return ""
}

// entry is a line of the activity about the action.
func (a Action) entry(at time.Time, what, severity, text string) Entry {
	kind := "node_"
	if a.Database != 0 {
		kind = "bdb_"
	}
	return Entry{
		Time: at, Type: kind + strings.TrimSuffix(string(a.Name), "_node") + "_" + what, Severity: severity, Node: a.Node, Database: a.Database,
		Action: a.ID, By: a.By, Cause: a.Cause, Reason: a.Reason, Text: text,
	}
}

func (a Action) become(next ActionStatus) (Action, error) {
	if !a.Status.MayBecome(next) {
		return a, fmt.Errorf("action %s is %s and can not become %s", a.ID, a.Status, next)
	}
	if next == ActionCompleted && !a.MovesEnded() {
		return a, fmt.Errorf("action %s has moves to make", a.ID)
	}
	a.Status = next
	return a, nil
}

// running returns the action, which must be carried out at the moment.
func (b *Board) running(id string) (Action, error) {
	a, err := b.action(id)
	if err == nil && a.Status != ActionRunning {
		err = fmt.Errorf("action %s is %s, not running", id, a.Status)
	}
	return a, err
}

// runningOn returns the action, which must be carried out at the moment, and its node.
func (b *Board) runningOn(id string) (Action, Node, error) {
	a, err := b.running(id)
	if err != nil {
		return a, Node{}, err
	}
	n, err := b.node(a.Node)
	return a, n, err
}

// RecordChecks writes down the checks and starts the action.
type RecordChecks struct {
	At     time.Time
	Action string
	Checks []Check
}

// Apply implements Command.
func (c RecordChecks) Apply(b *Board) (Change, error) {
	a, err := b.action(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionRunning); err != nil {
		return Change{}, err
	}
	a.Checks, a.Started = c.Checks, c.At
	change := Change{Put: []Object{a}, Log: []Entry{a.entry(c.At, "started", "INFO", fmt.Sprintf("%s of %s started", a.Name, a.Subject()))}}
	for _, check := range c.Checks {
		if check.Waived {
			change.Log = append(change.Log, a.entry(c.At, "check_waived", "WARNING", "check "+check.Name+" was waived: "+check.waivedText()))
		}
	}
	return change, nil
}

func (c Check) waivedText() string {
	if c.Error != nil {
		return c.Error.Message
	}
	return c.Text
}

// SaveSnapshot stores what stands on the node. Older maintenance snapshots of
// the node are replaced by it.
type SaveSnapshot struct {
	Action   string
	Snapshot Snapshot
}

// Apply implements Command.
func (c SaveSnapshot) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil {
		return Change{}, err
	}
	a.Snapshot = c.Snapshot.ID.Name
	change := Change{
		Put: []Object{c.Snapshot, a},
		Log: []Entry{a.entry(c.Snapshot.Created, "snapshot_created", "INFO", fmt.Sprintf("snapshot %s of node:%d created", a.Snapshot, a.Node))},
	}
	for _, old := range b.SnapshotsOf(a.Node) {
		if old.Maintenance && old.ID != c.Snapshot.ID {
			change.Delete = append(change.Delete, old.Key())
		}
	}
	return change, nil
}

// KeepSnapshot lets the action return to an earlier snapshot.
type KeepSnapshot struct {
	Action   string
	Snapshot string
}

// Apply implements Command.
func (c KeepSnapshot) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil {
		return Change{}, err
	}
	if _, ok := b.Snapshots[SnapshotID{a.Node, c.Snapshot}]; !ok {
		return Change{}, Refuse(CodeSnapshotNotFound, fmt.Sprintf("see haulout node %d snapshot list", a.Node), "node:%d has no snapshot %s", a.Node, c.Snapshot)
	}
	a.Snapshot, a.SnapshotReused = c.Snapshot, true
	return Change{Put: []Object{a}}, nil
}

// Mark places the action's hold on the node and closes it. The hold of an
// unfinished earlier request, or of one with the same idempotency key, is taken over.
type Mark struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c Mark) Apply(b *Board) (Change, error) {
	a, n, err := b.runningOn(c.Action)
	if err != nil {
		return Change{}, err
	}
	m := Maintenance{Since: c.At, Snapshot: a.Snapshot}
	if n.Maintenance != nil {
		m = *n.Maintenance
	}
	hold := Hold{ID: a.ID, Owner: a.By, Cause: a.Cause, Reason: a.Reason, Since: c.At, Until: a.Until, Idempotency: a.Idempotency}
	hold.Kept = MaintenanceOptions{KeepSlaveShards: a.Options.KeepSlaveShards, EvictDatabases: a.Options.EvictDatabases}
	m.Holds = slices.Clone(m.Holds)
	if i := a.resumes(m.Holds); i >= 0 {
		hold.Since = m.Holds[i].Since
		if hold.Until.IsZero() {
			hold.Until, hold.Reported = m.Holds[i].Until, m.Holds[i].Reported
		}
		m.Holds[i] = hold
	} else {
		m.Holds = append(m.Holds, hold)
	}
	n.Maintenance, a.Marked = &m, true
	return Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "node_closed", "INFO", fmt.Sprintf("node:%d will not accept any more shards", n.ID))}}, nil
}

// resumes returns the index of the hold that the action takes over, or -1.
func (a Action) resumes(holds []Hold) int {
	if i := slices.IndexFunc(holds, func(h Hold) bool { return a.Idempotency != "" && h.Idempotency == a.Idempotency }); i >= 0 {
		return i
	}
	if last := len(holds) - 1; last >= 0 && !holds[last].Complete {
		return last
	}
	return -1
}

// ReportOverdue tells, once, that a hold is past its planned end. It stands on.
type ReportOverdue struct {
	At   time.Time
	Node int
	Hold string
}

// Apply implements Command.
func (c ReportOverdue) Apply(b *Board) (Change, error) {
	n, err := b.node(c.Node)
	if err != nil || n.Maintenance == nil {
		return Change{}, err
	}
	m := *n.Maintenance
	i := slices.IndexFunc(m.Holds, func(h Hold) bool { return h.ID == c.Hold && !h.Reported })
	if i < 0 {
		return Change{}, nil
	}
	m.Holds = slices.Clone(m.Holds)
	h := &m.Holds[i]
	h.Reported = true
	n.Maintenance = &m
	return Change{Put: []Object{n}, Log: []Entry{{
		Time: c.At, Type: "node_maintenance_overdue", Severity: "WARNING", Node: n.ID, Action: h.ID, By: h.Owner, Cause: h.Cause, Reason: h.Reason,
		Text: fmt.Sprintf("node:%d is still held out by %s, planned until %s", n.ID, h.Owner, h.Until.UTC().Format(time.RFC3339)),
	}}}, nil
}

// BeginReturn opens the node for the shards of its snapshot, and only those.
type BeginReturn struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c BeginReturn) Apply(b *Board) (Change, error) {
	a, n, m, err := b.returning(c.Action)
	if err != nil {
		return Change{}, err
	}
	if _, err := b.running(a.ID); err != nil {
		return Change{}, err
	}
	m.Returning = a.ID
	n.Maintenance, a.Marked = &m, true
	return Change{Put: []Object{n, a}}, nil
}

func (b *Board) returning(action string) (Action, Node, Maintenance, error) {
	a, err := b.action(action)
	if err != nil {
		return Action{}, Node{}, Maintenance{}, err
	}
	n, err := b.node(a.Node)
	if err != nil {
		return Action{}, Node{}, Maintenance{}, err
	}
	if n.Maintenance == nil {
		return Action{}, Node{}, Maintenance{}, Refuse(CodeNotInMaintenance, "see haulout status nodes", "node:%d is not in maintenance mode", n.ID)
	}
	return a, n, *n.Maintenance, nil
}

// ReleaseHold takes one hold of several from the node; the node stays out.
type ReleaseHold struct {
	At     time.Time
	Action string
	Hold   string
}

// Apply implements Command. It completes the action.
func (c ReleaseHold) Apply(b *Board) (Change, error) {
	a, n, m, err := b.returning(c.Action)
	if err != nil {
		return Change{}, err
	}
	i := slices.IndexFunc(m.Holds, func(h Hold) bool { return h.ID == c.Hold })
	if i < 0 || len(m.Holds) < 2 {
		return Change{}, fmt.Errorf("hold %s of node %d can not be released alone", c.Hold, n.ID)
	}
	hold := m.Holds[i]
	m.Holds = slices.Delete(slices.Clone(m.Holds), i, i+1)
	n.Maintenance = &m
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	a.Ended = c.At
	a.Left = nil
	for _, h := range m.Holds {
		a.Left = append(a.Left, fmt.Sprintf("hold of %s since %s", h.Owner, h.Since.UTC().Format(time.RFC3339)))
	}
	return Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "hold_released", "INFO",
		fmt.Sprintf("hold of %s on node:%d released, %d left: the node stays out", hold.Owner, n.ID, len(m.Holds)))}}, nil
}

// AttachPlan writes the moves down before the first of them starts.
type AttachPlan struct {
	At     time.Time
	Action string
	Moves  []Move
	Left   []string // what can not be moved
}

// Apply implements Command. Moves already ended are kept as they are: only what
// was waiting is planned anew.
func (c AttachPlan) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil {
		return Change{}, err
	}
	moves := make([]Move, 0, len(a.Moves)+len(c.Moves))
	for _, m := range a.Moves {
		switch m.Status {
		case MoveRunning:
			return Change{}, fmt.Errorf("action %s has a running move %d", a.ID, m.ID)
		case MoveWaiting:
			m.Status, m.Ended = MoveAbandoned, c.At
		}
		moves = append(moves, m)
	}
	offset := len(moves)
	for i, m := range c.Moves {
		m.ID, m.Status = offset+i+1, MoveWaiting
		m.After = slices.Clone(m.After)
		for k := range m.After {
			m.After[k] += offset
		}
		moves = append(moves, m)
	}
	a.Moves, a.Left, a.Planned = moves, c.Left, true
	if a.Cancel != nil && !a.Cancel.Planned {
		back := *a.Cancel
		back.Planned, back.Back = true, offset
		a.Cancel = &back
	}
	return Change{Put: []Object{a}}, nil
}

// CompleteOn ends a maintenance_on well: the node is safe to shut down.
type CompleteOn struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c CompleteOn) Apply(b *Board) (Change, error) {
	a, n, m, err := b.returning(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	a.Ended = c.At
	m.Holds = slices.Clone(m.Holds)
	for i := range m.Holds {
		if m.Holds[i].ID == a.ID {
			m.Holds[i].Complete = true
		}
	}
	n.Maintenance = &m
	return Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "completed", "INFO", fmt.Sprintf("node:%d is in maintenance mode", n.ID))}}, nil
}

// CompleteOff ends a maintenance_off well: the mark goes, and the snapshot with it.
type CompleteOff struct {
	At     time.Time
	Action string
	Proof  Proof
}

// Apply implements Command.
func (c CompleteOff) Apply(b *Board) (Change, error) {
	a, n, m, err := b.returning(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	text := fmt.Sprintf("node:%d is back in service", n.ID)
	if !a.Options.SkipShardsRestore {
		proof := c.Proof
		a.Proof = &proof
		if proof.Exact {
			text += ", restored exactly"
		} else {
			text += ", except: " + strings.Join(proof.Differences, "; ")
		}
	}
	a.Ended = c.At
	n.Maintenance = nil
	change := Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "completed", "INFO", text)}}
	for _, s := range b.SnapshotsOf(n.ID) {
		if s.Maintenance || s.ID.Name == m.Snapshot {
			change.Delete = append(change.Delete, s.Key())
		}
	}
	return change, nil
}

// abandon ends the moves that have not begun. None may be running.
func (a Action) abandon(at time.Time) (Action, error) {
	a.Moves = slices.Clone(a.Moves)
	for i, m := range a.Moves {
		switch m.Status {
		case MoveRunning:
			return a, fmt.Errorf("action %s has a running move %d", a.ID, m.ID)
		case MoveWaiting:
			a.Moves[i].Status, a.Moves[i].Ended = MoveAbandoned, at
		}
	}
	return a, nil
}

// FailAction ends an action badly. Mark and snapshot stay: a rerun continues.
type FailAction struct {
	At     time.Time
	Action string
	Status ActionStatus // failed or cancelled
	Error  *Error
	Left   []string
}

// Apply implements Command.
func (c FailAction) Apply(b *Board) (Change, error) {
	a, err := b.action(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a, err = a.become(c.Status); err != nil {
		return Change{}, err
	}
	a.Ended, a.Error = c.At, c.Error
	if c.Left != nil {
		a.Left = c.Left
	}
	if a, err = a.abandon(c.At); err != nil {
		return Change{}, err
	}
	severity := "ERROR"
	if c.Status == ActionCancelled {
		severity = "WARNING"
	}
	change := Change{Put: []Object{a}, Log: []Entry{a.entry(c.At, string(c.Status), severity,
		fmt.Sprintf("%s of %s %s: %s", a.Name, a.Subject(), c.Status, c.Error.Error()))}}
	n, ok := b.Nodes[a.Node]
	switch {
	case ok && n.Maintenance != nil && n.Maintenance.Returning == a.ID:
		m := *n.Maintenance
		m.Returning = ""
		n.Maintenance = &m
		change.Put = append(change.Put, n)
	case ok && n.Vacating == a.ID:
		n.Vacating = ""
		change.Put = append(change.Put, n)
	case ok && n.Removing == a.ID:
		n.Removing = ""
		change.Put = append(change.Put, n)
	}
	return change, nil
}
