package recovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// formerLease is how long after a recovery a proxy of the former life may serve
// that no daemon knows of: its lease, and a little for clocks.
const formerLease = 15 * time.Second

// Settle returns the commands that find out who serves what in a cluster that
// was recovered from a saved state: which nodes are back, and who is master of
// each range by what the hosts show. Nothing is settled before every node is
// heard that an operator has not given up.
func Settle(v cluster.View) []cluster.Command {
	var commands []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		if n.Absence != "" && v.Heard(n.ID) {
			commands = append(commands, cluster.NodeReturned{At: v.Now, Node: n.ID})
		}
	}
	for _, r := range v.RangesByID() {
		if r.Unsettled != "" {
			commands = append(commands, settle(v, r)...)
		}
	}
	return commands
}

func settle(v cluster.View, r cluster.SlotRange) []cluster.Command {
	doubt := func(lost bool, format string, args ...any) []cluster.Command {
		return []cluster.Command{cluster.SettleRange{At: v.Now, Range: r.ID, Doubt: fmt.Sprintf(format, args...), Lost: lost}}
	}
	if waiting := missing(v); waiting != "" {
		return doubt(r.Lost, "%s", waiting)
	}
	if slices.ContainsFunc(cluster.Sorted(v.Nodes), func(n cluster.Node) bool { return unheard(v, n) }) {
		return nil // for a moment, after each commit
	}
	seen := evidence(v, r)
	for _, s := range seen.strangers {
		return doubt(true, "%s of the former life is there, of which the saved state knows nothing", s)
	}
	if len(seen.unclear) > 0 {
		return doubt(r.Lost, "%s can not be asked", strings.Join(seen.unclear, ", "))
	}
	master, why := judge(v, r, seen)
	if why != "" {
		return doubt(true, "%s", why)
	}
	return []cluster.Command{cluster.SettleRange{At: v.Now, Range: r.ID, Master: master}}
}

// unheard reports whether the node's proxy may still send by other routes than
// those of this board, or its processes are not known.
func unheard(v cluster.View, n cluster.Node) bool {
	r := v.Reports[n.ID]
	return v.Alive[n.ID] && (!v.Heard(n.ID) || r.Proxy.Up && r.Proxy.Revision < v.Revision)
}

// missing says which nodes must be there, or the leases of the former life end,
// before anything can be settled. One that was heard and went away again has
// taken its evidence along.
func missing(v cluster.View) string {
	var names []string
	for _, n := range cluster.Sorted(v.Nodes) {
		switch {
		case n.Absence == cluster.Lost && v.Alive[n.ID]:
			names = append(names, fmt.Sprintf("the lease of node:%d to end", n.ID))
		case v.Awaits(n.ID, v.Alive):
			names = append(names, fmt.Sprintf("node:%d", n.ID))
		}
	}
	if v.Age(v.Cluster.Recovered) < formerLease {
		names = append(names, "the leases of the former life to end")
	}
	if len(names) == 0 {
		return ""
	}
	return "waits for " + strings.Join(names, ", ")
}

// traces are what the hosts show of a range.
type traces struct {
	masters   []cluster.Instance // that run as one, by id
	lost      bool               // a copy was on a host that is gone
	unclear   []string           // that are there and do not answer
	strangers []string           // that the board knows nothing of
}

func evidence(v cluster.View, r cluster.SlotRange) traces {
	var t traces
	for _, i := range instancesOf(v, r) {
		o, _ := v.Observed(i.ID)
		name := fmt.Sprintf("redis:%d on node:%d", i.ID.Shard, i.Node)
		switch {
		case !v.Heard(i.Node):
			t.lost = true
		case o.State == cluster.Up && o.Role == cluster.Master:
			t.masters = append(t.masters, i)
		case o.State != cluster.Up && o.State != cluster.Absent && o.State != "":
			t.unclear = append(t.unclear, name)
		}
	}
	for node, report := range v.Reports {
		for id, o := range report.Instances {
			s, known := v.Shards[id.Shard]
			_, ordered := v.Instances[id]
			if known && s.Range == r.ID && !ordered && v.FormerLife(id) && o.State != cluster.Absent {
				t.strangers = append(t.strangers, fmt.Sprintf("redis:%d (%s) on node:%d", id.Shard, id, node))
			}
		}
	}
	slices.Sort(t.strangers)
	return t
}

func instancesOf(v cluster.View, r cluster.SlotRange) []cluster.Instance {
	list := others(v, r)
	if m, ok := v.Instances[r.Master]; ok {
		list = append([]cluster.Instance{m}, list...)
	}
	return list
}

// judge returns who is master, or why nobody can say. What runs as master counts
// more than what the saved state says: a master whose clients' rights were taken
// had a successor, and one whose history goes on from another's came after it.
func judge(v cluster.View, r cluster.SlotRange, t traces) (cluster.InstanceID, string) {
	serving := slices.Clone(t.masters)
	serving = slices.DeleteFunc(serving, func(i cluster.Instance) bool { o, _ := v.Observed(i.ID); return !o.Serving })
	serving = slices.DeleteFunc(slices.Clone(serving), func(i cluster.Instance) bool {
		return slices.ContainsFunc(serving, func(other cluster.Instance) bool { return succeeds(v, other, i) })
	})
	switch {
	case len(serving) > 1:
		return cluster.InstanceID{}, fmt.Sprintf("%s run as masters, and neither came after the other", named(serving))
	case len(serving) == 1 && serving[0].ID == r.Master:
		return r.Master, ""
	case len(serving) == 1 && (!t.lost || related(v, r, serving[0])):
		return serving[0].ID, ""
	case len(serving) == 1:
		return cluster.InstanceID{}, fmt.Sprintf("%s runs as master with a history that the saved state does not know, and another copy is gone", named(serving))
	}
	m, known := v.Instances[r.Master]
	if !known {
		return cluster.InstanceID{}, "the saved state names no master"
	}
	switch fenced := slices.ContainsFunc(t.masters, func(i cluster.Instance) bool { return i.ID == r.Master }); {
	case fenced && t.lost:
		return cluster.InstanceID{}, fmt.Sprintf("redis:%d was being replaced, and the copy that may have followed it is gone", m.ID.Shard)
	case fenced && len(t.masters) == 1:
		return r.Master, "" // the one that was to follow it was not promoted: it is there, and no master
	case len(t.masters) > 0:
		return cluster.InstanceID{}, fmt.Sprintf("%s run as masters that serve nobody", named(t.masters))
	}
	// Nobody runs as master. Whoever was it by the saved state is gone or ended, and
	// its replica is promoted in the ordinary way, if it has that history.
	if v.Nodes[m.Node].Absence == cluster.Lost && !slices.ContainsFunc(others(v, r), func(i cluster.Instance) bool { return Eligible(v, r, i) }) {
		return cluster.InstanceID{}, fmt.Sprintf("redis:%d was on node:%d, which is lost, and no copy with its history is left", m.ID.Shard, m.Node)
	}
	if o, _ := v.Observed(m.ID); o.State == cluster.Up && !related(v, r, m) {
		return cluster.InstanceID{}, fmt.Sprintf("redis:%d runs as a replica with a history that the saved state does not know, and its master is gone", m.ID.Shard)
	}
	if rivals := rivals(v, r, m); len(rivals) > 0 {
		return cluster.InstanceID{}, fmt.Sprintf("redis:%d has ended, and %s may have what was written last", m.ID.Shard, named(rivals))
	}
	return r.Master, ""
}

// rivals returns the copies that may have been written to after the master of the
// saved state, which has ended: none if one of them can be promoted.
func rivals(v cluster.View, r cluster.SlotRange, m cluster.Instance) []cluster.Instance {
	if !absent(v, m) {
		return nil
	}
	var list []cluster.Instance
	for _, i := range others(v, r) {
		o, _ := v.Observed(i.ID)
		if Eligible(v, r, i) {
			return nil
		}
		if v.Heard(i.Node) && (o.State == cluster.Up || v.Databases[r.ID.Database].Persistence == "aof") {
			list = append(list, i)
		}
	}
	return list
}

// succeeds reports whether the history of one process goes on from the other's.
func succeeds(v cluster.View, later, earlier cluster.Instance) bool {
	a, _ := v.Observed(later.ID)
	b, _ := v.Observed(earlier.ID)
	return later.ID != earlier.ID && b.ReplicationID != "" && a.ReplicationID2 == b.ReplicationID
}

// related reports whether the process has the history that the range last had by
// the saved state, or goes on from it.
func related(v cluster.View, r cluster.SlotRange, i cluster.Instance) bool {
	o, _ := v.Observed(i.ID)
	known := func(id string) bool { return id != "" && (id == r.LastReplID || id == r.PrevReplID) }
	return known(o.ReplicationID) || known(o.ReplicationID2)
}

func named(list []cluster.Instance) string {
	var words []string
	for _, i := range list {
		words = append(words, fmt.Sprintf("redis:%d on node:%d", i.ID.Shard, i.Node))
	}
	return strings.Join(words, " and ")
}
