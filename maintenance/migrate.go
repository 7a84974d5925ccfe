package maintenance

import (
	"cmp"
	"fmt"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// The waits and attempts of a migration. Bytes are copied at no less than
// slowest a second, or the copy is given up.
const (
	starting       = 60 * time.Second
	copying        = 120 * time.Second
	switching      = 60 * time.Second
	leaving        = 120 * time.Second
	slowest        = 5 << 20
	seeding        = 30 * time.Second
	copyAttempts   = 3
	switchAttempts = 5
)

// copyTime is how long an attempt may take to get its copy in sync.
func copyTime(m cluster.Move) time.Duration {
	return copying + time.Duration(m.Bytes/slowest)*time.Second
}

// migrate brings a shard to another node: a second instance, seeded from the
// replica side where there is one, pointed at the master, switched to, and the
// old one gone.
func (t *turn) migrate(m cluster.Move) step {
	s, ok := t.Shards[m.Shard]
	if !ok {
		return t.done(m) // its database is gone, and with it all there was to move
	}
	r := t.Ranges[s.Range]
	second, there := t.Instances[m.Instance]
	switch {
	case r.Handover != nil:
		return wait("the slots of redis:%d to be handed over", s.ID)
	case t.NodeOf(s) == m.To:
		return t.left(m, s)
	case m.Instance.IsZero():
		return t.beginCopy(m, s, r)
	case !there:
		return t.again(m, copyAttempts, cluster.Refuse(cluster.CodeNotInSync, "", "the copy of redis:%d to node:%d was given up", s.ID, m.To))
	case m.Handover != "":
		return t.again(m, switchAttempts, cluster.Refuse(cluster.CodeHandoverFailed, "see the activity for the reason",
			"redis:%d on node:%d did not become master", s.ID, m.To))
	}
	return t.copy(m, s, second)
}

// beginCopy orders the second instance.
func (t *turn) beginCopy(m cluster.Move, s cluster.Shard, r cluster.SlotRange) step {
	for _, n := range cluster.Sorted(t.Nodes) {
		for _, i := range t.InstancesOn(n.ID) {
			if i.ID.Shard == s.ID && t.Leaves(i) {
				if t.past(m, leaving) {
					return t.again(m, copyAttempts, cluster.Refuse(cluster.CodeNotInSync, "", "redis:%d on node:%d stays until others have what it has", s.ID, i.Node))
				}
				return wait("redis:%d on node:%d to leave", s.ID, i.Node)
			}
			if i.ID.Shard == s.ID && i.ID != s.Instance {
				return do(cluster.DropInstance{Instance: i.ID})
			}
		}
	}
	if err := plan.Fits(t.View, m); err != nil {
		attempts := copyAttempts
		if r.Lost {
			attempts = m.Attempt + 1
		}
		return t.again(m, attempts, joined(err))
	}
	// A stranger may hold the port of the attempt before.
	add := cluster.AddInstance{Action: t.a.ID, Move: m.ID, Pass: m.Attempt - 1}
	source, replicated := t.seed(s, r)
	if !replicated {
		return do(add)
	}
	why, newer := unsynced(t.View, source), ""
	if program, its := t.Reports[m.To].Engine, t.EngineOf(source.ID); !program.Loads(its) {
		newer = fmt.Sprintf("is of %s, which %s on node:%d can not load", its, program, m.To)
	}
	if why == "" && newer == "" {
		add.Seed = source.ID
		return do(add)
	}
	if why = cmp.Or(newer, why); newer == "" && t.Alive[source.Node] && !t.past(m, seeding) {
		return wait("redis:%d on node:%d, to copy from it: it %s", source.ID.Shard, source.Node, why)
	}
	// A decision of its own, for the log: the fork costs the master's clients a stall.
	return do(cluster.RecordEntry{Entry: cluster.Entry{
		Time: t.Now, Type: "shard_copied_from_master", Severity: "WARNING", Node: m.To, Database: s.Range.Database, Shard: s.ID,
		Action: t.a.ID, By: t.a.By, Text: fmt.Sprintf("redis:%d is copied from its serving master: redis:%d on node:%d %s", s.ID, source.ID.Shard, source.Node, why),
	}}, add)
}

// seed returns the replica to copy from: the moving shard itself if it is a
// slave, else its partner, if it has one.
func (t *turn) seed(s cluster.Shard, r cluster.SlotRange) (cluster.Instance, bool) {
	if r.Master != s.Instance {
		return t.Instances[s.Instance], true
	}
	partner, ok := t.Partner(s)
	return t.Instances[partner.Instance], ok
}

// copy sees the second instance through its copy, and then switches to it.
func (t *turn) copy(m cluster.Move, s cluster.Shard, second cluster.Instance) step {
	switch err := plan.Fits(t.View, m); {
	case err != nil && t.Ranges[s.Range].Lost: // to be planned anew, which leaves it out
		return do(cluster.DropInstance{Instance: second.ID}).and(t.again(m, m.Attempt+1, joined(err)))
	case err != nil:
		return t.dropCopy(m, second, "%v", err)
	}
	if _, heard := t.Reports[m.To]; !heard && !t.past(m, copyTime(m)) {
		return wait("the first report of node:%d", m.To)
	}
	o, _ := t.Observed(second.ID)
	up := o.State == cluster.Up || o.State == cluster.Loading
	if !up && t.past(m, starting) {
		return t.dropCopy(m, second, "it does not start on node:%d%s", m.To, cluster.Because(o.Reason))
	}
	source := t.Instances[second.Seed]
	if second.Seed.IsZero() {
		source = t.Instances[t.Ranges[s.Range].Master]
	}
	if why := unlinked(t.View, second, source); why != "" {
		if !second.Seed.IsZero() && !t.Alive[source.Node] {
			return t.dropCopy(m, second, "node:%d, from which it was copied, is down", source.Node)
		}
		if t.past(m, copyTime(m)) {
			return t.dropCopy(m, second, "it %s after %s", why, copyTime(m))
		}
		return wait("redis:%d on node:%d, which %s (%s of %s)", s.ID, m.To, why, cluster.Size(o.SyncedBytes, 1), cluster.Size(max(o.SyncTotal, m.Bytes), 1))
	}
	if !second.Seed.IsZero() {
		return t.repoint(m, second, o)
	}
	return t.switchOver(m, s, second)
}

// repoint lets the copy follow the master, if the master can go on from where
// the copy is, without a copy of its own.
func (t *turn) repoint(m cluster.Move, second cluster.Instance, o cluster.Observed) step {
	r := t.Ranges[second.Range]
	master, seen := t.Observed(r.Master)
	switch {
	case !seen || master.State != cluster.Up:
		if t.past(m, copyTime(m)+switching) {
			return t.dropCopy(m, second, "its master does not answer")
		}
		return wait("the master of redis:%d to answer", second.ID.Shard)
	case master.Role != cluster.Master: // as it was before it became one
		if t.past(m, copyTime(m)+switching) {
			return t.dropCopy(m, second, "its master is not shown as one")
		}
		return wait("node:%d to show the new master of redis:%d as one", t.Instances[r.Master].Node, second.ID.Shard)
	case o.ReplicationID != master.ReplicationID && o.ReplicationID != master.ReplicationID2:
		return t.dropCopy(m, second, "its data has another history than its master's")
	case o.Offset+1 < master.BacklogFirst:
		return t.dropCopy(m, second, "it is at offset %d and its master remembers from %d", o.Offset, master.BacklogFirst)
	}
	return do(cluster.Repoint{Instance: second.ID})
}

// switchOver makes the second instance the shard, by a hand-over if it is to
// be master.
func (t *turn) switchOver(m cluster.Move, s cluster.Shard, second cluster.Instance) step {
	if why := unready(t.View, second); why != "" {
		if t.past(m, copyTime(m)+switching) {
			return t.dropCopy(m, second, "it %s", why)
		}
		return wait("redis:%d on node:%d, which %s", s.ID, m.To, why)
	}
	// What leaves may have the only files with the data.
	if o, _ := t.Observed(second.ID); o.Unsaved {
		if t.past(m, copyTime(m)+switching) {
			return t.dropCopy(m, second, "its append-only files are not written")
		}
		return wait("redis:%d on node:%d to write its append-only files", s.ID, m.To)
	}
	if t.Ranges[s.Range].Master == s.Instance {
		return t.handover(m, second)
	}
	return do(cluster.SwitchInstance{Instance: second.ID})
}

// dropCopy gives the attempt's copy up.
func (t *turn) dropCopy(m cluster.Move, second cluster.Instance, format string, args ...any) step {
	err := cluster.Refuse(cluster.CodeNotInSync, "", "the copy of redis:%d to node:%d was given up: %s", m.Shard, m.To, fmt.Sprintf(format, args...))
	return do(cluster.DropInstance{Instance: second.ID}).and(t.again(m, copyAttempts, err))
}

// left waits until the old process has been seen gone. A host that is down is
// not waited for: it reads the board before it starts anything.
func (t *turn) left(m cluster.Move, s cluster.Shard) step {
	switch {
	case !t.Alive[m.From], t.Heard(m.From) && !t.remains(m.From, s):
		return t.done(m)
	case t.past(m, copyTime(m)+switching+leaving):
		return t.failed(m, cluster.Refuse(cluster.CodeDeadline, "", "the old process of redis:%d is still on node:%d", s.ID, m.From))
	}
	return wait("the old process of redis:%d to leave node:%d", s.ID, m.From)
}

// remains reports whether the node shows a process of the shard that is not
// the shard any more.
func (t *turn) remains(node int, s cluster.Shard) bool {
	for id := range t.Reports[node].Instances {
		if id.Shard == s.ID && id != s.Instance {
			return true
		}
	}
	return false
}
