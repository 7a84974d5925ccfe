package maintenance

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// ExplainNode explains the node, which must exist.
func ExplainNode(v cluster.View, n cluster.Node) Explanation {
	e := Explanation{Memory: n.TotalMemory, Summary: fmt.Sprintf("node:%d (%s) has %d of %d shards and %d of %d endpoints",
		n.ID, n.Address, len(v.InstancesOn(n.ID)), n.MaxShards, len(v.EndpointsOn(n.ID)), n.MaxListeners)}
	for _, i := range v.InstancesOn(n.ID) {
		e.Promised += v.Databases[i.Range.Database].ProcessMemory()
	}
	e.whyClosed(v, n)
	for _, s := range v.ShardsOn(n.ID) {
		e.Shards = append(e.Shards, seated(v, s))
	}
	e.actionsOn(v, n)
	e.Next = nextForNode(v, n)
	return e
}

// whyClosed says why the node takes nothing, or that it does.
func (e *Explanation) whyClosed(v cluster.View, n cluster.Node) {
	if !v.Alive[n.ID] {
		since := ""
		if !n.DownSince.IsZero() {
			since = " since " + n.DownSince.UTC().Format(time.RFC3339)
		}
		e.because(cluster.CodeNodeDown, "start its daemon, and look into its log", "it is down%s", since)
	}
	if n.Removing != "" {
		e.because(cluster.CodeNodeClosed, "see haulout cluster running_actions", "it is being removed from the cluster")
	}
	if n.QuorumOnly {
		e.because(cluster.CodeNodeClosed, fmt.Sprintf("open it with haulout tune node %d quorum_only disabled", n.ID), "an operator made it quorum-only: it votes and carries nothing")
	}
	if m := n.Maintenance; m != nil {
		for _, h := range m.Holds {
			e.because(CodeHeld, fmt.Sprintf("haulout node %d maintenance_mode off takes one hold away", n.ID), "%s", heldText(v, h))
		}
	}
	if len(e.Because) == 0 {
		e.because(CodeInService, "", "it is in service and takes shards and endpoints")
	}
}

func heldText(v cluster.View, h cluster.Hold) string {
	text := fmt.Sprintf("%s holds it out since %s", h.Owner, h.Since.UTC().Format(time.RFC3339))
	if why := strings.TrimPrefix(strings.TrimSuffix(h.Cause+": "+h.Reason, ": "), ": "); why != "" {
		text += " (" + why + ")"
	}
	switch {
	case h.Overdue(v.Now):
		text += ", overdue since " + h.Until.UTC().Format(time.RFC3339)
	case !h.Until.IsZero():
		text += ", until " + h.Until.UTC().Format(time.RFC3339)
	}
	return text
}

// actionsOn says what runs on the node, or how the last action on it failed, and
// what stands between a node that is out and its being safe to shut down.
func (e *Explanation) actionsOn(v cluster.View, n cluster.Node) {
	if a, running := v.RunningOn(n.ID); running {
		waits := cmp.Or(ProgressOf(v, a).Waiting, "its next step")
		e.waits(CodeInProgress, cancelHint(a), "%s is %s and waits for %s", a.Name, a.Status, waits)
		return
	}
	var last cluster.Action
	for _, a := range v.ActionsByAge() {
		if a.Node == n.ID {
			last = a
		}
	}
	if last.Error != nil && outstanding(v, n, last) {
		e.waits(last.Error.Code, last.Error.Hint, "%s %s at %s: %s", last.Name, last.Status, last.Ended.UTC().Format(time.RFC3339), last.Error.Message)
		for _, left := range last.Left {
			if !strings.Contains(last.Error.Message, left) {
				e.waits(last.Error.Code, "", "left: %s", left)
			}
		}
	}
	if n.Maintenance != nil {
		for _, missing := range Safe(v, n.ID) {
			e.waits(CodeUnsafe, "", "it may not be shut down: %s", missing)
		}
	}
}

// outstanding reports whether somebody still has to see to what an ended action did
// not do: while the node is out, or down with what a vacate could not save.
func outstanding(v cluster.View, n cluster.Node, a cluster.Action) bool {
	return n.Maintenance != nil || a.Name == cluster.VacateNode && !v.Alive[n.ID] && len(v.ShardsOn(n.ID)) > 0
}

func nextForNode(v cluster.View, n cluster.Node) string {
	a, running := v.RunningOn(n.ID)
	switch {
	case running:
		return cancelHint(a)
	case n.Maintenance != nil && len(Safe(v, n.ID)) == 0:
		return fmt.Sprintf("do the work, then: haulout node %d maintenance_mode off", n.ID)
	case n.Maintenance != nil:
		return fmt.Sprintf("run haulout node %d maintenance_mode on again to empty it, or off to bring it back", n.ID)
	case !v.Alive[n.ID]:
		return fmt.Sprintf("start the daemon of node:%d", n.ID)
	case n.QuorumOnly:
		return fmt.Sprintf("to let it carry shards: haulout tune node %d quorum_only disabled", n.ID)
	}
	if err := Refusals(Preflight(v, n.ID, cluster.MaintenanceOn, cluster.MaintenanceOptions{})); err != nil {
		var list cluster.Refusals
		errors.As(err, &list)
		return "nothing has to be done; it can not be taken out now: " + list[0].Error()
	}
	return fmt.Sprintf("nothing has to be done; to take it out: haulout node %d maintenance_mode on", n.ID)
}
