package recovery

import (
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// atOnce is how many objects one command writes, where it could be all of a kind, as
// after a site had no power: a transaction of the store takes a thousand.
const atOnce = 500

// Lifecycle returns the commands that write down what has come up or gone by
// itself: processes seen serving, replication ids, new databases that are
// ready, deleted ones that are gone.
func Lifecycle(v cluster.View) []cluster.Command {
	var commands []cluster.Command
	for started := range slices.Chunk(newlyStarted(v), atOnce) {
		commands = append(commands, cluster.MarkStarted{Instances: started})
	}
	for ranges := range slices.Chunk(newHistories(v), atOnce) {
		ids := map[cluster.RangeID]string{}
		for _, r := range ranges {
			ids[r.ID] = r.LastReplID
		}
		commands = append(commands, cluster.NoteReplication{IDs: ids})
	}
	commands = append(commands, behind(v)...)
	commands = append(commands, partings(v)...)
	commands = append(commands, found(v)...)
	commands = append(commands, otherPorts(v)...)
	for _, d := range cluster.Sorted(v.Databases) {
		switch {
		case d.Status == cluster.DatabasePending && ready(v, d):
			commands = append(commands, cluster.DatabaseReady{At: v.Now, Database: d.ID})
		case d.Status == cluster.DatabaseDeletePending && forgotten(v, d):
			commands = append(commands, cluster.ForgetDatabase{At: v.Now, Database: d.ID})
		}
	}
	return commands
}

// found returns the lost ranges whose master is there again, with its files.
func found(v cluster.View) []cluster.Command {
	var list []cluster.Command
	for _, r := range v.RangesByID() {
		o, _ := v.Observed(r.Master)
		if r.Lost && r.Unsettled == "" && r.Handover == nil && v.Heard(v.Instances[r.Master].Node) && o.State == cluster.Up && o.Role == cluster.Master {
			list = append(list, cluster.FindRange{At: v.Now, Range: r.ID})
		}
	}
	return list
}

// otherPorts moves instances that can not start, because a stranger has their
// port, to another one. A master that has served keeps its port: clients of
// its data may still be on it.
func otherPorts(v cluster.View) []cluster.Command {
	var list []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		for _, i := range v.InstancesOn(n.ID) {
			o, _ := v.Observed(i.ID)
			serving := i.Started && v.Ranges[i.Range].Master == i.ID
			if v.Heard(n.ID) && !serving && o.State == cluster.Absent && strings.HasPrefix(o.Reason, cluster.PortTaken) {
				list = append(list, cluster.ChangePort{At: v.Now, Instance: i.ID})
			}
		}
	}
	return list
}

// newlyStarted returns the instances that were seen serving for the first time:
// masters as masters, replicas with their first copy complete.
func newlyStarted(v cluster.View) []cluster.InstanceID {
	var list []cluster.InstanceID
	for _, n := range cluster.Sorted(v.Nodes) {
		for _, i := range v.InstancesOn(n.ID) {
			if !i.Started && serves(v, i) {
				list = append(list, i.ID)
			}
		}
	}
	return list
}

func serves(v cluster.View, i cluster.Instance) bool {
	o, _ := v.Observed(i.ID)
	switch {
	case o.State != cluster.Up:
		return false
	case v.Ranges[i.Range].Master == i.ID:
		return o.Role == cluster.Master
	}
	return o.Role == cluster.Slave && o.EverLinked && o.Linked
}

// newHistories returns the ranges whose masters have replication ids that are not written
// down yet, with those. Only a report made on this board counts: an older one may show what was
// master before.
func newHistories(v cluster.View) []cluster.SlotRange {
	var list []cluster.SlotRange
	for _, r := range v.RangesByID() {
		o, _ := v.Observed(r.Master)
		if r.Handover == nil && r.Unsettled == "" && v.Heard(v.Instances[r.Master].Node) && o.State == cluster.Up && o.Role == cluster.Master &&
			o.ReplicationID != "" && (o.ReplicationID != r.LastReplID || r.Unclear) {
			r.LastReplID = o.ReplicationID
			list = append(list, r)
		}
	}
	return list
}

// ready reports whether all of a new database has been seen: every process
// serving, every endpoint listening.
func ready(v cluster.View, d cluster.Database) bool {
	instances, endpoints := v.InstancesOf(d.ID), v.EndpointsOf(d.ID)
	if len(instances) == 0 || slices.ContainsFunc(instances, func(i cluster.Instance) bool { return !i.Started || !serves(v, i) }) {
		return false
	}
	return !slices.ContainsFunc(endpoints, func(e cluster.Endpoint) bool {
		return slices.ContainsFunc(e.Nodes, func(n int) bool {
			return !v.Heard(n) || !v.Reports[n].Proxy.Endpoints[e.ID].Listening
		})
	})
}

// forgotten reports whether nothing runs any more that the board does not
// order, on any live node: then nothing of the deleted database does.
func forgotten(v cluster.View, d cluster.Database) bool {
	for _, n := range cluster.Sorted(v.Nodes) {
		if !v.Alive[n.ID] {
			continue
		}
		if !v.Heard(n.ID) || v.Reports[n.ID].Proxy.Silent || strangers(v, n.ID, d.ID) {
			return false
		}
	}
	return true
}

func strangers(v cluster.View, node, database int) bool {
	for id := range v.Reports[node].Instances {
		if _, ordered := v.Instances[id]; !ordered && !v.FormerLife(id) {
			return true
		}
	}
	for id := range v.Reports[node].Proxy.Endpoints {
		if id.Database == database {
			return true
		}
	}
	return false
}
