package recovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// recovered is the serving scene after its cluster was recovered on node 3. The
// others are awaited, and nobody has reported yet.
func recovered(t *testing.T, lost ...int) *scene {
	s := serving(t)
	s.apply(cluster.RecoverCluster{At: s.Now, Incarnation: 2, Node: 3, Identity: "3", MemberID: 9, Lost: lost})
	s.Alive = map[int]bool{3: true}
	s.Reports = map[int]cluster.Report{}
	s.Now = s.Now.Add(time.Minute)
	s.back(3)
	return s
}

// back lets a node report on the board as it is, with what runs on it.
func (s *scene) back(node int) {
	s.Alive[node] = true
	s.Reports[node] = cluster.Report{
		Node: node, Revision: s.Revision, Instances: map[cluster.InstanceID]cluster.Observed{},
		Proxy: cluster.ProxyReport{Up: true, Revision: s.Revision},
	}
	for _, i := range s.InstancesOn(node) {
		o := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r1", EverLinked: true}
		if s.Ranges[i.Range].Master == i.ID {
			o.Role, o.Serving = cluster.Master, true
		}
		s.Reports[node].Instances[i.ID] = o
	}
}

// decide lets the room decide until it has nothing more to say.
func (s *scene) decide() {
	s.t.Helper()
	for range 20 {
		at := s.Revision
		for _, c := range recovery.Settle(s.View) {
			s.apply(c)
		}
		var nodes []int
		for n := range s.Reports {
			nodes = append(nodes, n)
		}
		s.heard(nodes...)
		if change := s.Revision != at; !change || s.quiet() {
			return
		}
	}
	s.t.Fatal("it never comes to rest")
}

func (s *scene) quiet() bool {
	for _, c := range recovery.Settle(s.View) {
		if change, err := c.Apply(s.Board); err != nil || !change.Empty() {
			return false
		}
	}
	return true
}

func (s *scene) change(id cluster.InstanceID, f func(*cluster.Observed)) {
	node := s.Instances[id].Node
	o := s.Reports[node].Instances[id]
	f(&o)
	s.Reports[node].Instances[id] = o
}

func TestNothingIsSettledBeforeAllAreHeard(t *testing.T) {
	s := recovered(t)
	s.decide()
	if r := s.Ranges[second]; r.Unsettled != "waits for node:1, node:2" || r.Lost {
		t.Errorf("%+v", r)
	}
	if len(recovery.Next(s.View, func() string { return "id" })) != 0 {
		t.Error("a master is promoted in a range that is not settled")
	}
	s.back(1)
	s.decide()
	if r := s.Ranges[first]; r.Unsettled != "waits for node:2" || s.Nodes[1].Absence != "" {
		t.Errorf("%+v", r)
	}
	s.back(2)
	s.decide()
	for id, m := range map[cluster.RangeID]cluster.InstanceID{first: master, second: lone} {
		if r := s.Ranges[id]; r.Unsettled != "" || r.Master != m || r.Lost {
			t.Errorf("%+v", r)
		}
	}
}

func TestNothingIsSettledWhileFormerLeasesMayStand(t *testing.T) {
	s := recovered(t, 1, 2)
	s.Now = s.Cluster.Recovered.Add(14 * time.Second)
	s.decide()
	if r := s.Ranges[second]; !strings.Contains(r.Unsettled, "leases of the former life") {
		t.Errorf("%+v", r)
	}
}

// By the clock of this leader, which is an hour ahead, they are long over.
func TestFormerLeasesAreCountedByTheLeader(t *testing.T) {
	s := recovered(t, 1, 2)
	seen := s.Now.Add(time.Hour)
	s.FirstSeen = s.Board.FirstSeen(nil, seen)
	s.Now = seen.Add(14 * time.Second)
	s.decide()
	if r := s.Ranges[second]; !strings.Contains(r.Unsettled, "leases of the former life") {
		t.Errorf("%+v", r)
	}
}

func TestAProxyWithOldRoutesIsWaitedFor(t *testing.T) {
	s := recovered(t)
	s.back(1)
	s.back(2)
	s.returned()
	r := s.Reports[2]
	r.Proxy.Revision = s.Revision - 1
	s.Reports[2] = r
	if got := recovery.Settle(s.View); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// returned lets the nodes be known as returned, and no more.
func (s *scene) returned() {
	for _, n := range []int{1, 2} {
		s.apply(cluster.NodeReturned{At: s.Now, Node: n})
	}
	s.heard(1, 2, 3)
}

func TestWhoIsMasterOfARecoveredRange(t *testing.T) {
	promoted := func(s *scene) {
		s.change(replica, func(o *cluster.Observed) {
			o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Master, true, "r2", "r1"
		})
	}
	absent := func(id cluster.InstanceID) func(*scene) {
		return func(s *scene) {
			s.change(id, func(o *cluster.Observed) { *o = cluster.Observed{State: cluster.Absent} })
		}
	}
	fenced := func(s *scene) { s.change(master, func(o *cluster.Observed) { o.Serving = false }) }
	following := func(s *scene) {
		s.change(master, func(o *cluster.Observed) {
			o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Slave, false, "r2", "r1"
		})
	}
	diverged := func(s *scene) {
		s.change(replica, func(o *cluster.Observed) {
			o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Master, true, "x2", "x1"
		})
	}
	unknown := func(s *scene) { // follows somebody who was promoted twice since
		s.change(master, func(o *cluster.Observed) {
			o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Slave, false, "x2", "x1"
		})
	}
	files := func(s *scene) { s.db(1, func(d *cluster.Database) { d.Persistence = "aof" }) }
	estranged := func(s *scene) {
		s.change(replica, func(o *cluster.Observed) { o.ReplicationID, o.ReplicationID2 = "x2", "x1" })
	}
	stranger := func(s *scene) {
		s.Reports[3].Instances[cluster.InstanceID{Shard: 2, Incarnation: 2}] = cluster.Observed{State: cluster.Up, Role: cluster.Master}
	}
	for name, c := range map[string]struct {
		lost   []int
		shows  []func(*scene)
		master cluster.InstanceID
		doubt  string
	}{
		"as it was saved":                               {master: master},
		"promoted since, the old one follows":           {shows: []func(*scene){promoted, following}, master: replica},
		"promoted since, the old one was fenced":        {shows: []func(*scene){promoted, fenced}, master: replica},
		"promoted since, the old one serves still":      {shows: []func(*scene){promoted}, master: replica},
		"promoted since, the old one is gone":           {shows: []func(*scene){promoted, absent(master)}, master: replica},
		"promoted since, the old one's host lost":       {lost: []int{1}, shows: []func(*scene){promoted}, master: replica},
		"promoted often since":                          {shows: []func(*scene){diverged, following}, master: replica},
		"promoted often since, the old one's host lost": {lost: []int{1}, shows: []func(*scene){diverged}, doubt: "does not know"},
		"two that serve, of two histories":              {shows: []func(*scene){diverged}, doubt: "neither came after the other"},
		"fenced, nobody promoted":                       {shows: []func(*scene){fenced}, master: master},
		"fenced, the other copy's host lost":            {lost: []int{2}, shows: []func(*scene){fenced}, doubt: "was being replaced"},
		"master's host lost, replica eligible":          {lost: []int{1}, master: master}, // the ordinary way promotes
		"both hosts lost":                               {lost: []int{1, 2}, doubt: "no copy with its history"},
		"master ended":                                  {shows: []func(*scene){absent(master)}, master: master},
		"promoted often since, and ended":               {shows: []func(*scene){unknown, absent(replica)}, doubt: "history that the saved state does not know"},
		"nobody runs, and all wrote files":              {shows: []func(*scene){files, absent(master), absent(replica)}, doubt: "may have what was written last"},
		"nobody runs, and there are no files":           {shows: []func(*scene){absent(master), absent(replica)}, master: master},
		"ended, and the other copy follows a stranger":  {shows: []func(*scene){absent(master), estranged}, doubt: "may have what was written last"},
		"promoted since, and ended":                     {shows: []func(*scene){following, absent(replica)}, master: master},
		"a copy that the saved state does not know":     {shows: []func(*scene){stranger}, doubt: "knows nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := recovered(t, c.lost...)
			for n := 1; n <= 2; n++ {
				if s.Nodes[n].Absence == cluster.Awaited {
					s.back(n)
				}
			}
			for _, show := range c.shows {
				show(s)
			}
			s.decide()
			r := s.Ranges[first]
			switch {
			case c.doubt != "" && (!r.Lost || !strings.Contains(r.Unsettled, c.doubt)):
				t.Errorf("%+v", r)
			case c.doubt == "" && (r.Unsettled != "" || r.Lost || r.Master != c.master):
				t.Errorf("%+v", r)
			}
			if c.doubt != "" && len(recovery.Lifecycle(s.View)) > 0 {
				for _, cmd := range recovery.Lifecycle(s.View) {
					if _, found := cmd.(cluster.FindRange); found {
						t.Error("the doubtful range counts as found")
					}
				}
			}
		})
	}
}

// A node that is back after all may bring the evidence that was missing.
func TestADoubtEndsWithEvidence(t *testing.T) {
	s := recovered(t, 2)
	s.back(1)
	s.change(master, func(o *cluster.Observed) { o.Serving = false })
	s.decide()
	if !s.Ranges[first].Lost {
		t.Fatalf("%+v", s.Ranges[first])
	}
	s.back(2)
	s.change(replica, func(o *cluster.Observed) {
		o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Master, true, "r2", "r1"
	})
	s.decide()
	if r := s.Ranges[first]; r.Lost || r.Unsettled != "" || r.Master != replica || s.Nodes[2].Absence != "" {
		t.Errorf("%+v", r)
	}
}

// A node that came back and went away again is waited for as if it had never been
// there: what it showed is not known any more.
func TestANodeThatWentAwayAgainIsWaitedFor(t *testing.T) {
	s := recovered(t)
	s.back(2)
	s.change(replica, func(o *cluster.Observed) {
		o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Master, true, "r2", "r1"
	})
	s.decide()
	if s.Nodes[2].Absence != "" {
		t.Fatal("node 2 has not returned")
	}
	seen := s.Reports[2]
	delete(s.Alive, 2)
	s.back(1)
	s.decide()
	if r := s.Ranges[first]; r.Unsettled != "waits for node:2" || !s.Awaits(2, s.Alive) || s.Awaits(1, s.Alive) {
		t.Fatalf("%+v", r)
	}
	s.Alive[2], s.Reports[2] = true, seen
	s.heard(1, 2, 3)
	s.decide()
	if r := s.Ranges[first]; r.Unsettled != "" || r.Master != replica {
		t.Errorf("%+v", r)
	}
}

// Only who gives it up, being sure, has it decided without that node.
func TestANodeThatWentAwayAgainCanBeGivenUp(t *testing.T) {
	s := recovered(t)
	s.back(2)
	s.decide()
	delete(s.Alive, 2)
	s.back(1)
	s.decide()
	s.apply(cluster.NodeReturned{At: s.Now, Node: 2, Lost: true})
	s.heard(1, 3)
	s.decide()
	if r := s.Ranges[first]; r.Unsettled != "" || r.Master != master || s.Nodes[2].Absence != cluster.Lost {
		t.Errorf("%+v", r)
	}
	if change, err := (cluster.NodeReturned{At: s.Now, Node: 1, Lost: true}).Apply(s.Board); err != nil || !change.Empty() {
		t.Errorf("a node of a settled cluster is given up: %+v %v", change, err)
	}
}

// An operator may know what the evidence does not tell: then the others' history
// does not count any more.
func TestAnOperatorEndsADoubt(t *testing.T) {
	s := recovered(t)
	s.back(1)
	s.refused(replica, "waits for node:1, node:2")
	s.decide()
	s.back(2)
	s.db(1, func(d *cluster.Database) { d.Persistence = "aof" })
	for _, i := range []cluster.InstanceID{master, replica} {
		s.change(i, func(o *cluster.Observed) { *o = cluster.Observed{State: cluster.Absent} })
	}
	s.decide()
	if !s.Ranges[first].Lost {
		t.Fatalf("%+v", s.Ranges[first])
	}
	alive := s.Alive
	s.Alive = map[int]bool{2: true, 3: true}
	s.refused(replica, "waits for node:1")
	s.Alive = alive
	s.refused(cluster.InstanceID{Shard: 9}, "no redis:9")
	s.db(1, func(d *cluster.Database) { d.Persistence = "disabled" })
	s.refused(replica, "has nothing to serve")
	s.db(1, func(d *cluster.Database) { d.Persistence = "aof" })
	c, err := recovery.Name(s.View, replica.Shard, "ann")
	if err != nil {
		t.Fatal(err)
	}
	s.apply(c)
	s.heard(1, 2, 3)
	if r := s.Ranges[first]; r.Unsettled != "" || !r.Lost || r.LostReason != "redis:2 has to load its files" || r.Master != replica || r.LastReplID != "" {
		t.Errorf("%+v", r)
	}
	s.expect(s.next(), "") // nobody is told that they are lost, a moment before they are loaded
}

func TestANamedReplicaIsReinstated(t *testing.T) {
	s := recovered(t)
	s.back(1)
	s.back(2)
	s.change(replica, func(o *cluster.Observed) { *o = cluster.Observed{State: cluster.Absent} })
	s.change(master, func(o *cluster.Observed) {
		o.Role, o.Serving, o.ReplicationID, o.ReplicationID2 = cluster.Slave, false, "x2", "x1"
	})
	s.decide()
	c, err := recovery.Name(s.View, master.Shard, "ann")
	if err != nil {
		t.Fatal(err)
	}
	s.apply(c)
	if r := s.Ranges[first]; r.Master != master || r.LastReplID != "x2" { // which its agent asks for
		t.Errorf("%+v", r)
	}
}

// refused wants the shard not to be named as a master, for the reason.
func (s *scene) refused(i cluster.InstanceID, why string) {
	s.t.Helper()
	if _, err := recovery.Name(s.View, i.Shard, "ann"); err == nil || !strings.Contains(err.Error(), why) {
		s.t.Errorf("%v, not because it %s", err, why)
	}
}
