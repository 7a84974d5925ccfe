package controller

import (
	"testing"
	"testing/synctest"

	"github.com/haulout/haulout/cluster"
)

// A host that comes back is not what it was until it says so: the power cut that
// took its lease took its processes, too.
func TestReportBeforeTheLeaseEndedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		o.report(nil)
		o.kill(2)
		if seen, known := o.View().Observed(two); !known || seen.State != cluster.Up {
			t.Errorf("while it is away: %+v, known: %v", seen, known)
		}
		o.revive(2)
		if seen, known := o.View().Observed(two); known {
			t.Errorf("back, and not heard yet: %+v", seen)
		}
		o.report(func(r *cluster.Report) {
			r.BootID = "another"
			if r.Node == 2 {
				r.Instances[two] = cluster.Observed{State: cluster.Absent}
			}
		})
		if seen, known := o.View().Observed(two); !known || seen.State != cluster.Absent {
			t.Errorf("heard: %+v, known: %v", seen, known)
		}
	})
}

// What a host reports before its new lease is seen is of its new life.
func TestReportOfAReturningHostCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		o.report(nil)
		o.kill(2)
		o.View()
		o.Report(cluster.Report{Node: 2, BootID: "another", Instances: map[cluster.InstanceID]cluster.Observed{two: {State: cluster.Absent}}})
		o.revive(2)
		for range 2 {
			if seen, known := o.View().Observed(two); !known || seen.State != cluster.Absent {
				t.Errorf("%+v, known: %v", seen, known)
			}
		}
	})
}
