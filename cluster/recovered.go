package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The commands that bring a cluster back to life from a saved state, which may
// be older than what the hosts do. Nothing in it is believed before the hosts
// have been heard: see [SlotRange].Unsettled.

// What each former life may have given out after the state was saved is skipped:
// an id is never used twice.
const (
	skippedNodes        = 10
	skippedDatabases    = 10
	skippedShards       = 1_000_000
	skippedIncarnations = 1_000_000
	skippedGenerations  = 1_000_000
)

// Absence says of a node that it belonged to the former life of a recovered
// cluster and has not come back.
type Absence string

// The absences: nothing is decided without a node that is awaited; one that is
// lost, an operator said, never comes back as it was.
const (
	Awaited Absence = "awaited"
	Lost    Absence = "lost"
)

// RecoverCluster begins another life of the cluster, in which only one node is
// there. Everything that was under way has failed, no range is settled, and all
// other nodes have to come back.
type RecoverCluster struct {
	At          time.Time
	Incarnation int64
	Node        int
	Identity    string // of the host, which may have lost its folder
	MemberID    uint64
	Lost        []int
	Source      string // where the state came from
	By          string
}

// Apply implements Command.
func (c RecoverCluster) Apply(b *Board) (Change, error) {
	if b.Cluster.ID == "" {
		return Change{}, fmt.Errorf("there is no cluster to recover")
	}
	if b.Cluster.Incarnation >= c.Incarnation {
		return Change{}, nil
	}
	// The saved state may be older than the last recovery, and knows nothing of what the
	// lives between have given out.
	lives := int(c.Incarnation - b.Cluster.Incarnation)
	var change Change
	for _, n := range Sorted(b.Nodes) {
		n.Membership, n.MemberID, n.Absence = Client, 0, Awaited
		n.Removing, n.Vacating, n.Abandoned = "", "", false
		switch {
		case n.ID == c.Node:
			n.Membership, n.MemberID, n.Identity, n.Absence, n.DownSince = Voter, c.MemberID, c.Identity, "", time.Time{}
		case slices.Contains(c.Lost, n.ID):
			n.Absence = Lost
		}
		if n.Maintenance != nil && n.Maintenance.Returning != "" {
			m := *n.Maintenance
			m.Returning = ""
			n.Maintenance = &m
		}
		change.Put = append(change.Put, n)
	}
	for _, r := range b.Ranges {
		r.Handover, r.Unsettled = nil, "the hosts have not been heard yet"
		r.Generation += int64(lives) * skippedGenerations
		change.Put = append(change.Put, r)
	}
	for _, s := range b.Shards {
		if s.Skipped == 0 {
			s.Skipped = s.NextIncarnation
		}
		s.NextIncarnation += lives * skippedIncarnations
		s.Resumed = s.NextIncarnation
		change.Put = append(change.Put, s)
	}
	for _, e := range b.Endpoints {
		if len(e.Opening)+len(e.Draining) > 0 {
			e.Opening, e.Draining, e.Since = nil, nil, time.Time{}
			change.Put = append(change.Put, e.announced(c.At)) // nobody who drains would do it any more
		}
	}
	for _, a := range b.ActionsByAge() {
		if !a.Status.Ended() {
			change.Put = append(change.Put, a.interrupted(c.At))
		}
	}
	for _, t := range b.Tokens {
		change.Delete = append(change.Delete, t.Key())
	}
	state := b.Cluster
	state.Incarnation, state.Recovered = c.Incarnation, c.At
	if state.SkippedShards == 0 {
		state.SkippedShards = state.NextShard
	}
	if state.SkippedNodes == 0 {
		state.SkippedNodes = state.NextNode
	}
	state.NextNode += lives * skippedNodes
	state.ResumedNodes = state.NextNode
	state.NextDatabase += lives * skippedDatabases
	state.NextShard += lives * skippedShards
	state.ResumedShards = state.NextShard
	change.Put = append(change.Put, state)
	change.Log = []Entry{{Time: c.At, Type: "cluster_recovered", Severity: "CRITICAL", Node: c.Node, By: c.By,
		Text: fmt.Sprintf("cluster %s was recovered on node:%d from %s; what was under way has to be started again", state.Name, c.Node, c.Source)}}
	return change, nil
}

// interrupted ends an action that the former life was carrying out.
func (a Action) interrupted(at time.Time) Action {
	a.Moves = slices.Clone(a.Moves)
	for i, m := range a.Moves {
		if !m.Status.Ended() {
			a.Moves[i].Status, a.Moves[i].Ended = MoveAbandoned, at
		}
	}
	a.Status, a.Ended = ActionFailed, at
	a.Error = Refuse(CodeRecovering, "look at what stands, then start it again", "the cluster was recovered meanwhile")
	return a
}

// FormerLife reports whether the id may have been given out by a life before the
// cluster was last recovered, after a state was saved that it was recovered from:
// whatever has it may hold the last copy of something.
func (b *Board) FormerLife(id InstanceID) bool {
	if s, known := b.Shards[id.Shard]; known {
		return s.Skipped > 0 && id.Incarnation >= s.Skipped && id.Incarnation < s.Resumed
	}
	first := b.Cluster.SkippedShards
	return first > 0 && id.Shard >= first && id.Shard < b.Cluster.ResumedShards
}

// KeepFolder is what to do with a host that joined after the state was saved.
const KeepFolder = "keep its data folder until every database is whole: it may hold what the saved state does not know; then start it with an empty one and let it join with a token"

// FormerNode reports whether a former life may have given the number to a host after
// the state was saved, which knows nothing of it.
func (b *Board) FormerNode(node int) bool {
	_, known := b.Nodes[node]
	first := b.Cluster.SkippedNodes
	return !known && first > 0 && node >= first && node < b.Cluster.ResumedNodes
}

// Settled refuses what changes placement while it is not known who serves what
// in a recovered cluster.
func (b *Board) Settled() error {
	var open []string
	for _, r := range b.RangesByID() {
		if r.Unsettled != "" {
			open = append(open, fmt.Sprintf("slots %s of db:%d: %s", r.SlotsText(), r.ID.Database, r.Unsettled))
		}
	}
	if len(open) == 0 {
		return nil
	}
	return Refuse(CodeRecovering, "bring the nodes back; those that are lost for good: haulout cluster recover lost_nodes NODE...; what is in doubt: haulout cluster recover masters SHARD...",
		"the cluster was recovered and it is not settled who serves %s", strings.Join(open, "; "))
}

// Awaits reports whether nothing is settled without the node: it has not come back
// from the former life, or it went away again before all was settled.
func (b *Board) Awaits(node int, alive map[int]bool) bool {
	n, known := b.Nodes[node]
	return known && (n.Absence == Awaited || n.Absence == "" && !alive[node] && b.Settled() != nil)
}

// NodeReturned records that a node of the former life is part of this one, or
// with Lost that it never will be. One that came back and went away again can be
// given up while anything is unsettled.
type NodeReturned struct {
	At   time.Time
	Node int
	Lost bool
	By   string
}

// Apply implements Command.
func (c NodeReturned) Apply(b *Board) (Change, error) {
	n, err := b.node(c.Node)
	if err != nil || n.Absence == "" && (!c.Lost || b.Settled() == nil) {
		return Change{}, err
	}
	n.Absence = ""
	e := Entry{Time: c.At, Type: "cluster_node_returned", Severity: "INFO", Node: n.ID, By: c.By, Text: fmt.Sprintf("node:%d is back in the recovered cluster", n.ID)}
	if c.Lost {
		n.Absence = Lost
		e.Type, e.Severity, e.Text = "cluster_node_lost", "WARNING", fmt.Sprintf("node:%d counts as lost for good", n.ID)
	}
	return Change{Put: []Object{n}, Log: []Entry{e}}, nil
}

// SettleRange says who is master of a range of a recovered cluster, or, with
// Doubt, why that can not be said: then it serves nothing.
type SettleRange struct {
	At     time.Time
	Range  RangeID
	Master InstanceID
	Doubt  string
	Lost   bool // its slots answer an error until it is decided; else they wait
	// By is the operator who decided it against what the saved state knows; then
	// ReplicationID is the master's history, and no other counts any more.
	By            string
	ReplicationID string
	// Files: its process has ended. Its slots answer an error until it has loaded its files.
	Files bool
}

// Apply implements Command.
func (c SettleRange) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || r.Unsettled == "" {
		return Change{}, nil
	}
	e := Entry{Time: c.At, Database: r.ID.Database, Shard: r.Master.Shard, By: c.By}
	if c.Doubt != "" {
		if r.Unsettled == c.Doubt && r.Lost == c.Lost {
			return Change{}, nil
		}
		r.Unsettled, r.Lost = c.Doubt, c.Lost
		r.Generation++
		if !c.Lost {
			return Change{Put: []Object{r}}, nil
		}
		e.Type, e.Severity = "shard_undecided", "CRITICAL"
		e.Text = fmt.Sprintf("nobody serves slots %s of db:%d until it is decided: %s", r.SlotsText(), r.ID.Database, c.Doubt)
		return Change{Put: []Object{r}, Log: []Entry{e}}, nil
	}
	i, ok := b.Instances[c.Master]
	if !ok || i.Range != r.ID {
		return Change{}, fmt.Errorf("instance %s is none of range %s", c.Master, r.ID)
	}
	e.Type, e.Severity, e.Text = "shard_settled", "INFO", fmt.Sprintf("redis:%d is master of slots %s of db:%d", i.ID.Shard, r.SlotsText(), r.ID.Database)
	r.Unsettled, r.Lost, r.LostReason, r.Unclear = "", c.Files, "", false
	if c.Files {
		r.LostReason = fmt.Sprintf("redis:%d has to load its files", i.ID.Shard)
	}
	r.Generation++
	var change Change
	why := "as the hosts show"
	if c.By != "" {
		r.LastReplID, r.PrevReplID, why = c.ReplicationID, "", "as was said"
	}
	if r.Master != i.ID {
		e.Severity, e.Shard = "WARNING", i.ID.Shard
		e.Text += fmt.Sprintf(", %s; the saved state said redis:%d", why, r.Master.Shard)
		r.Master, r.MasterSince = i.ID, c.At
		i.Started, i.Seed = true, InstanceID{}
		b.seat(&change, i)
	}
	change.Put = append(change.Put, r)
	change.Log = []Entry{e}
	return change, nil
}

// seat adds to the change that the instance, as it is given, is its shard, and that what
// was it until now goes.
func (b *Board) seat(c *Change, i Instance) {
	c.Put = append(c.Put, i)
	if s := b.Shards[i.ID.Shard]; s.Instance != i.ID {
		c.Delete = append(c.Delete, Instance{ID: s.Instance}.Key())
		s.Instance = i.ID
		c.Put = append(c.Put, s)
	}
}
