package cluster

import "fmt"

// MayLead says why the node can not be made the cluster master by hand, or nil.
// It may for the one that is.
func (v View) MayLead(node int) error {
	n, err := v.node(node)
	if err != nil {
		return err
	}
	switch {
	case v.Leader == node:
		return nil
	case n.Membership != Voter:
		return Refuse(CodeNodeNotVoter, "name a node that votes", "node:%d does not vote: it can not be the cluster master", node)
	case n.Maintenance != nil:
		return Refuse(CodeNodeClosed, fmt.Sprintf("name another node, or bring it back first: haulout node %d maintenance_mode off", node), "node:%d is in maintenance mode", node)
	case n.Removing != "" || n.Vacating != "":
		return Refuse(CodeNodeClosed, "name another node", "node:%d is being emptied", node)
	case !v.Alive[node]:
		return Refuse(CodeNodeDown, "start it, or name another node", "node:%d is down", node)
	}
	if a, running := v.RunningOn(node); running && a.Options.DemoteNode {
		return Refuse(CodeBusy, "name another node", "%s of node:%d is to keep it from being the cluster master", a.Name, node)
	}
	return nil
}
