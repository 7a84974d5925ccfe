package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The commands that take a node out of the cluster for good.

// Carried names what the board has on the node: instances, and endpoints that
// its proxy shall listen for.
func (b *Board) Carried(node int) []string {
	var list []string
	for _, i := range b.InstancesOn(node) {
		name := fmt.Sprintf("redis:%d", i.ID.Shard)
		if b.Shards[i.ID.Shard].Instance != i.ID {
			name = "a copy of " + name
		}
		list = append(list, name)
	}
	for _, e := range b.endpoints(func(e Endpoint) bool { return e.ServedBy(node) }) {
		list = append(list, "endpoint:"+e.ID.String())
	}
	return list
}

// Removable returns nil if nothing is left on the node.
func (b *Board) Removable(node int) *Error {
	carried := b.Carried(node)
	if len(carried) == 0 {
		return nil
	}
	return Refuse(CodeBusy, fmt.Sprintf("empty it first: haulout node %d vacate", node),
		"node:%d still carries %s", node, strings.Join(carried, ", "))
}

// Removed reports whether the node was in the cluster and is not any more. Ids are
// never used twice, so that one this board does not know yet counts as not removed;
// nor does one that a former life may have given to a host after the state was saved.
func (b *Board) Removed(node int) bool {
	_, there := b.Nodes[node]
	return !there && node > 0 && node < b.Cluster.NextNode && !b.FormerNode(node)
}

// BeginRemoval closes the node for good: from now on nothing is placed on it.
// The removal is on the board before the quorum is told.
type BeginRemoval struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c BeginRemoval) Apply(b *Board) (Change, error) {
	a, n, err := b.runningOn(c.Action)
	if err != nil {
		return Change{}, err
	}
	if err := b.Removable(n.ID); err != nil {
		return Change{}, err
	}
	n.Removing, a.Marked = a.ID, true
	return Change{Put: []Object{n, a}, Log: []Entry{a.entry(c.At, "node_closed", "INFO", fmt.Sprintf("node:%d is leaving the cluster", n.ID))}}, nil
}

// CompleteRemoval takes the node off the board, with its snapshots and what
// earlier actions left there. The quorum has let it go before.
type CompleteRemoval struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c CompleteRemoval) Apply(b *Board) (Change, error) {
	a, n, err := b.runningOn(c.Action)
	if err != nil {
		return Change{}, err
	}
	if n.Removing != a.ID {
		return Change{}, fmt.Errorf("node %d is not being removed by action %s", n.ID, a.ID)
	}
	if err := b.Removable(n.ID); err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	a.Ended = c.At
	text := fmt.Sprintf("node:%d at %s was removed", n.ID, n.Address)
	if voters := b.votersBeside(n.ID); n.Membership == Voter && voters%2 == 0 {
		until := "another one joins"
		if next, known := b.NextVoter(n.ID); known {
			until = fmt.Sprintf("node:%d does, too", next)
		}
		text += fmt.Sprintf(": %d nodes vote, an even number, until %s", voters, until)
	}
	change := Change{Put: []Object{a}, Delete: []Key{n.Key()}, Log: []Entry{a.entry(c.At, "completed", "INFO", text)}}
	for _, s := range b.SnapshotsOf(n.ID) {
		change.Delete = append(change.Delete, s.Key())
	}
	for _, old := range b.ActionsByAge() {
		if _, stays := b.Nodes[old.Node]; old.ID != a.ID && (old.Node == n.ID || !stays) {
			change.Delete = append(change.Delete, old.Key())
		}
	}
	return change, nil
}

// votersBeside counts the voting nodes except one.
func (b *Board) votersBeside(node int) int {
	voters := slices.DeleteFunc(Sorted(b.Nodes), func(n Node) bool { return n.ID == node || n.Membership != Voter })
	return len(voters)
}

// NextVoter returns the node that votes when the given one is gone: a learner that
// has waited for another to be voters with.
func (b *Board) NextVoter(without int) (node int, known bool) {
	for _, n := range Sorted(b.Nodes) {
		if n.ID != without && n.Membership == Learner && n.Removing == "" {
			return n.ID, true
		}
	}
	return 0, false
}
