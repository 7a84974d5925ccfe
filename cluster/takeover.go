package cluster

import (
	"fmt"
	"time"
)

// TakeOver turns an open planned hand-over, whose outcome nobody can tell, into an
// unplanned one: To, which is either of its sides, shall be master. Proxies may have
// been aimed at the other one, so that it waits until none sends there any more.
type TakeOver struct {
	At     time.Time
	Range  RangeID
	ID     string // of the open one
	NewID  string
	To     InstanceID
	Reason string
}

// Apply implements Command.
func (c TakeOver) Apply(b *Board) (Change, error) {
	r, ok := b.Ranges[c.Range]
	if !ok || r.Handover == nil || r.Handover.ID != c.ID || r.Handover.Unplanned {
		return Change{}, fmt.Errorf("range %s has no open planned hand-over %s", c.Range, c.ID)
	}
	h := *r.Handover
	from, what := h.From, "takes slots %s of db:%d over"
	switch c.To {
	case h.To:
	case h.From:
		from, what = h.To, "takes slots %s of db:%d back"
	default:
		return Change{}, fmt.Errorf("instance %s is no side of hand-over %s", c.To, c.ID)
	}
	r.Generation = h.Generation + 1 // above what proxies may have been aimed by
	r.Handover = &Handover{
		ID: c.NewID, From: from, To: c.To, Generation: r.Generation + 1,
		Unplanned: true, Opened: c.At, Action: h.Action, Reason: c.Reason,
	}
	return Change{Put: []Object{r}, Log: []Entry{{Time: c.At, Type: "shard_failover_started", Severity: "WARNING",
		Database: r.ID.Database, Shard: c.To.Shard, Action: h.Action,
		Text: fmt.Sprintf("redis:%d "+what+": %s", c.To.Shard, r.SlotsText(), r.ID.Database, c.Reason)}}}, nil
}
