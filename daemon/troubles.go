package daemon

import (
	"time"

	"github.com/haulout/haulout/cluster"
)

// troubles are what is amiss with this host itself, for the leader to show.
func (r *rooms) troubles(now time.Time) []*cluster.Error {
	var list []*cluster.Error
	add := func(trouble *cluster.Error) {
		if trouble != nil {
			list = append(list, trouble)
		}
	}
	failed := ""
	if f := r.renewalFailed.Load(); f != nil {
		failed = *f
	}
	add(certificateTrouble(r.node, r.credential.Identity(), failed, now))
	add(r.store.Space().Trouble(r.node))
	return list
}
