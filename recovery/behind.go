package recovery

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

const (
	// unlinked is how long a replica has to be without a master that serves on, to
	// be called behind. When a master dies, its replica is without it from that
	// moment on: the master must have been seen alive well after.
	unlinked = 6 * time.Second
	// lately is how old the master's last report may be.
	lately = 2 * time.Second
	// near is how many bytes a linked replica may lack to be called following: after
	// a full copy its offsets have nothing to do with those before.
	near = 1 << 20
)

// behind writes down which replicas lack what their master took while they were
// without it, and which follow again. It stands on the board, so that it is
// known when the master is gone and another node leads.
func behind(v cluster.View) []cluster.Command {
	var list []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		for _, i := range v.InstancesOn(n.ID) {
			if offset := lacks(v, i); offset != i.Behind {
				list = append(list, cluster.NoteBehind{At: v.Now, Instance: i.ID, Offset: offset})
			}
		}
	}
	return list
}

// lacks returns what is to stand on the board of the instance.
func lacks(v cluster.View, i cluster.Instance) int64 {
	r := v.Ranges[i.Range]
	if r.Master == i.ID {
		return 0
	}
	o, _ := v.Observed(i.ID)
	m, _ := v.Observed(r.Master)
	known := r.Handover == nil && v.Heard(i.Node) && o.State == cluster.Up && v.Fresh(v.Instances[r.Master].Node, lately) &&
		m.State == cluster.Up && m.Role == cluster.Master
	switch {
	case !known:
		return i.Behind
	case o.Syncing: // not eligible for that alone
	case o.Linked && o.EverLinked && (o.Offset >= i.Behind || m.Offset-o.Offset <= near):
		return 0
	case i.Behind == 0 && i.Started && o.UnlinkedFor >= unlinked && o.Offset < m.Offset:
		return m.Offset
	}
	return i.Behind
}
