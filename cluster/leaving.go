package cluster

import (
	"fmt"
	"time"
)

// With min_replicas a copy that follows its master may be the only one, besides
// that, which has what clients were told is kept. So it does not go at once: it
// follows nobody any more, and goes when the others have all that it has.

// Leaves reports whether the instance is on its way from the board.
func (b *Board) Leaves(i Instance) bool {
	return i.Leaving && b.Ranges[i.Range].Master != i.ID && b.Shards[i.ID.Shard].Instance != i.ID
}

// dismiss adds to the change that the instance goes: at once, or by leaving if it
// may have confirmed writes that are not lost yet.
func (b *Board) dismiss(c *Change, id InstanceID) {
	i, ok := b.Instances[id]
	if !ok || b.Databases[i.Range.Database].MinReplicas == 0 || !i.Seed.IsZero() || b.Ranges[i.Range].Lost {
		c.Delete = append(c.Delete, Instance{ID: id}.Key())
		return
	}
	i.Leaving = true
	c.Put = append(c.Put, i)
}

// NoteOwes records what others must have before a leaving instance goes.
type NoteOwes struct {
	Instance InstanceID
	Offset   int64
}

// Apply implements Command.
func (c NoteOwes) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok || !i.Leaving || i.Owes == c.Offset {
		return Change{}, nil
	}
	i.Owes = c.Offset
	return Change{Put: []Object{i}}, nil
}

// Part takes an instance from the board that was leaving: others have what it has.
type Part struct{ Instance InstanceID }

// Apply implements Command.
func (c Part) Apply(b *Board) (Change, error) {
	i, ok := b.Instances[c.Instance]
	if !ok {
		return Change{}, nil
	}
	if h := b.Ranges[i.Range].Handover; !b.Leaves(i) || h != nil {
		return Change{}, fmt.Errorf("instance %s is in use", i.ID)
	}
	return Change{Delete: []Key{i.Key()}}, nil
}

// NoteWithheld records why no copy of a range takes over although its master is
// gone, or, without a reason, that there is none any more.
type NoteWithheld struct {
	At     time.Time
	Range  RangeID
	Reason string
}

// Apply implements Command.
func (c NoteWithheld) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || r.Withheld == c.Reason {
		return Change{}, nil
	}
	r.Withheld = c.Reason
	change := Change{Put: []Object{r}}
	if c.Reason != "" {
		change.Log = []Entry{{Time: c.At, Type: "shard_failover_withheld", Severity: "WARNING", Database: r.ID.Database, Shard: r.Master.Shard,
			Text: fmt.Sprintf("slots %s of db:%d lost their master: %s", r.SlotsText(), r.ID.Database, c.Reason)}}
	}
	return change, nil
}
