package recovery_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// settle applies what the life cycle decides until it decides nothing more,
// and returns it in words.
func (s *scene) settle() string {
	s.t.Helper()
	var words []string
	for range 10 {
		commands := recovery.Lifecycle(s.View)
		if len(commands) == 0 {
			return strings.Join(words, "; ")
		}
		for _, c := range commands {
			switch c := c.(type) {
			case cluster.MarkStarted:
				words = append(words, fmt.Sprint("started ", c.Instances))
			case cluster.NoteReplication:
				words = append(words, fmt.Sprint("noted ", c.IDs))
			case cluster.DatabaseReady:
				words = append(words, fmt.Sprint("ready ", c.Database))
			case cluster.ForgetDatabase:
				words = append(words, fmt.Sprint("forgotten ", c.Database))
			}
			s.apply(c)
		}
		s.heard(1, 2, 3)
	}
	s.t.Fatal("does not come to rest: ", words)
	return ""
}

func (s *scene) listen(db, node int) {
	s.Reports[node].Proxy.Endpoints[cluster.EndpointID{Database: db, Index: 1}] = cluster.EndpointState{Listening: true}
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewDatabasesBecomeActive(t *testing.T) {
	s := set(t)
	linked := s.Reports[2].Instances[replica]
	s.see(replica, cluster.Observed{State: cluster.Up, Role: cluster.Slave, Syncing: true})
	expect(t, s.settle(), "started [1.1 3.1]; noted map[1-0:r1 2-0:r3]")
	s.listen(2, 3)
	expect(t, s.settle(), "ready 2")
	s.see(replica, linked)
	expect(t, s.settle(), "started [2.1]")
	s.listen(1, 1)
	expect(t, s.settle(), "ready 1")
	expect(t, s.settle(), "")
}

// A master that answers as a slave is not one, whatever the board says.
func TestMasterIsSeenAsMaster(t *testing.T) {
	s := set(t)
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "r8"})
	s.see(lone, cluster.Observed{State: cluster.Loading, Role: cluster.Master, ReplicationID: "r8"})
	expect(t, s.settle(), "started [2.1]")
}

// What a report from before a change of master shows is not written down.
func TestOldReportsDoNotNote(t *testing.T) {
	s := serving(t)
	s.see(master, cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "r7"})
	r := s.Reports[1]
	r.Revision--
	s.Reports[1] = r
	expect(t, s.settle(), "")
	s.heard(1)
	expect(t, s.settle(), "noted map[1-0:r7]")
	if got := s.Ranges[first]; got.LastReplID != "r7" || got.PrevReplID != "r1" {
		t.Errorf("%+v", got)
	}
}

// After a site had no power, everything is new at once: each of it is written down by a
// transaction that the store takes, for one that it refuses keeps all the rest from it.
func TestNothingIsTooMuchAtOnce(t *testing.T) {
	s := set(t)
	var many cluster.Change
	for n := 3; n < 2500; n++ {
		id, r := cluster.InstanceID{Shard: n + 1, Incarnation: 1}, cluster.RangeID{Database: n}
		many.Put = append(many.Put, cluster.Instance{ID: id, Range: r, Node: 3}, cluster.SlotRange{ID: r, Master: id})
		s.Reports[3].Instances[id] = cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: fmt.Sprint("r", n)}
	}
	s.Board = s.With(s.Revision+1, many)
	s.heard(1, 2, 3)
	for _, c := range recovery.Lifecycle(s.View) {
		if change, err := c.Apply(s.Board); err != nil || len(change.Put) > 1000 {
			t.Errorf("%T writes %d objects: %v", c, len(change.Put), err)
		}
		s.apply(c)
	}
	s.heard(1, 2, 3)
	expect(t, s.settle(), "")
}

func TestDeletedDatabasesAreForgotten(t *testing.T) {
	s := serving(t)
	s.apply(cluster.DeleteDatabase{Database: 1})
	s.heard(1, 2, 3)
	expect(t, s.settle(), "") // its processes are still there
	delete(s.Reports[1].Instances, master)
	s.heard(1, 3)
	r := s.Reports[2]
	r.Instances, r.Revision = map[cluster.InstanceID]cluster.Observed{}, s.Revision-1
	s.Reports[2] = r
	expect(t, s.settle(), "") // node 2 has not been heard on this board
	s.heard(2)
	expect(t, s.settle(), "forgotten 1")
	if _, ok := s.Databases[1]; ok {
		t.Error("still there")
	}
}

func TestDeletedDatabasesDoNotWaitForDeadHosts(t *testing.T) {
	s := serving(t)
	s.apply(cluster.DeleteDatabase{Database: 1})
	delete(s.Reports[1].Instances, master)
	delete(s.Alive, 2)
	s.heard(1, 3)
	expect(t, s.settle(), "forgotten 1")
}
