package plan

import (
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Listener returns the node for an endpoint whose own nodes are gone: of the
// live nodes in service one that holds a master of its database, or is about
// to, else any, always the one with the fewest listeners. 0 means that none
// can have it.
func Listener(v cluster.View, e cluster.Endpoint, except ...int) int {
	var masters []int
	for _, r := range v.RangesOf(e.ID.Database) {
		master := v.Instances[r.Master]
		if r.Handover != nil {
			master = v.Instances[r.Handover.To]
		}
		masters = append(masters, master.Node)
	}
	slices.Sort(masters)
	return newSpace(v, none).pickListener(slices.Compact(masters), append(except, e.Nodes...)...)
}
