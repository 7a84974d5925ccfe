package maintenance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Hosts and processes die and come back, hand-overs fail and leaders crash, in
// the midst of maintenance. Every action reaches an end all the same, no rule is
// broken on the way, and once all hosts are up again the node can be brought
// back to exactly what it was.
func TestEverythingDiesAndNothingIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		count := rapid.IntRange(3, 5).Draw(t, "nodes")
		for range count {
			w.addNode(2000*mega, "", cluster.Voter)
		}
		w.tick()
		for i := range rapid.IntRange(1, 4).Draw(t, "databases") {
			d := cluster.Database{Name: fmt.Sprint("db", i), MemorySize: 400 * mega, ShardsCount: rapid.IntRange(1, 2).Draw(t, "shards"), Replication: true}
			if p, err := plan.Place(w.view(), sized(d)); err == nil {
				w.addDatabase(d, p)
			}
		}
		before, node := w.places(), rapid.IntRange(1, count).Draw(t, "node")
		w.enqueue(cluster.MaintenanceOn, node, anyOptions(t), "")
		w.suffer(t)
		for range 5 {
			if w.board.Nodes[node].Maintenance == nil {
				break
			}
			w.enqueue(cluster.MaintenanceOff, node, cluster.MaintenanceOptions{}, "")
			if rapid.Bool().Draw(t, "again") {
				w.suffer(t)
			}
			w.calm()
		}
		if w.board.Nodes[node].Maintenance != nil {
			t.Fatalf("node:%d does not come back: %v\n%s", node, w.trace, w)
		}
		for _, a := range w.board.Actions {
			if a.Proof == nil {
				continue
			}
			for _, d := range a.Proof.Differences {
				if !strings.HasSuffix(d, "which is down") {
					t.Fatalf("not restored exactly: %s\n%v", d, w.trace)
				}
			}
		}
		if after := w.places(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// suffer lets time pass in which things go wrong, and then waits until the
// actions have ended with all hosts up.
func (w *world) suffer(t *rapid.T) {
	for range rapid.IntRange(0, 12).Draw(t, "events") {
		w.event(t)
		w.tick()
		w.carryFor(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
	}
	w.calm()
}

func (w *world) calm() {
	for _, h := range w.hosts {
		h.up = true
	}
	clear(w.refuse)
	w.carry()
	for range 200 { // replicas that lost their data are copied anew
		w.tick()
	}
}

// event is one misfortune. Only one host at a time is down, and none goes down
// while a range depends on it: more would be a loss, not a misfortune.
func (w *world) event(t *rapid.T) {
	victim := rapid.IntRange(1, len(w.hosts)).Draw(t, "victim")
	switch rapid.SampledFrom([]string{"stop", "start", "crash", "refuse", "leader"}).Draw(t, "event") {
	case "stop":
		if w.spares(victim) {
			h := w.hosts[victim]
			h.up, h.procs, h.listeners = false, map[cluster.InstanceID]*proc{}, map[cluster.EndpointID]*cluster.EndpointState{}
		}
	case "start":
		for _, h := range w.hosts {
			h.up = true
		}
	case "crash":
		for _, id := range slices.SortedFunc(maps.Keys(w.hosts[victim].procs), byShard) {
			if p := w.hosts[victim].procs[id]; p.Role == cluster.Slave && w.allUp() && w.proc(w.board.Ranges[p.of.Range].Master) != nil {
				delete(w.hosts[victim].procs, id)
				return
			}
		}
	case "refuse":
		w.refuse[rapid.IntRange(1, 8).Draw(t, "shard")] = rapid.IntRange(1, 3).Draw(t, "times")
	case "leader":
		w.quota = rapid.IntRange(0, 3).Draw(t, "after")
	}
}

func byShard(a, b cluster.InstanceID) int {
	return a.Shard*100 + a.Incarnation - b.Shard*100 - b.Incarnation
}

// spares reports whether all hosts are up and every range has a copy elsewhere.
func (w *world) spares(victim int) bool {
	if !w.allUp() {
		return false
	}
	for _, r := range w.board.Ranges {
		if r.Handover != nil || w.heir(r, victim) == nil || w.proc(r.Master) == nil {
			return false
		}
	}
	return true
}

func (w *world) allUp() bool {
	for _, h := range w.hosts {
		if !h.up {
			return false
		}
	}
	return true
}

// heir returns the process that has everything its master has, not on the node.
func (w *world) heir(r cluster.SlotRange, not int) *proc {
	for _, n := range slices.Sorted(maps.Keys(w.hosts)) {
		for _, id := range slices.SortedFunc(maps.Keys(w.hosts[n].procs), byShard) {
			p := w.hosts[n].procs[id]
			if n != not && w.hosts[n].up && p.of.Range == r.ID && p.EverLinked && !p.Syncing {
				return p
			}
		}
	}
	return nil
}

// recover promotes an heir where the master's host is down, as the recovery
// room would.
func (w *world) recover() {
	quota := w.quota
	w.quota = -1
	defer func() { w.quota = quota }()
	for _, r := range sortedRanges(w.board) {
		node := w.board.Instances[r.Master].Node
		if r.Handover != nil || w.hosts[node].up && w.proc(r.Master) != nil {
			continue
		}
		p := w.heir(r, node)
		if p == nil || p.of.ID == r.Master {
			continue
		}
		if _, ordered := w.board.Instances[p.of.ID]; !ordered {
			continue
		}
		id := w.newID()
		w.apply(cluster.OpenHandover{At: w.now, ID: id, To: p.of.ID, Unplanned: true})
		p.Role, p.Linked, p.Source = cluster.Master, false, ""
		p.ReplicationID, p.ReplicationID2 = "r"+w.newID(), p.ReplicationID
		w.acked[r.ID] = p.Offset
		w.apply(cluster.CloseHandover{At: w.now, Range: r.ID, ID: id, Moved: true, ReplID: p.ReplicationID})
	}
}

// places is where everything is, without roles: a failover that nobody planned
// may have exchanged them at any time.
func (w *world) places() string {
	return strings.NewReplacer(" master", "", " slave", "").Replace(w.place())
}
