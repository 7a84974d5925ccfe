package recovery

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// considered reports whether nobody goes on with the master without a lease unless
// the copy's host has promised not to promote it. Who wants to go on asks the
// master's host and every host with a copy on its board, and the master's host
// agrees only if its own board shows the same copies. So it is enough that this one
// knows of the copy; or that the process is seen to be gone, or an operator said
// that its host is lost.
func considered(v cluster.View, master, replica cluster.Instance) bool {
	return master.ID.IsZero() || v.Knows(master.Node, replica) || v.Ended(master) || v.Nodes[master.Node].Absence == cluster.Lost
}

// Unconsidered returns the ranges without a master that have an eligible copy of
// which the master's host is not known to know, with that host: they are served
// again when it answers, or is seen to have ended.
func Unconsidered(v cluster.View) map[cluster.RangeID]int {
	list := map[cluster.RangeID]int{}
	for _, r := range v.RangesByID() {
		m, there := v.Instances[r.Master]
		if !there || r.Lost || r.Unsettled != "" || !masterGone(v, r) {
			continue
		}
		for _, i := range others(v, r) {
			if Eligible(v, r, i) && !considered(v, m, i) {
				list[r.ID] = m.Node
			}
		}
		if _, found := successor(v, r); found {
			delete(list, r.ID)
		}
	}
	return list
}

// silentFor is how long a living host may not report to be waited for no longer.
const silentFor = 5 * time.Second

// Seen returns the command that writes down which boards the hosts have had, where
// a host with a copy of a range is not known yet to know of another one. Hosts that
// report are waited for, so that it is written once for all of them.
func Seen(v cluster.View) []cluster.Command {
	unknown := map[int]int64{} // by node, the newest instance that it must be known to know
	for _, i := range v.Instances {
		for _, node := range v.HostsOf(i.Range) {
			if node != i.Node && v.Nodes[node].Seen <= i.Added {
				unknown[node] = max(unknown[node], i.Added)
			}
		}
	}
	seen := map[int]int64{}
	for node, added := range unknown {
		r, heard := v.Reports[node]
		switch {
		case heard && !r.Bound && r.Revision > added:
			seen[node] = r.Revision
		case v.Alive[node] && v.Now.Sub(v.HeardAt[node]) < silentFor:
			return nil
		}
	}
	if len(seen) == 0 {
		return nil
	}
	return []cluster.Command{cluster.NoteSeen{Seen: seen}}
}
