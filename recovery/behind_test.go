package recovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// look carries out what is written down of processes.
func (s *scene) look() {
	s.t.Helper()
	for _, c := range recovery.Lifecycle(s.View) {
		s.apply(c)
	}
	s.heard(1, 2, 3)
}

// apart is the scene with a replica that has been without its master for long,
// while that has taken more writes.
func apart(t *testing.T) *scene {
	s := serving(t)
	s.HeardAt = map[int]time.Time{1: s.Now, 2: s.Now, 3: s.Now}
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1", Offset: 900 << 20})
	s.see(replica, cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: 100, EverLinked: true, UnlinkedFor: time.Minute})
	return s
}

// What a replica lacks for long is not forgotten with its master, nor by the
// next leader, which never heard of that: it reads it on the board.
func TestReplicaThatLagsBehindIsNotPromoted(t *testing.T) {
	s := apart(t)
	s.look()
	if got := s.Instances[replica].Behind; got != 900<<20 {
		t.Fatalf("behind %d", got)
	}
	s.look()
	s.see(master, cluster.Observed{State: cluster.Absent})
	s.HeardAt = nil // another leader
	s.look()
	if got := s.next(); !strings.HasPrefix(got, "lose 1-0: redis:1 is gone and redis:2 lacks what its master wrote") {
		t.Fatal(got)
	}
}

func TestReplicaThatFollowsAgainIsPromoted(t *testing.T) {
	s := apart(t)
	s.look()
	o := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: 100, EverLinked: true, Linked: true}
	s.see(replica, o)
	s.look()
	if got := s.Instances[replica].Behind; got != 900<<20 {
		t.Fatalf("behind %d: it is linked and lacks as much as before", got)
	}
	o.Offset = 900 << 20
	s.see(replica, o)
	s.look()
	if got := s.Instances[replica].Behind; got != 0 {
		t.Fatalf("behind %d", got)
	}
	s.see(master, cluster.Observed{State: cluster.Absent})
	if got := s.next(); got != "h1: promote 2.1 unplanned=true" {
		t.Fatal(got)
	}
}

func TestReplicaIsNotCalledBehind(t *testing.T) {
	o := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: 100, EverLinked: true, UnlinkedFor: time.Minute}
	for name, happens := range map[string]func(s *scene){
		"its master was killed, and its host says so": func(s *scene) { s.see(master, cluster.Observed{State: cluster.Absent}) },
		"its master's host was killed":                func(s *scene) { delete(s.Alive, 1) },
		"its master's host was not heard of lately":   func(s *scene) { s.HeardAt[1] = s.Now.Add(-5 * time.Second) },
		"its master froze":                            func(s *scene) { s.see(master, cluster.Observed{State: cluster.Unresponsive}) },
		"it lost its master a moment ago": func(s *scene) {
			moment := o
			moment.UnlinkedFor = time.Second
			s.see(replica, moment)
		},
		"its master took no write since": func(s *scene) {
			s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1", Offset: 100})
		},
		"a hand-over is open": func(s *scene) {
			s.apply(cluster.OpenHandover{ID: "x", To: replica})
			s.heard(1, 2, 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := apart(t)
			happens(s)
			s.look()
			if got := s.Instances[replica].Behind; got != 0 {
				t.Errorf("behind %d", got)
			}
		})
	}
}
