package controller

import (
	"fmt"
	"maps"
	"time"

	"github.com/haulout/haulout/cluster"
)

// mark is how far a master had written when its host last told of it.
type mark struct {
	offset int64
	at     time.Time
}

// remember keeps what a report tells of masters: one that has ended is told of
// without its offset. The caller holds the lock.
func (c *Controller) remember(r cluster.Report) {
	for id, o := range r.Instances {
		if o.State == cluster.Up && o.Role == cluster.Master {
			c.marks[id] = mark{o.Offset, c.now().Add(-o.Age)}
		}
	}
}

// loss says in words what the new master lacks of what the old one had.
func (t *term) loss(v cluster.View, h cluster.Handover, o cluster.Outcome) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, known := t.marks[h.From]
	maps.DeleteFunc(t.marks, func(id cluster.InstanceID, _ mark) bool { _, there := v.Instances[id]; return !there })
	d := v.Databases[v.Instances[h.To].Range.Database]
	switch {
	case o.Result != cluster.Moved:
		return ""
	case o.Whole:
		return "nothing is lost"
	case known && o.Offset < m.offset:
		return fmt.Sprintf("at least %d bytes that redis:%d had written are lost", m.offset-o.Offset, h.From.Shard)
	case d.MinReplicas > 0:
		return "no confirmed write is lost"
	case known:
		return fmt.Sprintf("all that redis:%d was seen to have, %s before, is there", h.From.Shard, max(0, h.Opened.Sub(m.at)).Round(time.Millisecond))
	}
	return fmt.Sprintf("what redis:%d had is not known", h.From.Shard)
}
