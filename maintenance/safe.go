package maintenance

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
)

// Safe returns what is missing for the node to be shut down without harm:
// nothing if it is out of service and empty, and the quorum stands without it.
// Slaves count only if the last maintenance_on was not asked to keep them.
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
		if role := v.RoleOf(s); role == cluster.Master || !keepsSlaves(v, node) {
			missing = append(missing, fmt.Sprintf("redis:%d is on node:%d as %s", s.ID, node, role))
		}
	}
	missing = append(missing, ordered(v, node)...)
	if v.Alive[node] && v.Heard(node) {
		missing = append(missing, lingering(v, node)...)
	} else if v.Alive[node] {
		missing = append(missing, unseen(v, node))
	}
	for _, e := range (preflight{View: v, id: node, node: n}).quorum() {
		missing = append(missing, e.Message)
	}
	return missing
}

// keepsSlaves reports whether the node's last maintenance_on was to leave slaves.
func keepsSlaves(v cluster.View, node int) bool {
	keeps := false
	for _, a := range v.ActionsByAge() {
		if a.Node == node && a.Name == cluster.MaintenanceOn {
			keeps = a.Options.KeepSlaveShards
		}
	}
	return keeps
}
