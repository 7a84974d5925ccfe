package maintenance

import "github.com/haulout/haulout/cluster"

// Overdue returns the commands that report holds past their planned end, each once.
func Overdue(v cluster.View) []cluster.Command {
	var list []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		if n.Maintenance == nil {
			continue
		}
		for _, h := range n.Maintenance.Holds {
			if h.Overdue(v.Now) && !h.Reported {
				list = append(list, cluster.ReportOverdue{At: v.Now, Node: n.ID, Hold: h.ID})
			}
		}
	}
	return list
}
