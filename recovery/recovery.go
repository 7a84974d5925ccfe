package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Next returns the commands for every range whose master is gone: a hand-over
// to the best eligible replica, or the admission that none is left. None means
// that all masters are there, or that somebody must be heard of first. ids
// supplies ids for hand-overs, fresh and unique with each call.
func Next(v cluster.View, ids func() string) []cluster.Command {
	var commands []cluster.Command
	for _, r := range v.RangesByID() {
		if r.Handover != nil || r.Unsettled != "" {
			continue
		}
		gone, why := masterGone(v, r), ""
		if gone != "" {
			why = withheld(v, r)
		}
		if why != r.Withheld {
			commands = append(commands, cluster.NoteWithheld{At: v.Now, Range: r.ID, Reason: why})
		}
		if gone == "" || why != "" {
			continue
		}
		if to, ok := successor(v, r); ok {
			commands = append(commands, cluster.OpenHandover{At: v.Now, ID: ids(), To: to, Unplanned: true, Reason: gone})
		} else if why := lost(v, r); why != "" && !r.Lost {
			commands = append(commands, cluster.LoseRange{At: v.Now, Range: r.ID, Reason: why})
		}
	}
	return commands
}

// masterGone says why nobody serves the range and nobody will by itself, or "": its
// master once served, and it is gone with its host, or it was seen gone by a report
// made on this very board.
func masterGone(v cluster.View, r cluster.SlotRange) string {
	i, ok := v.Instances[r.Master]
	switch {
	case !ok:
		return "it is not on the board"
	case !i.Started:
		return ""
	case !v.Alive[i.Node]:
		return fmt.Sprintf("the lease of node:%d has ended", i.Node)
	case v.Gone(i):
		return fmt.Sprintf("node:%d refuses connections, at its port too", i.Node)
	case absent(v, i):
		return "its process has ended"
	case Hung(v, i.ID):
		return fmt.Sprintf("its process has not answered for %s", hungAfter)
	}
	return ""
}

// hungAfter is how long a process may not answer its own host before another
// takes its place. It is longer than any command a tenant should send.
const hungAfter = 30 * time.Second

// Hung reports whether the process is there and has not answered for long. If it
// wakes up no proxy sends to it any more, and its agent makes it a replica.
func Hung(v cluster.View, id cluster.InstanceID) bool {
	o, _ := v.Observed(id)
	return v.Heard(v.Instances[id].Node) && o.State == cluster.Unresponsive && o.SilentFor >= hungAfter
}

func absent(v cluster.View, i cluster.Instance) bool {
	o, seen := v.Observed(i.ID)
	return v.Heard(i.Node) && (!seen || o.State == cluster.Absent)
}

// others returns the instances of the range besides its master, by id.
func others(v cluster.View, r cluster.SlotRange) []cluster.Instance {
	var list []cluster.Instance
	for _, i := range v.Instances {
		if i.Range == r.ID && i.ID != r.Master {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b cluster.Instance) int {
		return cmp.Or(cmp.Compare(a.ID.Shard, b.ID.Shard), cmp.Compare(a.ID.Incarnation, b.ID.Incarnation))
	})
	return list
}

// successor returns the eligible replica with the highest offset, of those that
// the master's host knows of, once every live host of a replica has been heard on
// this board. Of equals it is one that is not leaving, and the one on a node in service.
func successor(v cluster.View, r cluster.SlotRange) (cluster.InstanceID, bool) {
	var best cluster.Instance
	for _, i := range others(v, r) {
		if v.Gone(i) {
			continue
		}
		if !v.Heard(i.Node) {
			return cluster.InstanceID{}, false
		}
		if Eligible(v, r, i) && v.Considered(v.Instances[r.Master], i) && (best.ID.IsZero() || better(v, i, best)) {
			best = i
		}
	}
	return best.ID, !best.ID.IsZero()
}

// Foremost reports whether recovery would choose the instance if its master were gone
// now: it is eligible, every live host of a copy has been heard on this board, none of
// them has more, and nobody is waited for who may.
func Foremost(v cluster.View, r cluster.SlotRange, id cluster.InstanceID) bool {
	i, there := v.Instances[id]
	if !there || v.Gone(i) || !v.Heard(i.Node) || !Eligible(v, r, i) || withheld(v, r) != "" {
		return false
	}
	mine, _ := v.Observed(id)
	return !slices.ContainsFunc(others(v, r), func(o cluster.Instance) bool {
		theirs, _ := v.Observed(o.ID)
		return !v.Gone(o) && (!v.Heard(o.Node) || Eligible(v, r, o) && theirs.Offset > mine.Offset)
	})
}

func better(v cluster.View, i, than cluster.Instance) bool {
	a, _ := v.Observed(i.ID)
	b, _ := v.Observed(than.ID)
	if a.Offset != b.Offset {
		return a.Offset > b.Offset
	}
	if leaves := v.Leaves(than); leaves != v.Leaves(i) {
		return leaves
	}
	return v.Nodes[than.Node].Closed() && !v.Nodes[i.Node].Closed()
}

// Eligible reports whether a replica may become master of the range without its
// master's help: it answers, its first copy is complete, none is under way, and
// its data is of the history that the range last had, or the one before, and it
// has all that its master was seen to have when it had been without it for long.
func Eligible(v cluster.View, r cluster.SlotRange, i cluster.Instance) bool {
	o, seen := v.Observed(i.ID)
	if !seen || !v.Alive[i.Node] || o.State != cluster.Up || !o.EverLinked || o.Syncing || lacksWrites(v, r, i, o) {
		return false
	}
	known := func(id string) bool { return id != "" && (id == r.LastReplID || id == r.PrevReplID) }
	return known(o.ReplicationID) || known(o.ReplicationID2)
}

// lacksWrites reports whether the replica was seen to lack what clients may have been
// told is kept. Where every replica has to have a write before it is answered, it does not.
func lacksWrites(v cluster.View, r cluster.SlotRange, i cluster.Instance, o cluster.Observed) bool {
	replicas := 0
	for _, other := range others(v, r) {
		if other.Seed.IsZero() {
			replicas++
		}
	}
	return o.Offset < i.Behind && replicas > v.Databases[r.ID.Database].MinReplicas
}

// lost says why the range has no copy left, or "" while one may still come back.
func lost(v cluster.View, r cluster.SlotRange) string {
	if i, ok := v.Instances[r.Master]; ok && !gone(v, i, len(others(v, r)) > 0) {
		return ""
	}
	var words []string
	for _, i := range others(v, r) {
		why := useless(v, r, i)
		if why == "" {
			return ""
		}
		words = append(words, why)
	}
	if len(words) == 0 {
		return fmt.Sprintf("redis:%d had the only copy and is gone", r.Master.Shard)
	}
	return fmt.Sprintf("redis:%d is gone and %s", r.Master.Shard, strings.Join(words, ", "))
}

// gone reports whether a master will not serve its data again by itself: its process
// was seen gone, and its files, if it wrote any, can not be loaded. That of a
// replicated range is never started as a master again. What is on a node that is
// being vacated without its help is not waited for, unless it is seen to live.
func gone(v cluster.View, i cluster.Instance, replicated bool) bool {
	if v.WrittenOff(i.Node) {
		return !v.Answers(i)
	}
	if !absent(v, i) {
		return false
	}
	if replicated || v.Databases[i.Range.Database].Persistence != "aof" {
		return true
	}
	o, _ := v.Observed(i.ID)
	return strings.HasPrefix(o.Reason, cluster.NotLoaded)
}

// useless says why a replica that has been seen can not take over, or "" if it
// was not seen or may still become eligible.
func useless(v cluster.View, r cluster.SlotRange, i cluster.Instance) string {
	o, seen := v.Observed(i.ID)
	switch {
	case v.WrittenOff(i.Node) && !v.Answers(i):
		return fmt.Sprintf("node:%d with redis:%d too", i.Node, i.ID.Shard)
	case !v.Heard(i.Node):
		return ""
	case !seen || o.State == cluster.Absent:
		return fmt.Sprintf("redis:%d too", i.ID.Shard)
	case o.State != cluster.Up:
		return ""
	case o.Syncing || !o.EverLinked:
		return fmt.Sprintf("the copy of redis:%d is not complete", i.ID.Shard)
	case lacksWrites(v, r, i, o):
		return fmt.Sprintf("redis:%d lacks what its master wrote from offset %d to at least %d", i.ID.Shard, o.Offset, i.Behind)
	case !Eligible(v, r, i):
		return fmt.Sprintf("redis:%d has data of another history", i.ID.Shard)
	}
	return ""
}
