package recovery

import (
	"cmp"
	"fmt"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// joining is how long a new node may take until its first lease.
const joining = 15 * time.Second

// Liveness returns the commands that write down which nodes went down and which
// are back: the next leader goes on counting from there.
func Liveness(v cluster.View) []cluster.Command {
	var commands []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		down := !v.Alive[n.ID]
		if down == n.DownSince.IsZero() && (!down || v.Age(n.Joined) > joining) {
			commands = append(commands, cluster.NoteDown{At: v.Now, Node: n.ID, Down: down})
		}
	}
	return commands
}

const (
	// stalled is how long a rebuild may go on without a further byte.
	stalled = time.Minute
	// noting is the pause between two notes of how far it is.
	noting = 10 * time.Second
	// retrying is the pause after the last node that could have it did not get it made.
	retrying = 5 * time.Minute
)

// Rebuild returns the commands that rebuild replicas of nodes that stay down, or
// that somebody vacates: a second instance elsewhere, which takes the shard's
// place once it is complete - the old one is kept until then. A node makes or
// feeds one at a time. One that gets no further is given up and tried on another
// node; what can not be rebuilt is written down with the reason.
func Rebuild(v cluster.View) []cluster.Command {
	var commands []cluster.Command
	busy := copying(v)
	for _, s := range cluster.Sorted(v.Shards) {
		r := v.Ranges[s.Range]
		if _, _, claimed := v.Claimed(s.Range); claimed || r.Handover != nil || r.Unsettled != "" {
			continue
		}
		second, there := v.Second(s)
		from := v.Instances[r.Master].Node
		switch {
		case there && v.Leaves(second):
		case there:
			commands = append(commands, rebuilt(v, s, second)...)
		case missed(v, s, r) && !busy[from]:
			commands = append(commands, rebuild(v, s, from, busy)...)
		case s.Rebuild != nil && (v.Alive[v.NodeOf(s)] || v.RoleOf(s) == cluster.Master):
			commands = append(commands, cluster.NoteRebuild{At: v.Now, Shard: s.ID})
		}
	}
	return commands
}

// rebuild begins one, or says why it can not.
func rebuild(v cluster.View, s cluster.Shard, from int, busy map[int]bool) []cluster.Command {
	to, why := target(v, s)
	switch {
	case to == 0 && s.Rebuild != nil && (s.Rebuild.Reason == why || len(s.Rebuild.Tried) > 0):
		return nil // said already; of those that were tried, the last failure is
	case to == 0:
		return []cluster.Command{cluster.NoteRebuild{At: v.Now, Shard: s.ID, Reason: why}}
	case busy[to] || v.FreePort(to) == 0:
		return nil
	}
	busy[from], busy[to] = true, true
	return []cluster.Command{cluster.RebuildReplica{At: v.Now, Shard: s.ID, Node: to}}
}

// target chooses a node that has not been tried, or, after a pause, the one that
// was tried first.
func target(v cluster.View, s cluster.Shard) (node int, why string) {
	if s.Rebuild == nil {
		return plan.Replica(v, s)
	}
	tried := s.Rebuild.Tried
	node, why = plan.Replica(v, s, tried...)
	for n := 1; node == 0 && n <= len(tried) && v.Age(s.Rebuild.At) >= retrying; n++ {
		node, why = plan.Replica(v, s, tried[n:]...)
	}
	return node, why
}

// copying returns the nodes on which a second instance is being made, or which
// have its master.
func copying(v cluster.View) map[int]bool {
	busy := map[int]bool{}
	for _, i := range v.Instances {
		if v.Shards[i.ID.Shard].Instance != i.ID {
			busy[i.Node], busy[v.Instances[v.Ranges[i.Range].Master].Node] = true, true
		}
	}
	return busy
}

// missed reports whether the shard is a replica whose node is down and vacated, or
// has been down for longer than the grace, and not because somebody took it out,
// while its master serves.
func missed(v cluster.View, s cluster.Shard, r cluster.SlotRange) bool {
	n := v.Nodes[v.NodeOf(s)]
	if v.RoleOf(s) == cluster.Master || v.Alive[n.ID] || n.Vacating == "" && !abandoned(v, n) {
		return false
	}
	master, ok := v.Instances[r.Master]
	return ok && !r.Lost && v.Heard(master.Node) && serves(v, master)
}

// abandoned reports whether the node has been down for longer than the grace, and
// not because somebody took it out.
func abandoned(v cluster.View, n cluster.Node) bool {
	return n.Maintenance == nil && !v.Alive[n.ID] && !n.DownSince.IsZero() && v.Age(n.DownSince) >= v.Cluster.Grace()
}

// rebuilt sees a second instance to its end, unless a move wants it.
func rebuilt(v cluster.View, s cluster.Shard, second cluster.Instance) []cluster.Command {
	if wanted(v, second.ID) {
		return nil
	}
	end := cluster.EndRebuild{At: v.Now, Instance: second.ID}
	old := v.NodeOf(s)
	o, _ := v.Observed(second.ID)
	switch {
	case v.RoleOf(s) == cluster.Master:
		end.Reason = fmt.Sprintf("redis:%d is master on node:%d", s.ID, old)
	case second.Started && v.Heard(second.Node) && serves(v, second):
		end.Done = true
	case !v.Alive[second.Node]:
		end.Reason = fmt.Sprintf("node:%d is down, too", second.Node)
	case v.Nodes[second.Node].Closed():
		end.Reason = fmt.Sprintf("node:%d is taken out of service", second.Node)
	case v.Alive[old]:
		end.Reason = fmt.Sprintf("node:%d is back", old)
	case o.SyncedBytes > second.Copied && v.Age(second.CopiedAt) >= noting:
		return []cluster.Command{cluster.NoteCopy{At: v.Now, Instance: second.ID, Bytes: o.SyncedBytes}}
	case v.Age(second.CopiedAt) >= stalled:
		end.Failed, end.Reason = true, standstill(o)
	default:
		return nil
	}
	return []cluster.Command{end}
}

// standstill says where a copy stands that gets no further.
func standstill(o cluster.Observed) string {
	switch {
	case o.State != cluster.Up && o.State != cluster.Loading:
		return "it does not start: " + cmp.Or(o.Reason, string(o.State), "nothing was seen of it")
	case o.EverLinked:
		return "its copy is complete and it does not stay linked to its master"
	}
	return fmt.Sprintf("its copy got no further than %d bytes for %.0f seconds", o.SyncedBytes, stalled.Seconds())
}

// wanted reports whether a move that has not ended made the instance.
func wanted(v cluster.View, id cluster.InstanceID) bool {
	for _, a := range v.Actions {
		for _, m := range a.Moves {
			if !a.Status.Ended() && !m.Status.Ended() && m.Instance == id {
				return true
			}
		}
	}
	return false
}
