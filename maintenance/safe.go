package maintenance

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// fresh is how old the report of a node may be that is believed to be empty.
const fresh = 5 * time.Second

// Safe returns what is missing for the node to be shut down without harm:
// nothing if it is out of service and seen to be empty, no copy on it is the
// last, and the quorum stands without it. Slaves count unless its newest hold keeps
// them.
func Safe(v cluster.View, node int) []string {
	n, ok := v.Nodes[node]
	if !ok {
		return []string{fmt.Sprintf("there is no node:%d", node)}
	}
	var missing []string
	if n.Maintenance == nil {
		missing = append(missing, fmt.Sprintf("node:%d is not in maintenance mode", node))
	}
	if a, running := v.RunningOn(node); running {
		missing = append(missing, fmt.Sprintf("%s is %s", a.Name, a.Status))
	}
	for _, s := range v.ShardsOn(node) {
		if role := v.RoleOf(s); role == cluster.Master || !n.Maintenance.KeepsSlaves(s.Range.Database) {
			missing = append(missing, fmt.Sprintf("redis:%d is on node:%d as %s", s.ID, node, role))
		}
	}
	missing = append(missing, lastCopies(v, node)...)
	missing = append(missing, ordered(v, node)...)
	switch {
	case !v.Alive[node]: // it is down already
	case v.Fresh(node, fresh) && unseen(v, node) != "":
		missing = append(missing, unseen(v, node))
	case v.Fresh(node, fresh):
		missing = append(missing, lingering(v, node)...)
		missing = append(missing, connected(v, node)...)
	default:
		missing = append(missing, awaitedReport(node))
	}
	for _, e := range (preflight{View: v, id: node, node: n}).quorum() {
		missing = append(missing, e.Message)
	}
	return missing
}

// Observable reports whether what Safe says of the node rests on a report of now.
func Observable(v cluster.View, node int) bool { return !v.Alive[node] || v.Fresh(node, fresh) }

func awaitedReport(node int) string {
	return fmt.Sprintf("the newest report of node:%d is awaited", node)
}

// Notes are what is worth knowing before the node is shut down and does not
// stand against it.
func Notes(v cluster.View, node int) []string {
	var notes []string
	for _, s := range v.ShardsOn(node) {
		if partner, ok := v.Partner(s); ok && v.RoleOf(s) == cluster.Slave && v.Nodes[node].Maintenance.KeepsSlaves(s.Range.Database) {
			notes = append(notes, fmt.Sprintf("redis:%d on node:%d is without a replica while redis:%d is down with node:%d", partner.ID, v.NodeOf(partner), s.ID, node))
			if d := v.Databases[s.Range.Database]; d.MinReplicas > 0 {
				notes = append(notes, fmt.Sprintf("db:%d (%s) takes no writes for slots %s meanwhile: min_replicas is %d", d.ID, d.Name, v.Ranges[s.Range].SlotsText(), d.MinReplicas))
			}
		}
	}
	if v.Leader == node && v.Alive[node] {
		then := "another node takes the lead over when it goes down"
		if !(preflight{View: v, id: node}).successor() {
			then = "nobody does while it is down"
		}
		notes = append(notes, fmt.Sprintf("node:%d leads the cluster: %s", node, then))
	}
	return notes
}

// lastCopies names the slaves that stay on the node although their master is not
// seen serving.
func lastCopies(v cluster.View, node int) []string {
	var list []string
	for _, s := range v.ShardsOn(node) {
		if v.RoleOf(s) == cluster.Slave && v.Nodes[node].Maintenance.KeepsSlaves(s.Range.Database) && !servedElsewhere(v, s) {
			list = append(list, fmt.Sprintf("redis:%d on node:%d would be the last copy of its slots: its master does not answer", s.ID, node))
		}
	}
	return list
}

// servedElsewhere reports whether the shard's master was seen serving on another
// node just now.
func servedElsewhere(v cluster.View, s cluster.Shard) bool {
	r := v.Ranges[s.Range]
	master, ok := v.Instances[r.Master]
	o, seen := v.Observed(master.ID)
	return ok && r.Handover == nil && master.Node != v.NodeOf(s) && v.Fresh(master.Node, fresh) &&
		seen && o.State == cluster.Up && o.Role == cluster.Master
}

// connected names the endpoints with clients on the node.
func connected(v cluster.View, node int) []string {
	var list []string
	for id, s := range v.Reports[node].Proxy.Endpoints {
		if s.Connections > 0 {
			list = append(list, fmt.Sprintf("endpoint:%s has %s on node:%d", id, cluster.Count(s.Connections, "client connection"), node))
		}
	}
	slices.Sort(list)
	return list
}
