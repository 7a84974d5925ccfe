package controller

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// deserted decides about a planned hand-over whose target's host is gone, or whose
// target has not answered its own host for long, and did not answer the executor either. The executor has ended, and is given
// nothing more: what it had sent to the target may still be carried out there, but it
// aims no proxy any more. A source that still serves was never replaced. Otherwise the
// target may have been promoted and proxies aimed at it: then nobody serves before they
// have left it, and the source takes the range back. One that can not, as it had begun to
// copy from the target, leaves it to recovery, which takes the target for the master that
// it may be; but not if it is the same shard, because that would drop the source.
func (t *term) deserted(v cluster.View, r cluster.SlotRange, o *order) {
	h := *r.Handover
	from, seen := v.Observed(h.From)
	node := v.Instances[h.From].Node
	if !v.Heard(node) {
		return
	}
	gone, where := "its host is gone", fmt.Sprintf("the host of its new place, node:%d, is gone", v.Instances[h.To].Node)
	if v.Alive[v.Instances[h.To].Node] {
		gone, where = "its process does not answer", fmt.Sprintf("redis:%d in its new place does not answer", h.To.Shard)
	}
	switch {
	case !seen || from.State == cluster.Absent:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: gone})
	case from.State != cluster.Up: // what became of it must be seen
	case from.Role == cluster.Master && from.Serving:
		if v.HeardAt[node].Sub(o.ended) >= shown {
			t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: gone})
		}
	case from.Role == cluster.Slave && h.From.Shard != h.To.Shard && !recovery.Foremost(v, r, h.From):
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, Reason: gone})
	default:
		t.finish(r.ID, cluster.TakeOver{
			At: v.Now, Range: r.ID, ID: h.ID, NewID: h.ID + "-back", To: h.From,
			Reason: where,
		})
	}
}

// orphaned decides about a hand-over whose executor's host is gone. The executor may
// be at work nevertheless, for as long as its order allows, but a target that is master
// it leaves so, and one that recovery would choose anyway it could only promote: neither
// is waited for. Then the target takes over behind the barrier, after which nobody
// sends to a source that an executor at large gives its rights back. Anything else is
// decided when the time of every order is over, so that nothing can be added to what
// the other side shows.
func (t *term) orphaned(v cluster.View, r cluster.SlotRange, o *order) {
	h := *r.Handover
	to, seen := v.Observed(h.To)
	node := v.Instances[h.To].Node
	switch {
	case h.Unplanned && v.Alive[node]: // its port refuses
		t.vanished(v, r, "its process ended")
	case !h.Unplanned && v.Heard(node) && to.State == cluster.Up && to.Role == cluster.Master:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: true, ReplID: to.ReplicationID})
	case !h.Unplanned && recovery.Foremost(v, r, h.To) && v.Considered(v.Instances[h.From], v.Instances[h.To]):
		t.finish(r.ID, cluster.TakeOver{
			At: v.Now, Range: r.ID, ID: h.ID, NewID: h.ID + "-on", To: h.To,
			Reason: fmt.Sprintf("the host of its old master, node:%d, is gone", v.Instances[h.From].Node),
		})
	case t.now().Before(o.until):
	case h.Unplanned:
		t.vanished(v, r, "its host is gone")
	case !v.Alive[node] && alone(v, r, h) && !givenUp(v, h): // the target may serve: whoever of the two returns shows it
	case v.Alive[node] && (!v.Heard(node) || seen && to.State != cluster.Up && to.State != cluster.Absent): // what became of it must be seen
	default:
		t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Reason: "the host that was to carry it out is gone"})
	}
}

// vanished decides about an unplanned hand-over whose target is gone, when nothing is added
// any more to what it has done. It may have been promoted and have served: then the old
// master, if it comes back, has less than clients were told of, and must not simply go on.
// So the target counts as the master, and what is eligible takes over from it. One that a
// move is making can not, as that would drop what it was made from; if there is nothing
// else, it is waited for until its host is given up.
func (t *term) vanished(v cluster.View, r cluster.SlotRange, why string) {
	h := *r.Handover
	node := v.Instances[h.To].Node
	seated := v.Shards[h.To.Shard].Instance == h.To
	if !seated && !v.Alive[node] && !v.WrittenOff(node) && alone(v, r, h) {
		return
	}
	t.close(cluster.CloseHandover{At: v.Now, Range: r.ID, ID: h.ID, Moved: seated, Reason: why})
}

// alone reports whether nothing of the range is anywhere but on the two sides of the
// hand-over, on hosts that are up.
func alone(v cluster.View, r cluster.SlotRange, h cluster.Handover) bool {
	for _, i := range v.Instances {
		if i.Range == r.ID && i.ID != h.From && i.ID != h.To && v.Alive[i.Node] {
			return false
		}
	}
	return true
}

// givenUp reports whether the hosts of both sides of the hand-over are written off.
func givenUp(v cluster.View, h cluster.Handover) bool {
	return v.WrittenOff(v.Instances[h.From].Node) && v.WrittenOff(v.Instances[h.To].Node)
}
