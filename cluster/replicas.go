package cluster

import (
	"fmt"
	"time"
)

// The commands that follow a node that went away, and rebuild its replicas.

// DefaultReplicaGrace is how long a node may be down before its replicas are
// rebuilt elsewhere, where nobody says.
const DefaultReplicaGrace = 600 * time.Second

// Grace is how long a node may be down before its replicas are rebuilt elsewhere.
func (c Cluster) Grace() time.Duration {
	if c.ReplicaGrace == 0 {
		return DefaultReplicaGrace
	}
	return time.Duration(c.ReplicaGrace) * time.Second
}

// NoteDown records that a node went down, or that it is back.
type NoteDown struct {
	At   time.Time
	Node int
	Down bool
}

// Apply implements Command.
func (c NoteDown) Apply(b *Board) (Change, error) {
	n, err := b.node(c.Node)
	if err != nil || c.Down != n.DownSince.IsZero() {
		return Change{}, err
	}
	e := Entry{Time: c.At, Type: "node_up", Severity: "INFO", Node: n.ID, Text: fmt.Sprintf("node:%d is up again", n.ID)}
	n.DownSince, n.Abandoned = time.Time{}, false
	if c.Down {
		n.DownSince = c.At
		e.Type, e.Severity, e.Text = "node_down", "ERROR", fmt.Sprintf("node:%d is down", n.ID)
	}
	return Change{Put: []Object{n}, Log: []Entry{e}}, nil
}

// NoteBehind records that a replica lacks what its master wrote up to the offset,
// or, with none, that it follows again.
type NoteBehind struct {
	At       time.Time
	Instance InstanceID
	Offset   int64
}

// Apply implements Command.
func (c NoteBehind) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok || i.Behind == c.Offset {
		return Change{}, nil
	}
	i.Behind = c.Offset
	e := Entry{Time: c.At, Type: "shard_follows", Severity: "INFO", Node: i.Node, Database: i.Range.Database, Shard: i.ID.Shard,
		Text: fmt.Sprintf("redis:%d on node:%d follows its master again", i.ID.Shard, i.Node)}
	if c.Offset != 0 {
		e.Type, e.Severity = "shard_behind", "WARNING"
		e.Text = fmt.Sprintf("redis:%d on node:%d does not follow its master: it can not take over until it does", i.ID.Shard, i.Node)
	}
	return Change{Put: []Object{i}, Log: []Entry{e}}, nil
}

// RebuildReplica orders a second instance of a replica whose node is down,
// copied from the master of its range.
type RebuildReplica struct {
	At    time.Time
	Shard int
	Node  int
}

// Apply implements Command.
func (c RebuildReplica) Apply(b *Board) (Change, error) {
	s, err := b.shard(c.Shard)
	if err != nil {
		return Change{}, err
	}
	if b.RoleOf(s) == Master {
		return Change{}, fmt.Errorf("shard %d is no replica", s.ID)
	}
	if second, there := b.Second(s); there {
		return Change{}, fmt.Errorf("shard %d has a second instance %s already", s.ID, second.ID)
	}
	port := b.FreePort(c.Node)
	if port == 0 {
		return Change{}, Refuse(CodePortUnavailable, "move shards to other nodes", "node:%d has no shard port left", c.Node)
	}
	i := Instance{ID: InstanceID{s.ID, s.NextIncarnation}, Range: s.Range, Node: c.Node, Port: port, CopiedAt: c.At, Added: b.Revision}
	s.NextIncarnation++
	return Change{Put: []Object{s, i}, Log: []Entry{{Time: c.At, Type: "shard_rebuild_started", Severity: "WARNING", Node: c.Node,
		Database: s.Range.Database, Shard: s.ID,
		Text: fmt.Sprintf("redis:%d is rebuilt on node:%d: node:%d stays down", s.ID, c.Node, b.NodeOf(s))}}}, nil
}

// NoteCopy records how far the first copy of a rebuild has got.
type NoteCopy struct {
	At       time.Time
	Instance InstanceID
	Bytes    int64
}

// Apply implements Command.
func (c NoteCopy) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok || c.Bytes <= i.Copied {
		return Change{}, nil
	}
	i.Copied, i.CopiedAt = c.Bytes, c.At
	return Change{Put: []Object{i}}, nil
}

// NoteRebuild records why a replica whose node is down can not be rebuilt, or,
// without a reason, that there is no need to any more.
type NoteRebuild struct {
	At     time.Time
	Shard  int
	Reason string
}

// Apply implements Command.
func (c NoteRebuild) Apply(b *Board) (Change, error) {
	s, err := b.shard(c.Shard)
	if err != nil || s.rebuildReason() == c.Reason {
		return Change{}, err
	}
	if c.Reason == "" {
		s.Rebuild = nil
		return Change{Put: []Object{s}}, nil
	}
	next := Rebuild{At: c.At}
	if s.Rebuild != nil {
		next = *s.Rebuild
	}
	next.Reason = c.Reason
	s.Rebuild = &next
	return Change{Put: []Object{s}, Log: []Entry{{Time: c.At, Type: "shard_rebuild_impossible", Severity: "WARNING", Node: b.NodeOf(s),
		Database: s.Range.Database, Shard: s.ID, Text: fmt.Sprintf("redis:%d can not be rebuilt: %s", s.ID, c.Reason)}}}, nil
}

func (s Shard) rebuildReason() string {
	if s.Rebuild == nil {
		return ""
	}
	return s.Rebuild.Reason
}

// EndRebuild ends the rebuilding of a replica: done, its second instance is the
// shard and the old one, wherever it is, has to go; else the second one goes.
type EndRebuild struct {
	At       time.Time
	Instance InstanceID // the second
	Done     bool
	Reason   string // why it was given up
	// Failed says that its node did not get the copy made: others are tried first.
	Failed bool
}

// Apply implements Command.
func (c EndRebuild) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok {
		return Change{}, fmt.Errorf("there is no instance %s", c.Instance)
	}
	e := Entry{Time: c.At, Type: "shard_rebuild_completed", Severity: "INFO", Node: i.Node, Database: i.Range.Database, Shard: i.ID.Shard,
		Text: fmt.Sprintf("redis:%d is on node:%d", i.ID.Shard, i.Node)}
	var next Command = SwitchInstance{c.Instance}
	if !c.Done {
		next = DropInstance{c.Instance}
		e.Type, e.Text = "shard_rebuild_abandoned", fmt.Sprintf("redis:%d is not rebuilt on node:%d: %s", i.ID.Shard, i.Node, c.Reason)
	}
	change, err := next.Apply(b)
	if err != nil {
		return Change{}, err
	}
	change.Log = append(change.Log, e)
	if !c.Failed {
		return change, nil
	}
	s := b.Shards[i.ID.Shard]
	failed := Rebuild{Tried: []int{i.Node}, At: c.At, Reason: fmt.Sprintf("not on node:%d: %s", i.Node, c.Reason)}
	if s.Rebuild != nil {
		failed.Tried = append(without(s.Rebuild.Tried, i.Node), i.Node)
	}
	s.Rebuild = &failed
	change.Put = append(change.Put, s)
	return change, nil
}

// Second returns the instance of the shard that is not the shard yet, if there is one.
func (b *Board) Second(s Shard) (Instance, bool) {
	for _, i := range b.Instances {
		if i.ID.Shard == s.ID && i.ID != s.Instance {
			return i, true
		}
	}
	return Instance{}, false
}
