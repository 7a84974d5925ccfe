package recovery_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// vacates says which nodes are to be vacated by themselves.
func (s *scene) vacates() int {
	s.t.Helper()
	list := recovery.Vacate(s.View, func() string { return "lost" })
	for _, c := range list {
		s.apply(c)
	}
	return len(list)
}

func TestVacateByItself(t *testing.T) {
	s := away(t)
	s.Now = s.Now.Add(-time.Second)
	if s.vacates() != 0 {
		t.Fatal("before the grace is over")
	}
	s.Now = s.Now.Add(time.Second)
	if s.vacates() != 1 || s.vacates() != 0 {
		t.Fatal("it is to be asked for once")
	}
	if a := s.Actions["lost"]; a.Node != 2 || a.By != cluster.System || a.Cause != "host_lost" || a.Reason == "" {
		t.Errorf("%+v", a)
	}
	s.apply(cluster.FailAction{Action: "lost", Status: cluster.ActionFailed, Error: &cluster.Error{}})
	if s.vacates() != 0 {
		t.Error("again, though the node is still down")
	}
	s.Alive[2] = true
	s.repair()
	delete(s.Alive, 2)
	s.repair()
	s.Now = s.Now.Add(s.Cluster.Grace())
	if s.vacates() != 1 {
		t.Error("not when it went down again")
	}
}

func TestNotVacatedByItself(t *testing.T) {
	for name, happens := range map[string]func(s *scene){
		"it is out on a hold": func(s *scene) { s.node(2, func(n *cluster.Node) { n.Maintenance = &cluster.Maintenance{} }) },
		"it is back":          func(s *scene) { s.Alive[2] = true },
		"it carries nothing":  func(s *scene) { s.apply(cluster.DeleteDatabase{Database: 1}) },
		"an action is under way": func(s *scene) {
			s.apply(cluster.EnqueueAction{Action: cluster.Action{ID: "x", Name: cluster.VacateNode, Node: 2}})
		},
		"it is being taken out of the cluster": func(s *scene) { s.node(2, func(n *cluster.Node) { n.Removing = "x" }) },
	} {
		s := away(t)
		happens(s)
		if s.vacates() != 0 {
			t.Error(name)
		}
	}
}

// written is the scene with a vacate of a node that is down.
func written(t *testing.T, node int) *scene {
	s := serving(t)
	delete(s.Alive, node)
	s.apply(cluster.EnqueueAction{Action: cluster.Action{ID: "v", Name: cluster.VacateNode, Node: node}})
	s.apply(cluster.RecordChecks{Action: "v"})
	s.apply(cluster.BeginVacate{Action: "v"})
	s.apply(cluster.SkipGraceful{Action: "v"})
	s.heard(1, 2, 3)
	return s
}

// What had its only copy on a host that is given up is lost until the host is back.
func TestOnlyCopyOnAVacatedHost(t *testing.T) {
	s := written(t, 3)
	s.expect(s.next(), "lose 2-0: redis:3 had the only copy and is gone")
	s.Alive[3] = true
	s.see(lone, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r3", Offset: 7})
	s.look()
	if s.Ranges[second].Lost {
		t.Error("it is back with its data and still lost")
	}
}

// Only the daemon of the host is dead: the others' proxies go on using the engine.
func TestOnlyCopyThatLivesIsNotGivenUp(t *testing.T) {
	s := written(t, 3)
	witness := s.Reports[1]
	witness.Refused = map[int][]int{3: {}}
	s.Reports[1] = witness
	s.expect(s.next(), "")
	witness.Refused = map[int][]int{3: {s.Instances[lone].Port}}
	s.Reports[1] = witness
	s.expect(s.next(), "lose 2-0: redis:3 had the only copy and is gone")
}

func TestLastReplicaThatLivesIsNotGivenUp(t *testing.T) {
	s := written(t, 2)
	witness := s.Reports[3]
	witness.Refused = map[int][]int{2: {}}
	s.Reports[3] = witness
	s.see(master, cluster.Observed{State: cluster.Absent})
	s.heard(1, 3)
	s.expect(s.next(), "")
	witness.Refused = nil
	s.Reports[3] = witness
	s.heard(1, 3)
	s.expect(s.next(), "lose 1-0: redis:1 is gone and node:2 with redis:2 too")
}

func TestOtherCopiesOfAVacatedHost(t *testing.T) {
	s := written(t, 1)
	s.expect(s.next(), "h1: promote 2.1 unplanned=true")
	s = written(t, 1)
	delete(s.Alive, 2) // may come back
	s.expect(s.next(), "")
	s = written(t, 2) // without any grace, and though it is on a hold
	s.node(2, func(n *cluster.Node) { n.Maintenance = &cluster.Maintenance{} })
	s.heard(1, 3)
	s.expect(s.repair(), "node:2 down=true")
	s.heard(1, 3)
	s.expect(s.repair(), "rebuild redis:2 on node:3")
}
