package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// A change of a user is in force once the masters were seen with it, and not while one
// is about to go, which is told nothing.
func TestUserDue(t *testing.T) {
	id, one := cluster.RangeID{Database: 1}, cluster.InstanceID{Shard: 1, Incarnation: 1}
	u := cluster.ClientUser{Name: "app", Changed: 5}
	for name, c := range map[string]struct {
		edit func(r *cluster.SlotRange, report *cluster.Report, o *cluster.Observed)
		due  bool
	}{
		"in force":       {func(*cluster.SlotRange, *cluster.Report, *cluster.Observed) {}, false},
		"seen before it": {func(_ *cluster.SlotRange, report *cluster.Report, _ *cluster.Observed) { report.Revision = 5 }, true},
		"not told yet":   {func(_ *cluster.SlotRange, _ *cluster.Report, o *cluster.Observed) { o.UsersDue = "why" }, true},
		"nobody serves":  {func(_ *cluster.SlotRange, _ *cluster.Report, o *cluster.Observed) { o.Serving = false }, true},
		"being handed over": {func(r *cluster.SlotRange, _ *cluster.Report, _ *cluster.Observed) {
			r.Handover = &cluster.Handover{ID: "h"}
		}, true},
		"without its master": {func(r *cluster.SlotRange, _ *cluster.Report, _ *cluster.Observed) { r.Master.Shard = 9 }, true},
	} {
		r := cluster.SlotRange{ID: id, Last: 16383, Master: one}
		report := cluster.Report{Node: 1, Revision: 10}
		o := cluster.Observed{State: cluster.Up, Role: cluster.Master, Serving: true}
		c.edit(&r, &report, &o)
		report.Instances = map[cluster.InstanceID]cluster.Observed{one: o}
		d := cluster.Database{ID: 1}
		var b *cluster.Board
		v := cluster.View{
			Board: b.With(10, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 1}, d, r, cluster.Instance{ID: one, Range: id, Node: 1}}}),
			Alive: map[int]bool{1: true}, Reports: map[int]cluster.Report{1: report},
		}
		if why := v.UserDue(d, u); (why != "") != c.due {
			t.Errorf("%s: %q", name, why)
		}
	}
}
