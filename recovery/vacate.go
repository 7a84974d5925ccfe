package recovery

import "github.com/haulout/haulout/cluster"

// Vacate returns the commands that ask for the vacate of nodes that have been down
// for longer than the grace and carry anything: the record of what became of it.
// A node that is out on a hold is never vacated by itself.
func Vacate(v cluster.View, ids func() string) []cluster.Command {
	var list []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		_, running := v.RunningOn(n.ID)
		if abandoned(v, n) && !n.Abandoned && !running && n.Removing == "" && len(v.Carried(n.ID)) > 0 {
			list = append(list, cluster.VacateLost{At: v.Now, ID: ids(), Node: n.ID})
		}
	}
	return list
}
