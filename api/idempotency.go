package api

import (
	"reflect"

	"github.com/haulout/haulout/cluster"
)

// sameRequest looks for the action that was asked for with the same key: whoever asks
// again, because an answer was lost, gets the same task.
func (c *call) sameRequest(a cluster.Action) (Queued, error) {
	earlier, found := c.view.SameRequest(a)
	if !found {
		return Queued{}, nil
	}
	if !reflect.DeepEqual(earlier.Options, a.Options) {
		return Queued{}, cluster.Refuse(cluster.CodeKeyUsed, "give another key, or the options of then", "the idempotency_key %s belongs to a request with other options", a.Idempotency)
	}
	return Queued{Status: wireStatus(earlier), TaskID: earlier.ID}, nil
}

// wireStatus is the action's status as the contract writes it.
func wireStatus(a cluster.Action) string {
	if a.Cancel != nil && !a.Status.Ended() {
		return StatusCancelling
	}
	return string(a.Status)
}
