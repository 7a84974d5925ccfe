package recovery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// partings sees to the copies that are leaving: one that confirms nothing any more
// gets the offset up to which it may have, and one that others have reached goes.
func partings(v cluster.View) []cluster.Command {
	var list []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		for _, i := range v.InstancesOn(n.ID) {
			r := v.Ranges[i.Range]
			if !v.Leaves(i) || r.Handover != nil || r.Unsettled != "" {
				continue
			}
			if r.Lost {
				list = append(list, cluster.Part{Instance: i.ID})
			} else if offset, known := confirmed(v, r, i); i.Owes == 0 && known {
				list = append(list, cluster.NoteOwes{Instance: i.ID, Offset: offset})
			} else if i.Owes > 0 && inherited(v, r, i) {
				list = append(list, cluster.Part{Instance: i.ID})
			}
		}
	}
	return list
}

// confirmed returns an offset above which the leaving copy confirmed nothing and
// never will, once that is so: it follows nobody, by its own word or its master's.
func confirmed(v cluster.View, r cluster.SlotRange, i cluster.Instance) (offset int64, known bool) {
	master := v.Instances[r.Master]
	m, _ := v.Observed(master.ID)
	o, _ := v.Observed(i.ID)
	alone := v.Heard(i.Node) && o.State == cluster.Up && o.Role == cluster.Slave && !o.Linked && o.Source != address(v, master)
	if !alone && !absent(v, i) && v.Alive[i.Node] || !v.Fresh(master.Node, lately) || m.State != cluster.Up || m.Role != cluster.Master ||
		slices.Contains(m.Feeds, address(v, i)) {
		return 0, false
	}
	if offset = max(m.Offset, 1); o.ReplicationID == m.ReplicationID {
		offset = max(offset, o.Offset)
	}
	return offset, true
}

// inherited reports whether enough others have what the leaving copy may have confirmed.
func inherited(v cluster.View, r cluster.SlotRange, i cluster.Instance) bool {
	m, _ := v.Observed(r.Master)
	have := 0
	for _, other := range others(v, r) {
		o, _ := v.Observed(other.ID)
		if !v.Leaves(other) && v.Heard(other.Node) && o.State == cluster.Up && o.Linked && o.EverLinked && !o.Syncing &&
			o.ReplicationID == m.ReplicationID && o.Offset >= i.Owes {
			have++
		}
	}
	return have >= v.Databases[i.Range.Database].MinReplicas
}

// address is where an instance listens, as others name it.
func address(v cluster.View, i cluster.Instance) string {
	return fmt.Sprintf("%s:%d", v.Nodes[i.Node].Address, i.Port)
}

// withheld says, where min_replicas is set, why no copy may take over yet, or "": a
// confirmed write is on so many of the copies, so as many that can not be asked may be all
// that have it. One that is seen to be gone can not be waited for, nor one
// that somebody has given up, and one that follows another copy has confirmed nothing. A
// master that was never seen as one may be all that has what was confirmed before it.
func withheld(v cluster.View, r cluster.SlotRange) string {
	var names []string
	least := v.Databases[r.ID.Database].MinReplicas
	copies := others(v, r)
	if m, there := v.Instances[r.Master]; there && r.Unclear {
		copies = append(copies, m)
	}
	for _, i := range copies {
		o, _ := v.Observed(i.ID)
		silent := !v.Alive[i.Node] && (!v.WrittenOff(i.Node) || v.Answers(i)) || v.Heard(i.Node) && o.State == cluster.Unresponsive
		if silent && least > 0 && i.Seed.IsZero() {
			names = append(names, fmt.Sprintf("redis:%d on node:%d", i.ID.Shard, i.Node))
		}
	}
	if least == 0 || len(names) < least {
		return ""
	}
	return fmt.Sprintf("waits for %s, which may have what clients were told is kept", strings.Join(names, " and "))
}
