package recovery_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

var newer = cluster.InstanceID{Shard: 2, Incarnation: 2}

// follows is a replica that follows the master.
func follows(offset int64) cluster.Observed {
	return cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: offset, EverLinked: true, Linked: true, Source: "127.0.0.1:20000"}
}

// kept is the scene with min_replicas 1 and a second copy of redis:2, on node 3.
func kept(t *testing.T) *scene {
	s := serving(t)
	s.HeardAt = map[int]time.Time{1: s.Now, 2: s.Now, 3: s.Now}
	s.db(1, func(d *cluster.Database) { d.MinReplicas = 1 })
	s.apply(cluster.RebuildReplica{Shard: 2, Node: 3})
	s.apply(cluster.MarkStarted{Instances: []cluster.InstanceID{newer}})
	s.see(replica, follows(100))
	s.see(newer, follows(100))
	return s
}

// A copy that may have confirmed writes goes when it confirms no more, and others
// have all that it has.
func TestCopyLeaves(t *testing.T) {
	s := kept(t)
	s.apply(cluster.SwitchInstance{Instance: newer})
	there := func(want bool, when string) {
		t.Helper()
		for range 3 {
			s.look()
		}
		if _, got := s.Instances[replica]; got != want {
			t.Fatalf("it is there: %v, when %s", got, when)
		}
	}
	there(true, "it follows its master")
	o := follows(120)
	o.Source, o.Linked = "127.0.0.2:1", false
	s.see(replica, o)
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1", Offset: 110, Feeds: []string{"127.0.0.2:20000"}})
	there(true, "its master feeds it")
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1", Offset: 110})
	s.see(newer, follows(119))
	there(true, "the other lacks something")
	if got := s.Instances[replica].Owes; got != 120 {
		t.Errorf("it owes %d", got)
	}
	s.see(newer, follows(120))
	there(false, "the other has it all")
}

// One whose host is gone is judged by what its master had when it fed it no more.
func TestCopyOnALostHostLeaves(t *testing.T) {
	s := kept(t)
	s.apply(cluster.SwitchInstance{Instance: newer})
	delete(s.Alive, 2)
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1", Offset: 500})
	s.look()
	s.look()
	if _, there := s.Instances[replica]; !there {
		t.Fatal("it went before the other had what it may have confirmed")
	}
	s.see(newer, follows(500))
	s.look()
	if _, there := s.Instances[replica]; there {
		t.Error("it is still there")
	}
}

func TestWithoutMinReplicasCopiesGoAtOnce(t *testing.T) {
	s := kept(t)
	s.db(1, func(d *cluster.Database) { d.MinReplicas = 0 })
	s.apply(cluster.SwitchInstance{Instance: newer})
	if _, there := s.Instances[replica]; there {
		t.Error("it is still there")
	}
}

// With min_replicas nobody is promoted while a copy that can not be asked may have
// more; of those that were heard it is the one with the most.
func TestPromotionThatIsWithheld(t *testing.T) {
	gone := cluster.Observed{State: cluster.Absent}
	for name, test := range map[string]struct {
		happens func(s *scene)
		want    string
	}{
		"both were heard":             {func(s *scene) { s.see(newer, follows(200)) }, "h1: promote 2.2 unplanned=true"},
		"the other has more":          {func(s *scene) { s.see(replica, follows(200)) }, "h1: promote 2.1 unplanned=true"},
		"a host is down":              {func(s *scene) { delete(s.Alive, 3) }, "cluster.NoteWithheld"},
		"the other host is down":      {func(s *scene) { delete(s.Alive, 2) }, "cluster.NoteWithheld"},
		"a copy does not answer":      {func(s *scene) { s.see(newer, cluster.Observed{State: cluster.Unresponsive}) }, "cluster.NoteWithheld"},
		"a copy is gone":              {func(s *scene) { s.see(newer, gone) }, "h1: promote 2.1 unplanned=true"},
		"a copy is of another's copy": {func(s *scene) { seeded(s); delete(s.Alive, 3) }, "h1: promote 2.1 unplanned=true"},
		"nobody asked for min_replicas": {func(s *scene) {
			s.db(1, func(d *cluster.Database) { d.MinReplicas = 0 })
			delete(s.Alive, 3)
		}, "h1: promote 2.1 unplanned=true"},
	} {
		t.Run(name, func(t *testing.T) {
			s := kept(t)
			s.see(master, gone)
			test.happens(s)
			s.heard(1, 2, 3)
			if got := s.next(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func seeded(s *scene) {
	i := s.Instances[newer]
	i.Seed = replica
	s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{i}})
}

// A copy that was to take over, and whose host is gone before that was heard of, counts as
// the master. It may still be all that has what the one before it had confirmed.
func TestSuccessorThatWasNotHeardOfIsWaitedFor(t *testing.T) {
	s := kept(t)
	s.apply(cluster.SwitchInstance{Instance: newer})
	s.see(master, cluster.Observed{State: cluster.Absent})
	s.apply(cluster.OpenHandover{ID: "h", To: newer, Unplanned: true})
	s.apply(cluster.CloseHandover{Range: first, ID: "h", Moved: true, Reason: "its host is gone"})
	delete(s.Alive, 3)
	s.heard(1, 2, 3)
	if got := s.next(); got != "cluster.NoteWithheld" {
		t.Errorf("got %q", got)
	}
	s.Alive[3] = true
	s.see(newer, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1"})
	s.settle()
	if r := s.Ranges[first]; r.Unclear || r.LastReplID != "r1" || r.PrevReplID != "r0" {
		t.Errorf("%+v", r)
	}
}

// Whoever waits is named, and nobody any more when it is back.
func TestWithheldIsNamed(t *testing.T) {
	s := kept(t)
	s.see(master, cluster.Observed{State: cluster.Absent})
	delete(s.Alive, 3)
	s.next()
	if got := s.Ranges[first].Withheld; got != "waits for redis:2 on node:3, which may have what clients were told is kept" {
		t.Errorf("got %q", got)
	}
	s.Alive[3] = true
	s.heard(1, 2, 3)
	s.next()
	if got := s.Ranges[first].Withheld; got != "" {
		t.Errorf("got %q", got)
	}
}

// What the only replica lacks was never answered: it takes over.
func TestLaggingReplicaTakesOverWithMinReplicas(t *testing.T) {
	s := apart(t)
	s.db(1, func(d *cluster.Database) { d.MinReplicas = 1 })
	s.look()
	s.see(master, cluster.Observed{State: cluster.Absent})
	if got := s.next(); got != "h1: promote 2.1 unplanned=true" {
		t.Error(got)
	}
}
