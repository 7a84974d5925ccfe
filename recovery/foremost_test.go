package recovery_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

func TestForemost(t *testing.T) {
	third := cluster.InstanceID{Shard: 9, Incarnation: 1}
	follows := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: 100, EverLinked: true}
	promoted := cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r2", ReplicationID2: "r1", Offset: 120, EverLinked: true}
	at := func(offset int64) cluster.Observed { o := follows; o.Offset = offset; return o }
	for name, x := range map[string]struct {
		mine, theirs cluster.Observed
		edit         func(s *scene)
		want         bool
	}{
		"as much as the other":          {at(100), at(100), nil, true},
		"more than the other":           {at(101), at(100), nil, true},
		"less than the other":           {at(99), at(100), nil, false},
		"promoted meanwhile":            {promoted, at(100), nil, true},
		"of another history":            {cluster.Observed{State: cluster.Up, ReplicationID: "x", EverLinked: true, Offset: 200}, at(100), nil, false},
		"less than one that can not":    {at(99), cluster.Observed{State: cluster.Up, ReplicationID: "r1", Offset: 100, Syncing: true}, nil, true},
		"its host is gone":              {at(100), at(100), func(s *scene) { delete(s.Alive, 2) }, false},
		"the other's host is gone":      {at(99), at(100), func(s *scene) { delete(s.Alive, 3) }, true},
		"the other's host is not heard": {at(100), at(99), func(s *scene) { r := s.Reports[3]; r.Revision--; s.Reports[3] = r }, false},
		"itself not heard":              {at(100), at(99), func(s *scene) { r := s.Reports[2]; r.Revision--; s.Reports[2] = r }, false},
		"lacks what its master wrote": {at(100), at(99), func(s *scene) {
			i := s.Instances[replica]
			i.Behind = 101
			s.Instances[replica] = i
		}, false},
	} {
		s := serving(t)
		s.Instances[third] = cluster.Instance{ID: third, Range: first, Node: 3, Port: 20009, Started: true}
		delete(s.Alive, 1)
		s.see(replica, x.mine)
		s.see(third, x.theirs)
		if x.edit != nil {
			x.edit(s)
		}
		if got := recovery.Foremost(s.View, s.Ranges[first], replica); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if s := serving(t); recovery.Foremost(s.View, s.Ranges[first], cluster.InstanceID{Shard: 77}) {
		t.Error("one that is not on the board")
	}
}
