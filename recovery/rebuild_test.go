package recovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

var rebuilt = cluster.InstanceID{Shard: 2, Incarnation: 2}

// repair carries out what is decided about nodes that stay away, and says it.
func (s *scene) repair() string {
	s.t.Helper()
	var words []string
	for _, decide := range []func(cluster.View) []cluster.Command{recovery.Liveness, recovery.Rebuild} {
		for _, c := range decide(s.View) {
			switch c := c.(type) {
			case cluster.NoteDown:
				words = append(words, fmt.Sprintf("node:%d down=%v", c.Node, c.Down))
			case cluster.RebuildReplica:
				words = append(words, fmt.Sprintf("rebuild redis:%d on node:%d", c.Shard, c.Node))
			case cluster.EndRebuild:
				words = append(words, strings.TrimSpace(fmt.Sprintf("end %s done=%v %s", c.Instance, c.Done, c.Reason)))
			}
			s.apply(c)
		}
	}
	return strings.Join(words, "\n")
}

// away is the scene with the replica's node down for the grace.
func away(t *testing.T) *scene {
	s := serving(t)
	delete(s.Alive, 2)
	s.expect(s.repair(), "node:2 down=true")
	s.heard(1, 3)
	s.Now = s.Now.Add(s.Cluster.Grace())
	return s
}

func TestReplicaIsRebuilt(t *testing.T) {
	s := away(t)
	s.Now = s.Now.Add(-time.Second)
	s.expect(s.repair(), "")
	s.Now = s.Now.Add(time.Second)
	s.expect(s.repair(), "rebuild redis:2 on node:3")
	if got := s.Shards[2]; got.Instance != replica || got.NextIncarnation != 3 {
		t.Fatalf("%+v", got)
	}
	s.heard(1, 3)
	s.expect(s.repair(), "")
	s.see(rebuilt, cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Linked: true, EverLinked: true})
	for _, c := range recovery.Lifecycle(s.View) {
		s.apply(c)
	}
	s.heard(1, 3)
	s.expect(s.repair(), "end 2.2 done=true")
	if _, old := s.Instances[replica]; old || s.Shards[2].Instance != rebuilt {
		t.Fatalf("%+v", s.Shards[2])
	}
	s.Alive[2] = true // the old process has to go: no order stands for it
	s.heard(1, 2, 3)
	s.expect(s.repair(), "node:2 down=false")
	s.expect(s.repair(), "")
}

func TestReplicaIsNotRebuilt(t *testing.T) {
	for name, happens := range map[string]func(s *scene){
		"its node is on a hold":       func(s *scene) { s.node(2, func(n *cluster.Node) { n.Maintenance = &cluster.Maintenance{} }) },
		"no other node may have it":   func(s *scene) { s.node(3, func(n *cluster.Node) { n.QuorumOnly = true }) },
		"its master has gone too":     func(s *scene) { s.see(master, cluster.Observed{State: cluster.Absent}) },
		"its master was not heard of": func(s *scene) { s.Board = s.Board.With(s.Revision+1, cluster.Change{}) },
		"a hand-over is open":         func(s *scene) { s.apply(cluster.OpenHandover{ID: "x", To: replica}) },
		"the grace was made longer":   func(s *scene) { n := 601; s.apply(cluster.TuneCluster{ReplicaGrace: &n}) },
		"its slots are lost":          func(s *scene) { s.apply(cluster.LoseRange{Range: first}) },
		"a move has its slots in hand": func(s *scene) {
			s.moving(cluster.Move{ID: 1, Kind: cluster.Migrate, Shard: 1, Status: cluster.MoveRunning})
		},
		"node 3 gets another": func(s *scene) {
			s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{
				cluster.Shard{ID: 9, Range: second, Instance: lone},
				cluster.Instance{ID: cluster.InstanceID{Shard: 9, Incarnation: 1}, Range: second, Node: 3, Port: 20009},
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := away(t)
			happens(s)
			if name != "its master was not heard of" {
				s.heard(1, 3)
			}
			if got := s.repair(); strings.Contains(got, "rebuild") {
				t.Error(got)
			}
		})
	}
}

func (s *scene) moving(m cluster.Move) {
	a := cluster.Action{ID: "on", Node: 1, Status: cluster.ActionRunning, Moves: []cluster.Move{m}}
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{a}})
}

func TestRebuildIsGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(s *scene)
		want    string
	}{
		"the old node is back":  {func(s *scene) { s.Alive[2] = true }, "node:2 down=false\nend 2.2 done=false node:2 is back"},
		"the new one went down": {func(s *scene) { delete(s.Alive, 3) }, "node:3 down=true\nend 2.2 done=false node:3 is down, too"},
		"the new one is taken out": {func(s *scene) {
			s.node(3, func(n *cluster.Node) { n.Maintenance = &cluster.Maintenance{} })
		}, "end 2.2 done=false node:3 is taken out of service"},
		"a move wants it": {func(s *scene) {
			s.Alive[2] = true
			s.moving(cluster.Move{ID: 1, Kind: cluster.Migrate, Shard: 2, Instance: rebuilt, Status: cluster.MoveWaiting})
		}, "node:2 down=false"},
	} {
		t.Run(name, func(t *testing.T) {
			s := away(t)
			s.expect(s.repair(), "rebuild redis:2 on node:3")
			test.happens(s)
			s.expect(s.repair(), test.want)
		})
	}
}

// Many replicas are rebuilt one after the other, and a node that joins gets time.
func TestOneRebuildAtATime(t *testing.T) {
	s := serving(t)
	d := s.Databases[1]
	d.Name, d.Port, d.ShardsCount = "many", 0, 3
	s.apply(cluster.CreateDatabase{Database: d, Placement: cluster.Placement{Masters: []int{1, 1, 1}, Replicas: []int{2, 2, 2}, Endpoint: 1}})
	for _, i := range s.InstancesOf(3) {
		s.apply(cluster.MarkStarted{Instances: []cluster.InstanceID{i.ID}})
		s.see(i.ID, cluster.Observed{State: cluster.Up, Role: s.RoleOf(s.Shards[i.ID.Shard])})
	}
	delete(s.Alive, 2)
	s.expect(s.repair(), "node:2 down=true")
	s.Now = s.Now.Add(s.Cluster.Grace())
	s.heard(1, 3)
	s.expect(s.repair(), "rebuild redis:2 on node:3")
	s.heard(1, 3)
	s.expect(s.repair(), "")

	s.apply(cluster.AddNode{At: s.Now, Node: cluster.Node{Identity: "new", Address: "127.0.0.4"}})
	s.expect(s.repair(), "")
	s.Now = s.Now.Add(time.Minute)
	s.expect(s.repair(), "node:4 down=true")
}
