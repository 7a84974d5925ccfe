package recovery

import (
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
		if down == n.DownSince.IsZero() && (!down || v.Now.Sub(n.Joined) > joining) {
			commands = append(commands, cluster.NoteDown{At: v.Now, Node: n.ID, Down: down})
		}
	}
	return commands
}

// Rebuild returns the commands that rebuild replicas of nodes that stay down:
// a second instance elsewhere, which takes the shard's place once it is complete
// - the old one is kept until then. A node makes or feeds one at a time.
func Rebuild(v cluster.View) []cluster.Command {
	var commands []cluster.Command
	busy := copying(v)
	for _, s := range cluster.Sorted(v.Shards) {
		r := v.Ranges[s.Range]
		if _, _, claimed := v.Claimed(s.Range); claimed || r.Handover != nil {
			continue
		}
		if second, there := v.Second(s); there {
			commands = append(commands, rebuilt(v, s, second)...)
			continue
		}
		from := v.Instances[r.Master].Node
		if !missed(v, s, r) || busy[from] {
			continue
		}
		if to := plan.Replica(v, s); to != 0 && !busy[to] && v.FreePort(to) != 0 {
			busy[from], busy[to] = true, true
			commands = append(commands, cluster.RebuildReplica{At: v.Now, Shard: s.ID, Node: to})
		}
	}
	return commands
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

// missed reports whether the shard is a replica whose node has been down for
// longer than the grace, and not because somebody took it out, while its master
// serves.
func missed(v cluster.View, s cluster.Shard, r cluster.SlotRange) bool {
	n := v.Nodes[v.NodeOf(s)]
	if v.RoleOf(s) == cluster.Master || n.Maintenance != nil || v.Alive[n.ID] || n.DownSince.IsZero() {
		return false
	}
	master, ok := v.Instances[r.Master]
	return ok && !r.Lost && v.Now.Sub(n.DownSince) >= v.Cluster.Grace() && v.Heard(master.Node) && serves(v, master)
}

// rebuilt sees a second instance to its end, unless a move wants it.
func rebuilt(v cluster.View, s cluster.Shard, second cluster.Instance) []cluster.Command {
	if wanted(v, second.ID) {
		return nil
	}
	end := cluster.EndRebuild{At: v.Now, Instance: second.ID}
	old := v.NodeOf(s)
	switch {
	case v.RoleOf(s) == cluster.Master:
		return nil
	case second.Started && v.Heard(second.Node) && serves(v, second):
		end.Done = true
	case !v.Alive[second.Node]:
		end.Reason = fmt.Sprintf("node:%d is down, too", second.Node)
	case v.Nodes[second.Node].Closed():
		end.Reason = fmt.Sprintf("node:%d is taken out of service", second.Node)
	case v.Alive[old]:
		end.Reason = fmt.Sprintf("node:%d is back", old)
	default:
		return nil
	}
	return []cluster.Command{end}
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
