package controller

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// replaced decides about a planned hand-over whose source has not answered its own host
// for so long that recovery would put another in its place. No executor is at work: the
// target is what it shows. One that may follow its master takes over, behind the barrier.
func (t *term) replaced(v cluster.View, r cluster.SlotRange, o *order) {
	h := *r.Handover
	to, seen := v.Observed(h.To)
	node := v.Instances[h.To].Node
	switch {
	case !v.Heard(node), seen && to.State != cluster.Up && to.State != cluster.Absent: // what became of it must be seen
	case seen && to.State == cluster.Up && to.Role == cluster.Master:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, ReplID: to.ReplicationID})
	case recovery.Foremost(v, r, h.To):
		t.finish(r.ID, cluster.TakeOver{
			At: v.Now, Range: r.ID, ID: h.ID, NewID: h.ID + "-on", To: h.To,
			Reason: fmt.Sprintf("redis:%d does not answer", h.From.Shard),
		})
	case v.HeardAt[node].Sub(o.ended) >= shown:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: fmt.Sprintf("redis:%d does not answer", h.From.Shard)})
	}
}
