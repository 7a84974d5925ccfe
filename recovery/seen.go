package recovery

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

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
