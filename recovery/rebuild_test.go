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
			case cluster.NoteRebuild:
				words = append(words, strings.TrimSpace(fmt.Sprintf("note redis:%d %s", c.Shard, c.Reason)))
			case cluster.NoteCopy:
				words = append(words, fmt.Sprintf("noted %s %d", c.Instance, c.Bytes))
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
	s.Now = s.Now.Add(16 * time.Second)
	s.expect(s.repair(), "node:4 down=true")
}

// A copy that gets no further must not keep two nodes from others for ever.
func TestRebuildThatStandsStill(t *testing.T) {
	s := away(t)
	s.apply(cluster.AddNode{At: s.Now, Node: cluster.Node{Identity: "4", Address: "127.0.0.4", TotalMemory: 1 << 40, MaxShards: 100, MaxListeners: 100}})
	s.Alive[4] = true
	s.Reports[4] = cluster.Report{Node: 4, Instances: map[cluster.InstanceID]cluster.Observed{}}
	s.heard(1, 3, 4)
	s.expect(s.repair(), "rebuild redis:2 on node:4")
	copying := cluster.Observed{State: cluster.Up, Role: cluster.Slave, Syncing: true}
	for i := range int64(10) { // slow, and on and on
		s.Now = s.Now.Add(30 * time.Second)
		copying.SyncedBytes = i + 1
		s.see(rebuilt, copying)
		s.heard(4)
		s.expect(s.repair(), fmt.Sprintf("noted 2.2 %d", i+1))
		s.heard(1, 3, 4)
	}
	copying.SyncedBytes = 3 // it begins again and again
	s.see(rebuilt, copying)
	s.Now = s.Now.Add(59 * time.Second)
	s.expect(s.repair(), "")
	s.Now = s.Now.Add(time.Second)
	s.expect(s.repair(), "end 2.2 done=false its copy got no further than 3 bytes for 60 seconds")
	s.heard(1, 3, 4)
	s.expect(s.repair(), "rebuild redis:2 on node:3")
	third := cluster.InstanceID{Shard: 2, Incarnation: 3}
	s.see(third, cluster.Observed{State: cluster.Absent, Reason: "out of luck"})
	s.heard(4)
	s.Now = s.Now.Add(time.Minute)
	s.expect(s.repair(), "end 2.3 done=false it does not start: out of luck")
	if got := s.Shards[2].Rebuild; got == nil || fmt.Sprint(got.Tried) != "[4 3]" || got.Reason != "not on node:3: it does not start: out of luck" {
		t.Fatalf("%+v", got)
	}
	s.heard(1, 3, 4)
	s.expect(s.repair(), "")
	s.Now = s.Now.Add(5 * time.Minute)
	s.expect(s.repair(), "rebuild redis:2 on node:4")
}

func TestRebuildWithNowhereToGoIsNamed(t *testing.T) {
	s := away(t)
	s.node(3, func(n *cluster.Node) { n.QuorumOnly = true })
	s.heard(1, 3)
	s.expect(s.repair(), "note redis:2 node:1 holds its master, node:3 is quorum-only")
	s.heard(1, 3)
	s.expect(s.repair(), "")
	s.node(3, func(n *cluster.Node) { n.QuorumOnly = false })
	s.heard(1, 3)
	s.expect(s.repair(), "rebuild redis:2 on node:3")

	s = away(t)
	s.node(3, func(n *cluster.Node) { n.QuorumOnly = true })
	s.heard(1, 3)
	s.repair()
	s.Alive[2] = true
	s.heard(1, 2, 3)
	s.expect(s.repair(), "node:2 down=false\nnote redis:2")
	if s.Shards[2].Rebuild != nil {
		t.Error("still noted")
	}
}

// The shard that was being rebuilt became master where it was.
func TestRebuildOfWhatBecameMaster(t *testing.T) {
	s := away(t)
	s.expect(s.repair(), "rebuild redis:2 on node:3")
	s.Alive[2] = true
	s.apply(cluster.OpenHandover{ID: "h", To: replica, Unplanned: true})
	s.apply(cluster.CloseHandover{Range: first, ID: "h", Moved: true})
	s.expect(s.repair(), "node:2 down=false\nend 2.2 done=false redis:2 is master on node:2")
}
