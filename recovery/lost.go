package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Remains is what the hosts show of a lost range.
type Remains struct {
	Range cluster.SlotRange
	// Copy is the best copy, and Lacks what is known of it against one that was its
	// master's equal; without one the ID is zero. Files says that it is not up and has
	// append-only files.
	Copy  cluster.Instance
	Seen  cluster.Observed
	Files bool
	Lacks string
	// Unclear says of which copies it is not known what they have, Unloaded which have
	// files that do not load.
	Unclear, Unloaded cluster.Refusals
}

// Lost returns what is left of the lost ranges of a database, by range. What nodes that
// are given up have, and are down, does not count.
func Lost(v cluster.View, database int, givenUp ...int) []Remains {
	var list []Remains
	for _, r := range v.RangesOf(database) {
		if r.Lost && r.Unsettled == "" {
			list = append(list, remains(v, r, givenUp))
		}
	}
	return list
}

func remains(v cluster.View, r cluster.SlotRange, givenUp []int) Remains {
	left := Remains{Range: r}
	for _, i := range instancesOf(v, r) {
		o, seen := v.Observed(i.ID)
		files := o.State == cluster.Absent && o.Kept.Bytes > 0
		switch {
		case !v.Alive[i.Node] && slices.Contains(givenUp, i.Node):
		case !v.Alive[i.Node]:
			left.Unclear = append(left.Unclear, cluster.Refuse(cluster.CodeNodeDown, fmt.Sprintf("start it; what it has is given up with: lost_nodes %d", i.Node),
				"node:%d is down and may have the data of redis:%d", i.Node, i.ID.Shard))
		case !v.Heard(i.Node), seen && o.State != cluster.Up && o.State != cluster.Absent:
			left.Unclear = append(left.Unclear, cluster.Refuse(cluster.CodeUnheard, "try again in a moment",
				"redis:%d on node:%d does not tell what it has%s", i.ID.Shard, i.Node, cluster.Because(o.Reason)))
		case files && o.Kept.Unsaved:
			left.Unloaded = append(left.Unloaded, cluster.Refuse(cluster.CodeShardLost, "take the file unsaved in its folder away, and what was before is loaded; or move its files away",
				"redis:%d on node:%d has %s of append-only files from before its last copy", i.ID.Shard, i.Node, cluster.Size(o.Kept.Bytes, 2)))
		case files && strings.HasPrefix(o.Reason, cluster.NotLoaded):
			left.Unloaded = append(left.Unloaded, cluster.Refuse(cluster.CodeShardLost, "mend them, for example with redis-check-aof, and they are loaded; or move them away",
				"redis:%d on node:%d has %s of append-only files%s", i.ID.Shard, i.Node, cluster.Size(o.Kept.Bytes, 2), cluster.Because(o.Reason)))
		case files, o.State == cluster.Up && (o.Role == cluster.Master || o.EverLinked && !o.Syncing):
			left.offer(v, i, o, files)
		}
	}
	return left
}

// offer takes the copy if it is better than the one there is: up rather than files, of
// the range's history rather than of another, further than less far.
func (l *Remains) offer(v cluster.View, i cluster.Instance, o cluster.Observed, files bool) {
	rank := func(o cluster.Observed, files bool) (n int) {
		if !files {
			n += 2
		}
		if o.ReplicationID != "" && (o.ReplicationID == l.Range.LastReplID || o.ReplicationID == l.Range.PrevReplID) {
			n++
		}
		return n
	}
	if !l.Copy.ID.IsZero() && cmp.Or(cmp.Compare(rank(o, files), rank(l.Seen, l.Files)), cmp.Compare(o.Offset, l.Seen.Offset)) <= 0 {
		return
	}
	l.Copy, l.Seen, l.Files = i, o, files
	switch lacks := useless(v, l.Range, i); {
	case files:
		l.Lacks = fmt.Sprintf("its files were last written at %s", o.Kept.Written.Format(time.RFC3339))
	case lacks != "":
		l.Lacks = lacks
	default:
		l.Lacks = "nothing is known to be missing"
	}
}

// Recover returns the commands that give the lost ranges of a database masters again:
// the best copies that there are, as they are, or, where empty is asked for, new
// processes without data for ranges of which no copy is left. Ranges without a copy stay
// lost unless empty is. What nodes that are given up have does not count. Nothing is done,
// and all that is against it told, while some copy is not known, and where there is
// nothing to do.
func Recover(v cluster.View, d cluster.Database, empty bool, givenUp []int, by string) ([]cluster.Command, error) {
	left := Lost(v, d.ID, givenUp...)
	against := unfit(v, givenUp)
	if len(left) == 0 && len(against) == 0 {
		return nil, cluster.Refuse(cluster.CodeBadRequest, "see haulout recover list", "nothing of db:%d (%s) is lost", d.ID, d.Name)
	}
	for _, n := range cluster.Sorted(v.Nodes) {
		if unheard(v, n) { // its proxy may still send where the master was
			against = append(against, cluster.Refuse(cluster.CodeUnheard, "try again in a moment", "node:%d has not told that its proxy knows what is lost", n.ID))
		}
	}
	var commands []cluster.Command
	var nothing cluster.Refusals
	for _, l := range left {
		c, why := l.remedy(v, d, empty)
		c.By = by
		switch {
		case len(why) == 0:
			commands = append(commands, c)
		case l.Copy.ID.IsZero() && len(l.Unclear) == 0 && !empty:
			nothing = append(nothing, why...)
		default:
			against = append(against, why...)
		}
	}
	switch {
	case len(against) > 0:
		return nil, against
	case len(commands) == 0:
		return nil, nothing
	}
	return commands, nil
}

// unfit names nodes that can not be given up.
func unfit(v cluster.View, givenUp []int) (list cluster.Refusals) {
	for _, n := range givenUp {
		if v.Alive[n] {
			list = append(list, cluster.Refuse(cluster.CodeBadRequest, "leave it out", "node:%d is up", n))
		} else if _, known := v.Nodes[n]; !known {
			list = append(list, cluster.Refuse(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", n))
		}
	}
	return list
}

// remedy returns what gives the range a master, or all that is against it.
func (l Remains) remedy(v cluster.View, d cluster.Database, empty bool) (c cluster.RecoverRange, against cluster.Refusals) {
	r := l.Range
	c = cluster.RecoverRange{At: v.Now, Range: r.ID}
	title := fmt.Sprintf("slots %s of db:%d (%s)", r.SlotsText(), d.ID, d.Name)
	refuse := func(code cluster.Code, hint, format string, args ...any) (cluster.RecoverRange, cluster.Refusals) {
		return c, append(against, cluster.Refuse(code, hint, format, args...))
	}
	if a, m, claimed := v.Claimed(r.ID); claimed {
		return refuse(cluster.CodeBusy, "wait until it has ended", "%s are being worked on by %s: %s", title, a.Name, m.Text())
	}
	copied := !l.Copy.ID.IsZero()
	switch {
	case r.Handover != nil:
		return refuse(cluster.CodeBusy, "wait until it is", "%s are being taken over", title)
	case len(l.Unclear) > 0:
		return c, l.Unclear
	case copied && empty:
		return refuse(cluster.CodeBadRequest, fmt.Sprintf("serve it: haulout recover db %s", d.Name), "redis:%d on node:%d has data of %s", l.Copy.ID.Shard, l.Copy.Node, title)
	case copied:
		c.Copy, c.ReplicationID, c.Lacks, c.Files = l.Copy.ID, l.Seen.ReplicationID, l.Lacks, l.Files
		return c, nil
	case len(l.Unloaded) > 0 && empty:
		return c, l.Unloaded
	case !empty:
		against = l.Unloaded
		return refuse(cluster.CodeShardLost, fmt.Sprintf("begin empty: haulout recover db %s only_configuration", d.Name), "nothing is left of %s: %s", title, r.LostReason)
	}
	var why string
	if c.Node, why = emptyOn(v, r); c.Node == 0 {
		return refuse(cluster.CodeInsufficientResources, "make room", "%s can begin nowhere: %s", title, why)
	}
	return c, nil
}

// emptyOn is the node on which a range begins empty: where its master was, unless that
// is closed or gone.
func emptyOn(v cluster.View, r cluster.SlotRange) (node int, why string) {
	s := v.Shards[r.Master.Shard]
	if at := v.NodeOf(s); v.Serving(at) && !v.Nodes[at].Closed() {
		return at, ""
	}
	return plan.Replica(v, s)
}
