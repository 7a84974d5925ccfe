package cluster_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

var at = time.Date(2026, 3, 14, 9, 50, 59, 0, time.UTC)

// fataler is what tests and generated ones have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// story is a board and the commands that made it.
type story struct {
	t     fataler
	board *cluster.Board
}

func begin(t fataler, nodes int) *story {
	s := &story{t, &cluster.Board{}}
	for i := range nodes {
		n := cluster.Node{Identity: fmt.Sprint("id", i), Address: fmt.Sprintf("127.0.0.%d", i+1), TotalMemory: 1 << 30, MaxShards: 100, MaxListeners: 100}
		if i == 0 {
			s.must(cluster.CreateCluster{At: at, ID: "c", Name: "harbour", Node: n, Admin: cluster.User{Email: "admin@example", Name: "admin"}})
		} else {
			s.must(cluster.AddNode{At: at, Node: n})
		}
	}
	return s
}

// must applies a command that is not to be refused.
func (s *story) must(c cluster.Command) *cluster.Board {
	s.t.Helper()
	if err := s.try(c); err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
	return s.board
}

// try applies a command and returns the refusal.
func (s *story) try(c cluster.Command) error {
	change, err := c.Apply(s.board)
	if err == nil {
		s.board = s.board.With(s.board.Revision+1, change)
	}
	return err
}

// refused expects an *Error or Refusals with the code.
func (s *story) refused(c cluster.Command, code cluster.Code) {
	s.t.Helper()
	before := s.board
	err := s.try(c)
	if err == nil || s.board != before {
		s.t.Fatalf("%T was not refused", c)
	}
	if got := cluster.CodeOf(err); got != code {
		s.t.Fatalf("%T: %v has code %s, want %s", c, err, got, code)
	}
}

// database makes one with a master on node 1, replicas on node 2.
func (s *story) database(name string, shards int, replicated bool) cluster.Database {
	s.t.Helper()
	p := cluster.Placement{Endpoint: 1}
	for range shards {
		p.Masters = append(p.Masters, 1)
		if replicated {
			p.Replicas = append(p.Replicas, 2)
		}
	}
	s.must(cluster.CreateDatabase{At: at, Database: valid(name, shards, replicated), Placement: p})
	d, _ := s.board.DatabaseNamed(name)
	return d
}

func valid(name string, shards int, replicated bool) cluster.Database {
	return cluster.Database{
		Name: name, MemorySize: 100 << 20, ShardsCount: shards, Replication: replicated,
		Persistence: "disabled", Eviction: "noeviction", ProxyPolicy: "single",
	}
}

// running enqueues and starts an action with the moves.
func (s *story) running(id string, name cluster.ActionName, node int, moves ...cluster.Move) {
	s.t.Helper()
	s.must(cluster.EnqueueAction{Action: cluster.Action{ID: id, Name: name, Node: node, By: "admin", Created: at}})
	s.must(cluster.RecordChecks{At: at, Action: id})
	s.must(cluster.AttachPlan{At: at, Action: id, Moves: moves})
}

func id(shard, incarnation int) cluster.InstanceID {
	return cluster.InstanceID{Shard: shard, Incarnation: incarnation}
}

// broken says which invariant of boards does not hold, or nil.
func broken(b *cluster.Board) error {
	for rid, r := range b.Ranges {
		if m, ok := b.Instances[r.Master]; !ok || m.Range != rid {
			return fmt.Errorf("the master %s of %s is not an instance of it", r.Master, rid)
		}
		if s := b.Shards[r.Master.Shard]; s.Instance != r.Master {
			return fmt.Errorf("the master %s of %s is not its shard's instance", r.Master, rid)
		}
		if h := r.Handover; h != nil {
			if _, ok := b.Instances[h.To]; !ok || h.To == r.Master || h.Generation <= r.Generation {
				return fmt.Errorf("hand-over %+v of %s, generation %d", *h, rid, r.Generation)
			}
		}
	}
	if err := brokenInstances(b); err != nil {
		return err
	}
	for _, e := range b.Endpoints {
		if len(e.Nodes) == 0 || !slices.Contains(append(slices.Clone(e.Draining), e.Nodes...), e.Announced) {
			return fmt.Errorf("endpoint %+v", e)
		}
	}
	return brokenActions(b)
}

func brokenInstances(b *cluster.Board) error {
	ports, count := map[[2]int]cluster.InstanceID{}, map[int]int{}
	for iid, i := range b.Instances {
		s, ok := b.Shards[iid.Shard]
		if !ok || s.Range != i.Range || iid.Incarnation >= s.NextIncarnation {
			return fmt.Errorf("instance %s of shard %+v", iid, s)
		}
		if other, taken := ports[[2]int{i.Node, i.Port}]; taken {
			return fmt.Errorf("%s and %s share port %d of node:%d", iid, other, i.Port, i.Node)
		}
		ports[[2]int{i.Node, i.Port}] = iid
		if count[iid.Shard]++; count[iid.Shard] > 2 {
			return fmt.Errorf("shard %d has more than two instances", iid.Shard)
		}
	}
	for sid, s := range b.Shards {
		if _, ok := b.Instances[s.Instance]; !ok || s.Instance.Shard != sid {
			return fmt.Errorf("shard %d has instance %s", sid, s.Instance)
		}
		if sid >= b.Cluster.NextShard {
			return fmt.Errorf("shard %d is beyond the counter", sid)
		}
	}
	return nil
}

func brokenActions(b *cluster.Board) error {
	claims, busy := map[cluster.RangeID]int{}, map[int]int{}
	for _, a := range b.Actions {
		if !a.Status.Ended() {
			busy[a.Node]++
		}
		for i, m := range a.Moves {
			if m.ID != i+1 {
				return fmt.Errorf("move %d of %s is called %d", i+1, a.ID, m.ID)
			}
			if m.Status == cluster.MoveRunning && m.Shard != 0 {
				claims[b.Shards[m.Shard].Range]++
			}
			if a.Status.Ended() && !m.Status.Ended() {
				return fmt.Errorf("action %s is %s and its move %d %s", a.ID, a.Status, m.ID, m.Status)
			}
		}
	}
	for r, n := range claims {
		if n > 1 {
			return fmt.Errorf("range %s is claimed %d times", r, n)
		}
	}
	for n, count := range busy {
		if count > 1 {
			return fmt.Errorf("node:%d has %d actions", n, count)
		}
	}
	return nil
}
