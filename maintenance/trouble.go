package maintenance

import (
	"cmp"
	"fmt"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// ShardTrouble says what is amiss with the shard and why, or "": what an operator
// should know before anything else.
func ShardTrouble(v cluster.View, s cluster.Shard) string {
	r, i := v.Ranges[s.Range], v.Instances[s.Instance]
	o, seen := v.Observed(i.ID)
	switch master := r.Master == i.ID; {
	case r.Unsettled != "" && seen && o.State == cluster.Absent && o.Kept.Bytes > 0:
		before := ""
		if o.Kept.Unsaved {
			before = ", from before its last copy"
		}
		return fmt.Sprintf("its process has ended; it has files of %s, last written %s%s", cluster.Size(o.Kept.Bytes, 2), o.Kept.Written.UTC().Format("2006-01-02 15:04:05 UTC"), before)
	case r.Unsettled != "" && seen && o.State == cluster.Absent:
		return "its process has ended, and it has no files"
	case master && r.Lost && r.Unsettled != "":
		return "lost until it is settled who serves its range"
	case master && r.Lost && o.Reason != "":
		return fmt.Sprintf("lost until restored: %s: %s", r.LostReason, o.Reason)
	case master && r.Lost:
		return "lost until restored: " + r.LostReason
	case master && r.Withheld != "":
		return r.Withheld
	case s.Rebuild != nil:
		return "can not be rebuilt: " + s.Rebuild.Reason
	case !v.Alive[i.Node]:
		return fmt.Sprintf("node:%d is down", i.Node)
	case !seen:
		return ""
	case o.State != cluster.Up:
		return cmp.Or(o.Reason, string(o.State))
	case master:
		return ""
	}
	if m := v.Instances[r.Master]; !v.Alive[m.Node] && !v.Considered(m, i) {
		return fmt.Sprintf("it does not take over: node:%d, with its master, may serve on without knowing of it; start the daemon of node:%d", m.Node, m.Node)
	}
	why := unsynced(v, i)
	if why == "" && plan.Mixed(v, s) {
		return fmt.Sprintf("it shares zone %s with its master", v.Nodes[i.Node].RackID)
	}
	if why != "" && i.Behind != 0 {
		why += "; it may not take over until it has caught up"
	}
	return why
}

// EndpointTrouble says why the endpoint does not listen on a node it is bound to,
// or "".
func EndpointTrouble(v cluster.View, e cluster.Endpoint) string {
	for _, n := range e.Nodes {
		r, heard := v.Reports[n]
		s := r.Proxy.Endpoints[e.ID]
		switch {
		case !v.Alive[n]:
			return fmt.Sprintf("node:%d is down", n)
		case !heard || s.Listening:
		case !r.Proxy.Up:
			return fmt.Sprintf("the proxy of node:%d is not up", n)
		default:
			return cmp.Or(s.Reason, fmt.Sprintf("it is not opened on node:%d yet", n))
		}
	}
	return ""
}
