package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The commands that carry a move: instances, hand-overs, bindings.

// move returns the action and the move, which must be running.
func (b *Board) runningMove(action string, id int) (Action, Move, error) {
	a, err := b.action(action)
	if err != nil {
		return Action{}, Move{}, err
	}
	m, ok := a.Move(id)
	if !ok {
		return Action{}, Move{}, fmt.Errorf("action %s has no move %d", action, id)
	}
	if m.Status != MoveRunning {
		return Action{}, Move{}, fmt.Errorf("move %d of action %s is %s, not running", id, action, m.Status)
	}
	return a, m, nil
}

func (a Action) withMove(m Move) Action {
	a.Moves = slices.Clone(a.Moves)
	a.Moves[m.ID-1] = m
	return a
}

// StartMove claims the move's range or endpoint for it.
type StartMove struct {
	At     time.Time
	Action string
	Move   int
}

// Apply implements Command.
func (c StartMove) Apply(b *Board) (Change, error) {
	a, err := b.running(c.Action)
	if err != nil {
		return Change{}, err
	}
	m, ok := a.Move(c.Move)
	if !ok || !m.Status.MayBecome(MoveRunning) {
		return Change{}, fmt.Errorf("move %d of action %s can not start", c.Move, c.Action)
	}
	if m.Kind == Migrate || m.Kind == Failover {
		s, err := b.shard(m.Shard)
		if err != nil {
			return Change{}, err
		}
		if other, om, claimed := b.Claimed(s.Range); claimed {
			return Change{}, Refuse(CodeBusy, "wait for it to end", "redis:%d is claimed by move %d of %s of %s", s.ID, om.ID, other.Name, other.Subject())
		}
		if b.Ranges[s.Range].Handover != nil {
			return Change{}, Refuse(CodeBusy, "wait for it to end", "the range of redis:%d is being handed over", s.ID)
		}
	}
	if other, om, claimed := b.ClaimedEndpoint(m.Endpoint); m.Kind == Rebind && claimed {
		return Change{}, Refuse(CodeBusy, "wait for it to end", "endpoint:%s is claimed by move %d of %s of %s", m.Endpoint, om.ID, other.Name, other.Subject())
	}
	m.Status, m.Started, m.Ended, m.Attempt = MoveRunning, c.At, time.Time{}, m.Attempt+1
	return Change{Put: []Object{a.withMove(m)}, Log: []Entry{a.entry(c.At, "move_started", "DEBUG", m.Text()+": executing")}}, nil
}

// ClaimedEndpoint returns the action and move that are re-binding the endpoint,
// if there is one.
func (b *Board) ClaimedEndpoint(e EndpointID) (Action, Move, bool) {
	for _, a := range b.ActionsByAge() {
		for _, m := range a.Moves {
			if m.Status == MoveRunning && m.Kind == Rebind && m.Endpoint == e {
				return a, m, true
			}
		}
	}
	return Action{}, Move{}, false
}

// Text is the move as the transcript shows it.
func (m Move) Text() string {
	switch m.Kind {
	case Migrate:
		return fmt.Sprintf("migrate redis:%d to node:%d", m.Shard, m.To)
	case Failover:
		return fmt.Sprintf("failover redis:%d", m.Old)
	default:
		return fmt.Sprintf("rebind endpoint:%s", m.Endpoint)
	}
}

// FinishMove ends a move, or puts it back to waiting for a further attempt.
type FinishMove struct {
	At     time.Time
	Action string
	Move   int
	Status MoveStatus // done, failed, abandoned or waiting
	Error  *Error
}

// Apply implements Command.
func (c FinishMove) Apply(b *Board) (Change, error) {
	a, m, err := b.runningMove(c.Action, c.Move)
	if err != nil {
		return Change{}, err
	}
	if !m.Status.MayBecome(c.Status) {
		return Change{}, fmt.Errorf("move %d of action %s can not become %s", m.ID, a.ID, c.Status)
	}
	if s, ok := b.Shards[m.Shard]; ok && b.Ranges[s.Range].Handover != nil {
		return Change{}, fmt.Errorf("move %d of action %s has an open hand-over", m.ID, a.ID)
	}
	m.Status, m.Error, m.Ended = c.Status, c.Error, c.At
	text, severity := m.Text()+": finished", "INFO"
	switch c.Status {
	case MoveDone:
	case MoveFailed:
		text, severity = fmt.Sprintf("%s: failed: %v", m.Text(), c.Error), "ERROR"
	case MoveAbandoned:
		text, severity = fmt.Sprintf("%s: undone: %v", m.Text(), c.Error), "WARNING"
	default:
		// A copy that is there serves the next attempt.
		if _, there := b.Instances[m.Instance]; !there {
			m.Instance = InstanceID{}
		}
		m.Handover = ""
		text, severity = fmt.Sprintf("%s: will be tried again: %v", m.Text(), c.Error), "WARNING"
	}
	if m.Cut > 0 {
		text += fmt.Sprintf(", %s cut after the drain cap", Count(m.Cut, "client connection"))
	}
	return Change{Put: []Object{a.withMove(m)}, Log: []Entry{a.entry(c.At, "move_"+string(c.Status), severity, text)}}, nil
}

// AddInstance orders the second instance of a shard for its migration.
type AddInstance struct {
	Action string
	Move   int
	Seed   InstanceID // zero: the master of the range
	Pass   int        // how many free ports to pass over: strangers may hold them
}

// Apply implements Command.
func (c AddInstance) Apply(b *Board) (Change, error) {
	a, m, err := b.runningMove(c.Action, c.Move)
	if err != nil {
		return Change{}, err
	}
	s, err := b.shard(m.Shard)
	if err != nil {
		return Change{}, err
	}
	if second, there := b.Second(s); there {
		return Change{}, fmt.Errorf("shard %d has a second instance %s already", s.ID, second.ID)
	}
	port := cmp.Or(b.nextPort(m.To, FirstShardPort, c.Pass), b.FreePort(m.To))
	if port == 0 {
		return Change{}, Refuse(CodePortUnavailable, "move shards to other nodes", "node:%d has no shard port left", m.To)
	}
	i := Instance{ID: InstanceID{s.ID, s.NextIncarnation}, Range: s.Range, Node: m.To, Port: port, Seed: c.Seed, Added: b.Revision}
	s.NextIncarnation++
	m.Instance = i.ID
	return Change{Put: []Object{s, i, a.withMove(m)}}, nil
}

// Repoint lets an instance replicate from its master, its first copy being complete.
type Repoint struct{ Instance InstanceID }

// Apply implements Command.
func (c Repoint) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok {
		return Change{}, fmt.Errorf("there is no instance %s", c.Instance)
	}
	i.Seed = InstanceID{}
	return Change{Put: []Object{i}}, nil
}

// SwitchInstance makes the second instance of a shard the shard itself, and
// takes the old one from the board. The old one must not be master.
type SwitchInstance struct{ Instance InstanceID }

// Apply implements Command.
func (c SwitchInstance) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok {
		return Change{}, fmt.Errorf("there is no instance %s", c.Instance)
	}
	s := b.Shards[i.ID.Shard]
	old := s.Instance
	if old == i.ID {
		return Change{}, nil
	}
	if r := b.Ranges[s.Range]; r.Master == old || r.Handover != nil {
		return Change{}, fmt.Errorf("instance %s is master or being handed over", old)
	}
	if i.Leaving {
		return Change{}, fmt.Errorf("instance %s is leaving", i.ID)
	}
	i.Started, s.Instance = true, i.ID
	i.Copied, i.CopiedAt, s.Rebuild = 0, time.Time{}, nil
	change := Change{Put: []Object{i, s}}
	b.dismiss(&change, old)
	return change, nil
}

// DropInstance takes an instance from the board that is neither master nor the
// only one of its shard: its agent then stops and removes it. With min_replicas it
// leaves first.
type DropInstance struct{ Instance InstanceID }

// Apply implements Command.
func (c DropInstance) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok {
		return Change{}, nil
	}
	r := b.Ranges[i.Range]
	if r.Master == i.ID || b.Shards[i.ID.Shard].Instance == i.ID || r.Handover != nil && (r.Handover.To == i.ID || r.Handover.From == i.ID) {
		return Change{}, fmt.Errorf("instance %s is in use", i.ID)
	}
	var change Change
	if !i.Leaving {
		b.dismiss(&change, i.ID)
	}
	return change, nil
}

// OpenHandover commits the intent to make To master of its range.
type OpenHandover struct {
	At        time.Time
	ID        string
	To        InstanceID
	Unplanned bool
	Reason    string // of an unplanned one: what became of the master
	Action    string // with Move: the move it belongs to, if any
	Move      int
}

// Apply implements Command.
func (c OpenHandover) Apply(b *Board) (Change, error) {
	to, ok := b.Instances[c.To]
	if !ok {
		return Change{}, fmt.Errorf("there is no instance %s", c.To)
	}
	r := b.Ranges[to.Range]
	if r.Handover != nil || r.Master == c.To {
		return Change{}, fmt.Errorf("range %s is being handed over or has %s as its master", r.ID, c.To)
	}
	r.Handover = &Handover{
		ID: c.ID, From: r.Master, To: c.To, Generation: r.Generation + 1,
		Unplanned: c.Unplanned, Opened: c.At, Action: c.Action, Reason: c.Reason,
	}
	change := Change{Put: []Object{r}}
	if c.Action != "" {
		a, m, err := b.runningMove(c.Action, c.Move)
		if err != nil {
			return Change{}, err
		}
		m.Handover = c.ID
		change.Put = append(change.Put, a.withMove(m))
	}
	if c.Unplanned {
		change.Log = []Entry{{Time: c.At, Type: "shard_failover_started", Severity: "WARNING", Node: to.Node, Database: r.ID.Database, Shard: c.To.Shard,
			Reason: c.Reason,
			Text:   fmt.Sprintf("slots %s of db:%d lost their master: redis:%d takes over", r.SlotsText(), r.ID.Database, c.To.Shard)}}
	}
	return change, nil
}

// CloseHandover commits the outcome of a hand-over. Moved makes To the master;
// otherwise the old one stays, under a generation nobody was promised before.
type CloseHandover struct {
	At     time.Time
	Range  RangeID
	ID     string
	Moved  bool
	ReplID string // of the new master
	Reason string // why it was not moved, or, with Moved, why that is not known
	// For the activity: how long the executor held writes up, and what the new master
	// lacks of what the old one had, in words.
	Pause time.Duration
	Loss  string
}

// Apply implements Command.
func (c CloseHandover) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || r.Handover == nil || r.Handover.ID != c.ID {
		return Change{}, fmt.Errorf("range %s has no open hand-over %s", c.Range, c.ID)
	}
	h := *r.Handover
	r.Handover = nil
	if !c.Moved {
		r.Generation = h.Generation + 1
		return Change{Put: []Object{r}, Log: []Entry{{Time: c.At, Type: "shard_failover_abandoned", Severity: "WARNING",
			Database: r.ID.Database, Shard: h.To.Shard, Action: h.Action,
			Text: fmt.Sprintf("redis:%d did not become master of slots %s of db:%d: %s", h.To.Shard, r.SlotsText(), r.ID.Database, c.Reason)}}}, nil
	}
	r.Master, r.Generation, r.MasterSince, r.Lost, r.LostReason, r.Withheld = h.To, h.Generation, c.At, false, "", ""
	r.Unclear = c.Reason != ""
	if c.ReplID != "" && c.ReplID != r.LastReplID {
		r.PrevReplID, r.LastReplID = r.LastReplID, c.ReplID
	}
	change := Change{Put: []Object{r}, Log: []Entry{{Time: c.At, Type: "shard_failover_completed", Severity: "INFO",
		Node: b.Instances[h.To].Node, Database: r.ID.Database, Shard: h.To.Shard, Action: h.Action, By: b.Actions[h.Action].By, Reason: h.told(c),
		Text: fmt.Sprintf("redis:%d is master of slots %s of db:%d", h.To.Shard, r.SlotsText(), r.ID.Database)}}}
	if c.Reason != "" {
		e := &change.Log[0]
		e.Type, e.Severity = "shard_failover_unclear", "WARNING"
		e.Text = fmt.Sprintf("redis:%d counts as master of slots %s of db:%d, as it may have served: %s", h.To.Shard, r.SlotsText(), r.ID.Database, c.Reason)
	}
	to := b.Instances[h.To]
	to.Started, to.Seed, to.Leaving, to.Owes = true, InstanceID{}, false, 0
	change.Put = append(change.Put, to)
	if s := b.Shards[h.To.Shard]; s.Instance != h.To {
		old := s.Instance
		s.Instance = h.To
		change.Put = append(change.Put, s)
		b.dismiss(&change, old)
	}
	return change, nil
}

// told says for the activity why the master changed, how long it took and what was lost.
func (h Handover) told(c CloseHandover) string {
	why := fmt.Sprintf("after redis:%d", h.From.Shard)
	if h.Reason != "" {
		why += ": " + h.Reason
	}
	took := fmt.Sprintf("writes were held for %s", c.Pause.Round(time.Millisecond))
	if h.Unplanned {
		took = fmt.Sprintf("it took %s from then on", max(0, c.At.Sub(h.Opened)).Round(time.Millisecond))
	} else if c.Pause == 0 {
		took = ""
	}
	return strings.Join(slices.DeleteFunc([]string{why, took, c.Loss}, func(s string) bool { return s == "" }), "; ")
}

// ChangePort gives an instance that can not start, because a stranger has its
// port, the next free one. Nobody may be served by it.
type ChangePort struct {
	At       time.Time
	Instance InstanceID
}

// Apply implements Command.
func (c ChangePort) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok {
		return Change{}, nil
	}
	port := cmp.Or(b.nextPort(i.Node, i.Port+1, 0), b.FreePort(i.Node))
	if port == 0 {
		return Change{}, Refuse(CodePortUnavailable, "move shards to other nodes", "node:%d has no shard port left", i.Node)
	}
	taken := i.Port
	i.Port = port
	return Change{Put: []Object{i}, Log: []Entry{{Time: c.At, Type: "shard_port_changed", Severity: "WARNING", Node: i.Node, Shard: i.ID.Shard,
		Text: fmt.Sprintf("port %d of node:%d belongs to a stranger: redis:%d gets port %d", taken, i.Node, i.ID.Shard, port)}}}, nil
}

// Bind takes an endpoint one committed state further on its way to other nodes.
type Bind struct {
	At       time.Time
	Endpoint EndpointID
	Step     BindStep
	Nodes    []int // of BindOpen and BindSwitch: where it shall be; of BindSwitch none means where it opened
	// Action and Move, of BindClose, name the running move that gets the numbers
	// of connections drained and cut: the last that can be seen of them.
	Action     string
	Move       int
	Moved, Cut int
	// Text is the activity's line about the step, where nobody asked for it.
	Text string
	// Severity is that of the line; empty means WARNING.
	Severity string
}

// BindStep is a step of a re-binding; see [Endpoint] for the states.
type BindStep string

// The steps, in their order.
const (
	BindOpen     BindStep = "open"     // the new nodes start to listen
	BindSwitch   BindStep = "switch"   // discovery answers the new nodes, the old ones drain
	BindAnnounce BindStep = "announce" // discovery tells its subscribers
	BindClose    BindStep = "close"    // the old nodes stop to listen
	BindUndo     BindStep = "undo"     // of BindOpen
)

// Apply implements Command.
func (c Bind) Apply(b *Board) (Change, error) {
	e, ok := b.Endpoints[c.Endpoint]
	if !ok {
		return Change{}, Refuse(CodeEndpointNotFound, "see haulout status endpoints", "there is no endpoint:%s", c.Endpoint)
	}
	refused := fmt.Errorf("endpoint %s can not %s from nodes %v opening %v draining %v", e.ID, c.Step, e.Nodes, e.Opening, e.Draining)
	switch c.Step {
	case BindOpen:
		if e.Opening = without(c.Nodes, e.Nodes...); len(e.Opening) == 0 || len(e.Draining) > 0 {
			return Change{}, refused
		}
		e.Since = c.At
	case BindSwitch:
		if len(c.Nodes) == 0 {
			c.Nodes = e.Opening
		}
		if e, ok = e.switched(c.Nodes, c.At); !ok {
			return Change{}, refused
		}
	case BindAnnounce:
		e = e.announced(c.At)
	case BindClose:
		e = e.announced(c.At)
		e.Draining, e.Since = nil, time.Time{}
	case BindUndo:
		e.Opening, e.Since = nil, time.Time{}
	default:
		return Change{}, refused
	}
	change := Change{Put: []Object{e}}
	if c.Action != "" {
		a, m, err := b.runningMove(c.Action, c.Move)
		if err != nil {
			return Change{}, err
		}
		m.Moved, m.Cut = c.Moved, c.Cut
		change.Put = append(change.Put, a.withMove(m))
	}
	if c.Text != "" {
		change.Log = []Entry{{Time: c.At, Type: "endpoint_" + string(c.Step), Severity: cmp.Or(c.Severity, "WARNING"), Database: e.ID.Database, Text: c.Text}}
	}
	return change, nil
}
