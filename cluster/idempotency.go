package cluster

import "slices"

// SameRequest returns the action that was asked for with the key of this one and has not
// come to nothing. What has been undone meanwhile is asked for anew.
func (b *Board) SameRequest(a Action) (Action, bool) {
	for _, earlier := range b.ActionsByAge() {
		if a.Idempotency != "" && earlier.Idempotency == a.Idempotency && earlier.Node == a.Node && earlier.Name == a.Name && b.stands(earlier) {
			return earlier, true
		}
	}
	return Action{}, false
}

// stands reports whether the action is at work, or has done what is still so.
func (b *Board) stands(a Action) bool {
	switch m := b.Nodes[a.Node].Maintenance; {
	case !a.Status.Ended():
		return true
	case a.Status != ActionCompleted:
		return false
	case a.Name == MaintenanceOn:
		return m != nil && slices.ContainsFunc(m.Holds, func(h Hold) bool { return h.ID == a.ID })
	case a.Name == MaintenanceOff:
		return !slices.ContainsFunc(b.ActionsByAge(), func(later Action) bool {
			return later.Node == a.Node && later.Name == MaintenanceOn && later.Created.After(a.Created)
		})
	}
	return true
}
