package api

import (
	"reflect"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// sameRequest looks for the action that was asked for with the same key and has
// not come to nothing: whoever asks again, because an answer was lost, gets the
// same task. What has been undone meanwhile is asked for anew.
func (c *call) sameRequest(a cluster.Action) (Queued, error) {
	for _, earlier := range c.view.ActionsByAge() {
		if a.Idempotency == "" || earlier.Idempotency != a.Idempotency || earlier.Node != a.Node || earlier.Name != a.Name || !stands(c.view, earlier) {
			continue
		}
		if !reflect.DeepEqual(earlier.Options, a.Options) {
			return Queued{}, cluster.Refuse(cluster.CodeKeyUsed, "give another key, or the options of then", "the idempotency_key %s belongs to a request with other options", a.Idempotency)
		}
		return Queued{Status: wireStatus(earlier), TaskID: earlier.ID}, nil
	}
	return Queued{}, nil
}

// stands reports whether the action is at work, or has done what is still so.
func stands(v cluster.View, a cluster.Action) bool {
	switch m := v.Nodes[a.Node].Maintenance; {
	case !a.Status.Ended():
		return true
	case a.Status != cluster.ActionCompleted:
		return false
	case a.Name == cluster.MaintenanceOn:
		return m != nil && slices.ContainsFunc(m.Holds, func(h cluster.Hold) bool { return h.ID == a.ID })
	case a.Name == cluster.MaintenanceOff:
		return !slices.ContainsFunc(v.ActionsByAge(), func(later cluster.Action) bool {
			return later.Node == a.Node && later.Name == cluster.MaintenanceOn && later.Created.After(a.Created)
		})
	}
	return true
}

// wireStatus is the action's status as the contract writes it.
func wireStatus(a cluster.Action) string {
	if a.Cancel != nil && !a.Status.Ended() {
		return StatusCancelling
	}
	return string(a.Status)
}
