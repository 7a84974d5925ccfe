package recovery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// scene is a view of three nodes: database 1 with its master redis:1 on node 1
// and its replica redis:2 on node 2, database 2 with redis:3 on node 3 alone.
// Every node has reported on the board as it is.
type scene struct {
	t *testing.T
	cluster.View
	deaf int // a node whose proxy has not applied the board
}

var (
	first, second = cluster.RangeID{Database: 1}, cluster.RangeID{Database: 2}
	master        = cluster.InstanceID{Shard: 1, Incarnation: 1}
	replica       = cluster.InstanceID{Shard: 2, Incarnation: 1}
	lone          = cluster.InstanceID{Shard: 3, Incarnation: 1}
)

func set(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, View: cluster.View{Board: &cluster.Board{}, Now: time.Unix(1e9, 0).UTC(), Alive: map[int]bool{}, Reports: map[int]cluster.Report{}}}
	for i := 1; i <= 3; i++ {
		n := cluster.Node{Identity: fmt.Sprint(i), Address: fmt.Sprintf("127.0.0.%d", i), TotalMemory: 1 << 40, MaxShards: 100, MaxListeners: 100}
		if i == 1 {
			s.apply(cluster.CreateCluster{ID: "c", Node: n})
		} else {
			s.apply(cluster.AddNode{Node: n})
		}
		s.Alive[i] = true
		s.Reports[i] = cluster.Report{
			Node: i, Instances: map[cluster.InstanceID]cluster.Observed{},
			Proxy: cluster.ProxyReport{Up: true, Endpoints: map[cluster.EndpointID]cluster.EndpointState{}},
		}
	}
	d := cluster.Database{Name: "a", MemorySize: 1 << 30, ShardsCount: 1, Replication: true, Persistence: "disabled", Eviction: "noeviction", ProxyPolicy: "single"}
	s.apply(cluster.CreateDatabase{Database: d, Placement: cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1}})
	d.Name, d.Replication = "b", false
	s.apply(cluster.CreateDatabase{Database: d, Placement: cluster.Placement{Masters: []int{3}, Endpoint: 3}})
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r1", Offset: 100})
	s.see(replica, cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: 100, Linked: true, EverLinked: true})
	s.see(lone, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r3", Offset: 7})
	return s
}

// serving is the scene once everything is known to serve.
func serving(t *testing.T) *scene {
	s := set(t)
	s.apply(cluster.MarkStarted{Instances: []cluster.InstanceID{master, replica, lone}})
	s.apply(cluster.NoteReplication{IDs: map[cluster.RangeID]string{first: "r0"}})
	s.apply(cluster.NoteReplication{IDs: map[cluster.RangeID]string{first: "r1", second: "r3"}})
	s.heard(1, 2, 3)
	return s
}

func (s *scene) apply(c cluster.Command) {
	s.t.Helper()
	change, err := c.Apply(s.Board)
	if err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
	s.Board = s.Board.With(s.Revision+1, change)
}

func (s *scene) see(i cluster.InstanceID, o cluster.Observed) {
	s.Reports[s.Instances[i].Node].Instances[i] = o
	s.heard(1, 2, 3)
}

// heard lets the nodes' reports be made on this board.
func (s *scene) heard(nodes ...int) {
	for _, n := range nodes {
		r := s.Reports[n]
		r.Revision, r.Proxy.Revision = s.Revision, s.Revision
		s.Reports[n] = r
	}
}

// refuses lets two nodes be refused at the ports of a third.
func (s *scene) refuses(node int, ports ...int) {
	if s.Refusing == nil {
		s.Refusing = map[int][]int{}
	}
	s.Refusing[node] = ports
}

func (s *scene) db(id int, change func(*cluster.Database)) {
	d := s.Databases[id]
	change(&d)
	s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{d}})
}

// next is what recovery decides, in words.
func (s *scene) next() string {
	ids := 0
	var words []string
	for _, c := range recovery.Next(s.View, func() string { ids++; return fmt.Sprint("h", ids) }) {
		switch c := c.(type) {
		case cluster.OpenHandover:
			words = append(words, fmt.Sprintf("%s: promote %s unplanned=%v", c.ID, c.To, c.Unplanned))
		case cluster.LoseRange:
			words = append(words, fmt.Sprintf("lose %s: %s", c.Range, c.Reason))
		default:
			words = append(words, fmt.Sprintf("%T", c))
		}
		s.apply(c)
	}
	return strings.Join(words, "\n")
}

func TestNext(t *testing.T) {
	absent := cluster.Observed{State: cluster.Absent}
	good := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", Offset: 100, EverLinked: true}
	with := func(o cluster.Observed, change func(*cluster.Observed)) cluster.Observed { change(&o); return o }
	promote := "h1: promote 2.1 unplanned=true"
	for name, test := range map[string]struct {
		happens func(s *scene)
		want    string
	}{
		"nothing happened":   {func(*scene) {}, ""},
		"the master crashed": {func(s *scene) { s.see(master, absent) }, promote},
		"the master hangs": {func(s *scene) {
			s.see(master, cluster.Observed{State: cluster.Unresponsive, SilentFor: 31 * time.Second})
		}, promote},
		"the master is slow to answer": {func(s *scene) {
			s.see(master, cluster.Observed{State: cluster.Unresponsive, SilentFor: 20 * time.Second})
		}, ""},
		"the master loads for long": {func(s *scene) {
			s.see(master, cluster.Observed{State: cluster.Loading, SilentFor: 40 * time.Second})
		}, ""},
		"the master hung when it was last seen, on an older board": {func(s *scene) {
			s.see(master, cluster.Observed{State: cluster.Unresponsive, SilentFor: 31 * time.Second})
			s.apply(cluster.NoteReplication{IDs: map[cluster.RangeID]string{second: "r4"}})
		}, ""},
		"the master's host is down":            {func(s *scene) { delete(s.Alive, 1) }, promote},
		"the master's host refuses everything": {func(s *scene) { s.refuses(1, 20000, 10000, 10001) }, promote},
		"its proxy still listens":              {func(s *scene) { s.refuses(1, 20000, 10001) }, ""},
		"its engine still listens":             {func(s *scene) { s.refuses(1, 10000, 10001) }, ""},
		"both hosts refuse everything": {func(s *scene) {
			s.refuses(1, 20000, 10000, 10001)
			s.refuses(2, 20000, 10000, 10001)
		}, ""},
		"the only copy's host refuses everything": {func(s *scene) { s.refuses(3, 20000, 10000, 10001) }, ""},
		"the master was never seen serving": {func(s *scene) {
			i := s.Instances[master]
			i.Started = false
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{i}})
			s.see(master, absent)
		}, ""},
		"the report is older than the board": {func(s *scene) {
			s.see(master, absent)
			r := s.Reports[1]
			r.Revision--
			s.Reports[1] = r
		}, ""},
		"the replica's host has not been heard on this board": {func(s *scene) {
			s.see(master, absent)
			r := s.Reports[2]
			r.Revision--
			s.Reports[2] = r
		}, ""},
		"the replica's host is down too": {func(s *scene) { s.see(master, absent); delete(s.Alive, 2) }, ""},
		"both hosts are down":            {func(s *scene) { delete(s.Alive, 1); delete(s.Alive, 2) }, ""},
		"the replica loads":              {func(s *scene) { s.see(master, absent); s.see(replica, cluster.Observed{State: cluster.Loading}) }, ""},
		"the replica does not respond":   {func(s *scene) { s.see(master, absent); s.see(replica, cluster.Observed{State: cluster.Unresponsive}) }, ""},
		"the replica has the history before": {func(s *scene) {
			s.see(master, absent)
			s.see(replica, with(good, func(o *cluster.Observed) { o.ReplicationID = "r0" }))
		}, promote},
		"the replica has the history as its second": {func(s *scene) {
			s.see(master, absent)
			s.see(replica, with(good, func(o *cluster.Observed) { o.ReplicationID, o.ReplicationID2 = "r9", "r1" }))
		}, promote},
		"the replica has another history": {func(s *scene) {
			s.see(master, absent)
			s.see(replica, with(good, func(o *cluster.Observed) { o.ReplicationID = "r9" }))
		}, "lose 1-0: redis:1 is gone and redis:2 has data of another history"},
		"the replica's copy is not complete": {func(s *scene) {
			s.see(master, absent)
			s.see(replica, with(good, func(o *cluster.Observed) { o.Syncing = true }))
		}, "lose 1-0: redis:1 is gone and the copy of redis:2 is not complete"},
		"the replica never was linked, the master's host is only down": {func(s *scene) {
			delete(s.Alive, 1)
			s.see(replica, with(good, func(o *cluster.Observed) { o.EverLinked = false }))
		}, ""},
		"both processes crashed": {func(s *scene) { s.see(master, absent); s.see(replica, absent) }, "lose 1-0: redis:1 is gone and redis:2 too"},
		"the only copy crashed":  {func(s *scene) { s.see(lone, absent) }, "lose 2-0: redis:3 had the only copy and is gone"},
		"the only copy crashed and has files": {func(s *scene) {
			s.db(2, func(d *cluster.Database) { d.Persistence = "aof" })
			s.see(lone, cluster.Observed{State: cluster.Absent, Reason: "exited with status 1"})
		}, ""},
		"the only copy's files do not load": {func(s *scene) {
			s.db(2, func(d *cluster.Database) { d.Persistence = "aof" })
			s.see(lone, cluster.Observed{State: cluster.Absent, Reason: cluster.NotLoaded + ": bad format"})
		}, "lose 2-0: redis:3 had the only copy and is gone"},
		"the only copy's host is down": {func(s *scene) { delete(s.Alive, 3) }, ""},
		"a hand-over is open": {func(s *scene) {
			s.apply(cluster.OpenHandover{ID: "x", To: replica})
			s.see(master, absent)
		}, ""},
		"the replica's node is in maintenance": {func(s *scene) {
			n := s.Nodes[2]
			n.Maintenance = &cluster.Maintenance{}
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{n}})
			s.see(master, absent)
		}, promote},
		"the temporary replica of a move is further": {func(s *scene) {
			i := cluster.InstanceID{Shard: 2, Incarnation: 2}
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{cluster.Instance{ID: i, Range: first, Node: 3, Port: 20009}}})
			s.see(i, with(good, func(o *cluster.Observed) { o.Offset = 101 }))
			s.see(master, absent)
		}, "h1: promote 2.2 unplanned=true"},
		"of equals the one in service": {func(s *scene) {
			i := cluster.InstanceID{Shard: 2, Incarnation: 2}
			n := s.Nodes[2]
			n.QuorumOnly = true
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{n, cluster.Instance{ID: i, Range: first, Node: 3, Port: 20009}}})
			s.see(i, good)
			s.see(master, absent)
		}, "h1: promote 2.2 unplanned=true"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			test.happens(s)
			if got := s.next(); got != test.want {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			if again := s.next(); again != "" {
				t.Fatalf("decides again: %q", again)
			}
		})
	}
}

// A lost range comes back when an eligible replica turns up after all.
func TestLostRangeIsTakenOver(t *testing.T) {
	s := serving(t)
	s.see(master, cluster.Observed{State: cluster.Absent})
	s.see(replica, cluster.Observed{State: cluster.Absent})
	if got := s.next(); !strings.HasPrefix(got, "lose") || !s.Ranges[first].Lost {
		t.Fatal(got)
	}
	s.see(replica, cluster.Observed{State: cluster.Up, ReplicationID: "r1", EverLinked: true})
	if got := s.next(); got != "h1: promote 2.1 unplanned=true" {
		t.Fatal(got)
	}
	s.apply(cluster.CloseHandover{Range: first, ID: "h1", Moved: true, ReplID: "r5"})
	if s.Ranges[first].Lost {
		t.Fatal("still lost")
	}
}

func TestBarrier(t *testing.T) {
	planned, unplanned := &cluster.Handover{}, &cluster.Handover{Unplanned: true}
	for name, test := range map[string]struct {
		h       *cluster.Handover
		happens func(s *scene)
		waiting []int
	}{
		"everybody applied it": {unplanned, func(*scene) {}, nil},
		"one proxy is behind": {unplanned, func(s *scene) {
			r := s.Reports[2]
			r.Proxy.Revision--
			s.Reports[2] = r
		}, []int{2}},
		"its host's lease ended": {unplanned, func(s *scene) {
			r := s.Reports[2]
			r.Proxy.Revision--
			s.Reports[2] = r
			delete(s.Alive, 2)
		}, nil},
		"its host refuses everything": {unplanned, func(s *scene) {
			clear(s.Reports)
			s.refuses(2, 10000, 10001)
		}, []int{1, 3}},
		"its host refuses, but one listener does not": {unplanned, func(s *scene) {
			r := s.Reports[2]
			r.Proxy.Revision--
			s.Reports[2] = r
			s.refuses(2, 20000, 10000)
		}, []int{2}},
		"the proxy is down on this board": {unplanned, func(s *scene) {
			r := s.Reports[2]
			r.Proxy = cluster.ProxyReport{}
			s.Reports[2] = r
		}, nil},
		"the proxy was down on an older board": {unplanned, func(s *scene) {
			r := s.Reports[2]
			r.Proxy, r.Revision = cluster.ProxyReport{}, r.Revision-1
			s.Reports[2] = r
		}, []int{2}},
		"nobody has reported":      {unplanned, func(s *scene) { clear(s.Reports) }, []int{1, 2, 3}},
		"a planned one needs none": {planned, func(s *scene) { clear(s.Reports) }, nil},
		"no hand-over needs none":  {nil, func(s *scene) { clear(s.Reports) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			since := s.Revision
			test.happens(s)
			closed, waiting := recovery.Barrier(s.View, test.h, since)
			if closed != (len(test.waiting) == 0) || !slices.Equal(waiting, test.waiting) {
				t.Errorf("%v %v, want waiting %v", closed, waiting, test.waiting)
			}
		})
	}
}
