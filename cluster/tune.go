package cluster

import (
	"fmt"
	"strings"
	"time"
)

// Unset is the value of a node's setting that the cluster's own stands in for.
const Unset = -1

// TuneNode changes an operator's settings of a node, or of every node. Nil leaves
// a setting alone.
type TuneNode struct {
	At           time.Time
	Node         int // 0: every node
	MaxShards    *int
	MaxListeners *int
	// MaxForks and MaxFullSyncs are [Unset], 0 for any number, or a number of copies.
	MaxForks     *int
	MaxFullSyncs *int
	QuorumOnly   *bool
	By           string
}

// Apply implements Command. Disabling quorum_only also lifts the mark of
// maintenance mode: the last resort of the operator whose snapshot is unusable.
// If one node can not have it, none has.
func (c TuneNode) Apply(b *Board) (Change, error) {
	nodes := Sorted(b.Nodes)
	if c.Node != 0 {
		n, err := b.node(c.Node)
		if err != nil {
			return Change{}, err
		}
		nodes = []Node{n}
	}
	var change Change
	var faults Refusals
	for _, n := range nodes {
		faults = append(faults, c.against(b, n)...)
		tuned, text := c.tuned(n)
		change.Put = append(change.Put, tuned)
		change.Log = append(change.Log, Entry{Time: c.At, Type: "node_updated", Severity: "INFO", Node: n.ID, By: c.By, Text: text})
	}
	if len(faults) > 0 {
		return Change{}, faults
	}
	return change, nil
}

// against says why the node can not be set so.
func (c TuneNode) against(b *Board, n Node) Refusals {
	var list Refusals
	least := func(name string, value *int, from int) {
		if value != nil && *value < from {
			list = append(list, Refuse(CodeBadRequest, fmt.Sprintf("give a number from %d", from), "%s of node:%d can not be %d", name, n.ID, *value))
		}
	}
	least("max_redis_servers", c.MaxShards, 0)
	least("max_listeners", c.MaxListeners, 0)
	least("max_redis_forks", c.MaxForks, Unset)
	least("max_slave_full_syncs", c.MaxFullSyncs, Unset)
	has := len(b.InstancesOn(n.ID))
	if c.MaxShards != nil && *c.MaxShards >= 0 && *c.MaxShards < has {
		list = append(list, Refuse(CodeInsufficientResources, fmt.Sprintf("move shards away from it first, or give at least %d", has),
			"max_redis_servers of node:%d can not be %d: it has %s", n.ID, *c.MaxShards, Count(has, "shard")))
	}
	if c.QuorumOnly == nil {
		return list
	}
	a, running := b.RunningOn(n.ID)
	switch {
	case *c.QuorumOnly && (has > 0 || len(b.EndpointsOn(n.ID)) > 0):
		list = append(list, Refuse("node_already_populated", fmt.Sprintf("empty it first: haulout node %d maintenance_mode on", n.ID),
			"node:%d has shards or endpoints and can not become quorum-only", n.ID))
	case !*c.QuorumOnly && n.Maintenance != nil && running:
		list = append(list, Refuse(CodeActionRunning, "wait for it to end", "%s is running on node:%d", a.Name, n.ID))
	}
	return list
}

// tuned is the node with its new settings, and what the activity says of them.
func (c TuneNode) tuned(n Node) (Node, string) {
	var said []string
	set := func(name string, value, into *int) {
		if value != nil {
			*into = *value
			said = append(said, fmt.Sprintf("%s %d", name, *value))
		}
	}
	set("max_redis_servers", c.MaxShards, &n.MaxShards)
	set("max_listeners", c.MaxListeners, &n.MaxListeners)
	limits := n.CopyLimits()
	set("max_redis_forks", c.MaxForks, &limits.Forks)
	set("max_slave_full_syncs", c.MaxFullSyncs, &limits.FullSyncs)
	if limits != n.CopyLimits() {
		n.Limits = &limits
	}
	text := ""
	if c.QuorumOnly != nil {
		n.QuorumOnly = *c.QuorumOnly
		said = append(said, "quorum_only "+map[bool]string{true: "enabled", false: "disabled"}[n.QuorumOnly])
		if !n.QuorumOnly && n.Maintenance != nil {
			n.Maintenance = nil
			text = ": the mark of maintenance mode was lifted by hand, nothing was restored"
		}
	}
	return n, fmt.Sprintf("node:%d tuned: %s%s", n.ID, strings.Join(said, ", "), text)
}

// CopyLimits bound the copies on a node at one time: [Unset], 0 for any number,
// or their number.
type CopyLimits struct {
	Forks     int `json:"max_redis_forks"`      // taken from engines on it; each forks
	FullSyncs int `json:"max_slave_full_syncs"` // made on it
}

// CopyLimits bound the copies on the node at one time.
func (n Node) CopyLimits() CopyLimits {
	if n.Limits == nil {
		return CopyLimits{Unset, Unset}
	}
	return *n.Limits
}
