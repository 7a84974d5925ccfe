package cluster

import (
	"cmp"
	"fmt"
	"time"
)

// LoseRange records that no eligible copy of a range is left: its slots answer
// an error until they are restored.
type LoseRange struct {
	At     time.Time
	Range  RangeID
	Reason string
}

// Apply implements Command.
func (c LoseRange) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || r.Lost {
		return Change{}, nil
	}
	if r.Handover != nil {
		return Change{}, fmt.Errorf("range %s is being handed over", r.ID)
	}
	r.Lost, r.LostReason = true, c.Reason
	r.Generation++
	return Change{Put: []Object{r}, Log: []Entry{{Time: c.At, Type: "shard_lost", Severity: "CRITICAL", Database: r.ID.Database, Shard: r.Master.Shard,
		Text: fmt.Sprintf("slots %s of db:%d are lost until restored: %s", r.SlotsText(), r.ID.Database, c.Reason)}}}, nil
}

// FindRange records that a range that counted as lost has its master again, with
// its files.
type FindRange struct {
	At    time.Time
	Range RangeID
}

// Apply implements Command.
func (c FindRange) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || !r.Lost {
		return Change{}, nil
	}
	r.Lost, r.LostReason = false, ""
	r.Generation++
	return Change{Put: []Object{r}, Log: []Entry{{Time: c.At, Type: "shard_found", Severity: "WARNING", Database: r.ID.Database, Shard: r.Master.Shard,
		Text: fmt.Sprintf("slots %s of db:%d are served again, with the data of redis:%d", r.SlotsText(), r.ID.Database, r.Master.Shard)}}}, nil
}

// RecoverRange gives a lost range a master again, as an operator asks who knows what is
// given up with it: a copy as it is, or, without one, a new and empty process.
type RecoverRange struct {
	At    time.Time
	Range RangeID
	// Copy is the instance that is made master, and ReplicationID its history: no
	// other counts any more. Its data lacks what Lacks says.
	Copy          InstanceID
	ReplicationID string
	Lacks         string
	// Files: its process has ended. The range stays lost until it has loaded its files.
	Files bool
	// Node is where the empty one starts.
	Node int
	By   string
}

// Apply implements Command.
func (c RecoverRange) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || !r.Lost || r.Unsettled != "" || r.Handover != nil {
		return Change{}, Refuse(CodeBusy, "look at haulout status and try again", "range %s is not lost any more, or being recovered", c.Range)
	}
	var change Change
	for _, i := range b.InstancesOf(r.ID.Database) { // what they were behind is given up
		if i.Range == r.ID && i.Behind != 0 && i.ID != c.Copy {
			i.Behind = 0
			change.Put = append(change.Put, i)
		}
	}
	e := Entry{Time: c.At, Type: "shard_recovered", Severity: "WARNING", Database: r.ID.Database, By: c.By}
	var err error
	if c.Copy.IsZero() {
		err = c.empty(b, &r, &change, &e)
	} else {
		err = c.copied(b, &r, &change, &e)
	}
	if err != nil {
		return Change{}, err
	}
	r.Generation++
	r.MasterSince, r.Lost, r.LostReason, r.Withheld, r.Unclear = c.At, c.Files, "", "", false
	if c.Files {
		r.LostReason = fmt.Sprintf("redis:%d has to load its files", r.Master.Shard)
	}
	change.Put = append(change.Put, r)
	e.Node, e.Shard = cmp.Or(c.Node, b.Instances[c.Copy].Node), r.Master.Shard
	change.Log = []Entry{e}
	return change, nil
}

func (c RecoverRange) copied(b *Board, r *SlotRange, change *Change, e *Entry) error {
	i, ok := b.Instances[c.Copy]
	if !ok || i.Range != r.ID {
		return fmt.Errorf("instance %s is none of range %s", c.Copy, r.ID)
	}
	i.Started, i.Seed, i.Behind, i.Leaving, i.Owes = true, InstanceID{}, 0, false, 0
	r.Master, r.LastReplID, r.PrevReplID = i.ID, c.ReplicationID, ""
	b.seat(change, i)
	e.Text = fmt.Sprintf("slots %s of db:%d are to be served again with what redis:%d on node:%d has: %s", r.SlotsText(), r.ID.Database, i.ID.Shard, i.Node, c.Lacks)
	return nil
}

func (c RecoverRange) empty(b *Board, r *SlotRange, change *Change, e *Entry) error {
	s, ok := b.Shards[r.Master.Shard]
	if !ok {
		return fmt.Errorf("range %s has no shard %d", r.ID, r.Master.Shard)
	}
	port := b.FreePort(c.Node)
	if port == 0 {
		return Refuse(CodePortUnavailable, "move shards to other nodes", "node:%d has no shard port left", c.Node)
	}
	change.Delete = append(change.Delete, Instance{ID: s.Instance}.Key())
	s.Instance = InstanceID{s.ID, s.NextIncarnation}
	s.NextIncarnation++
	s.Rebuild = nil
	r.Master, r.LastReplID, r.PrevReplID = s.Instance, "", ""
	change.Put = append(change.Put, s, Instance{ID: s.Instance, Range: r.ID, Node: c.Node, Port: port, Added: b.Revision})
	e.Text = fmt.Sprintf("slots %s of db:%d begin empty as redis:%d on node:%d", r.SlotsText(), r.ID.Database, s.ID, c.Node)
	return nil
}
