package agent

import (
	"reflect"
	"time"

	"github.com/haulout/haulout/cluster"
)

// A process rests while nothing moves of which it is a part. A host with a hundred of
// them asks the one that moves often, and not the others: each answer costs its engine.

// justSeen reports whether the process was seen to be well, with nothing to be done, as
// short a time ago as is told of a host on which nothing moves.
func (p *process) justSeen() bool {
	well := p.last.State == cluster.Up && p.last.Reason == "" && (p.last.Role == cluster.Master || p.last.Linked)
	return well && time.Since(p.lastAt) < lookEvery-lookOften/2
}

// seenBefore is what is told of a process that rests.
func (p *process) seenBefore() cluster.Observed {
	o := p.last
	o.Age = time.Since(p.lastAt)
	return o
}

// touches tells of which instances the board says anything else than the one before:
// of those nothing may be told that was seen on that.
func touches(before, now *cluster.Board) func(cluster.InstanceID) bool {
	if before == nil || !reflect.DeepEqual(before.Cluster, now.Cluster) || !reflect.DeepEqual(before.Nodes, now.Nodes) {
		return func(cluster.InstanceID) bool { return true }
	}
	databases, ranges := map[int]bool{}, map[cluster.RangeID]bool{}
	differing(before.Databases, now.Databases, func(d cluster.Database) { databases[d.ID] = true })
	differing(before.Secrets, now.Secrets, func(s cluster.Secrets) { databases[s.Database] = true })
	differing(before.Ranges, now.Ranges, func(r cluster.SlotRange) { ranges[r.ID] = true })
	differing(before.Shards, now.Shards, func(s cluster.Shard) { ranges[s.Range] = true })
	differing(before.Instances, now.Instances, func(i cluster.Instance) { ranges[i.Range] = true })
	return func(id cluster.InstanceID) bool {
		i, ordered := now.Instances[id]
		return !ordered || databases[i.Range.Database] || ranges[i.Range]
	}
}

// differing calls f with what is in one of the maps and not the same in the other.
func differing[K comparable, V any](before, now map[K]V, f func(V)) {
	if reflect.ValueOf(before).Pointer() == reflect.ValueOf(now).Pointer() {
		return // boards share what no change between them has touched
	}
	for k, v := range now {
		if old, there := before[k]; !there || !reflect.DeepEqual(old, v) {
			f(v)
		}
	}
	for k, v := range before {
		if _, there := now[k]; !there {
			f(v)
		}
	}
}
