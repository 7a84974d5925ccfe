package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// lived is a board with one shard and its range, as it was saved.
func lived() *cluster.Board {
	id := cluster.RangeID{Database: 1}
	one := cluster.InstanceID{Shard: 1, Incarnation: 1}
	return (&cluster.Board{}).With(1, cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "c", Incarnation: 1, NextNode: 3, NextDatabase: 2, NextShard: 2},
		cluster.Node{ID: 1, Address: "127.0.0.1"}, cluster.Node{ID: 2, Address: "127.0.0.2"},
		cluster.Database{ID: 1, Name: "orders"},
		cluster.SlotRange{ID: id, Last: 16383, Master: one, Generation: 1},
		cluster.Instance{ID: one, Range: id, Node: 1, Started: true},
		cluster.Shard{ID: 1, Range: id, Instance: one, NextIncarnation: 2},
	}})
}

// recoverPart lets the first change of another life begin on the board, of which
// the last objects, so many, were not committed.
func recoverPart(t *testing.T, b *cluster.Board, incarnation int64, objects int) *cluster.Board {
	t.Helper()
	change, err := cluster.RecoverCluster{At: at, Incarnation: incarnation, Node: 1, Identity: "1", MemberID: 9}.Apply(b)
	if err != nil {
		t.Fatal(err)
	}
	if objects > 0 {
		change = cluster.Change{Put: change.Put[:len(change.Put)-objects]}
	}
	return b.With(b.Revision+1, change)
}

func TestWhatAFormerLifeMadeIsKept(t *testing.T) {
	once := recoverPart(t, lived(), 2, 0)
	twice := recoverPart(t, once, 3, 0)
	again := recoverPart(t, recoverPart(t, lived(), 2, 1), 2, 0) // the object of the cluster was not committed
	for name, b := range map[string]*cluster.Board{"recovered": once, "recovered twice": twice, "recovered in two attempts": again} {
		for _, id := range []cluster.InstanceID{{Shard: 1, Incarnation: 2}, {Shard: 1, Incarnation: 500}, {Shard: 2, Incarnation: 1}, {Shard: 2000, Incarnation: 3}} {
			if !b.FormerLife(id) {
				t.Errorf("%s: %s is not kept", name, id)
			}
		}
		for _, id := range []cluster.InstanceID{{Shard: 1, Incarnation: 1}, {Shard: 1, Incarnation: b.Shards[1].NextIncarnation}, {Shard: b.Cluster.NextShard, Incarnation: 1}} {
			if b.FormerLife(id) {
				t.Errorf("%s: %s is of this life", name, id)
			}
		}
	}
	if id := (cluster.InstanceID{Shard: 1, Incarnation: once.Shards[1].NextIncarnation}); !twice.FormerLife(id) {
		t.Errorf("%s may be of the life before the second recovery", id)
	}
}

// A state that was saved several lives ago is behind all that these gave out.
func TestAnOldSavedStateSkipsAllLivesSince(t *testing.T) {
	second := recoverPart(t, lived(), 2, 0)
	third := recoverPart(t, second, 3, 0)
	b := recoverPart(t, lived(), 4, 0) // the state of the first life
	for name, former := range map[string]*cluster.Board{"second": second, "third": third} {
		given := cluster.InstanceID{Shard: 1, Incarnation: former.Shards[1].NextIncarnation}
		if !b.FormerLife(given) || b.Shards[1].NextIncarnation <= given.Incarnation {
			t.Errorf("%s, given out in the %s life, counts as of this one", given, name)
		}
		if made := (cluster.InstanceID{Shard: former.Cluster.NextShard, Incarnation: 1}); !b.FormerLife(made) || b.Cluster.NextShard <= made.Shard {
			t.Errorf("%s, made in the %s life, counts as of this one", made, name)
		}
		id := cluster.RangeID{Database: 1}
		if b.Ranges[id].Generation <= former.Ranges[id].Generation {
			t.Errorf("generation %d, %d in the %s life", b.Ranges[id].Generation, former.Ranges[id].Generation, name)
		}
		if b.Cluster.NextNode <= former.Cluster.NextNode || b.Cluster.NextDatabase <= former.Cluster.NextDatabase {
			t.Errorf("%+v, in the %s life %+v", b.Cluster, name, former.Cluster)
		}
	}
}

// A host that joined after the state was saved was not removed: what it has may be the
// last copy of something.
func TestHostsThatTheSavedStateDoesNotKnowWereNotRemoved(t *testing.T) {
	gone := lived().With(2, cluster.Change{Delete: []cluster.Key{cluster.Node{ID: 2}.Key()}})
	for name, b := range map[string]*cluster.Board{
		"recovered":       recoverPart(t, gone, 2, 0),
		"recovered twice": recoverPart(t, recoverPart(t, gone, 2, 0), 3, 0),
	} {
		for node, former := range map[int]bool{1: false, 2: false, 3: true, 12: true, b.Cluster.NextNode: false} {
			if b.FormerNode(node) != former || b.Removed(node) != (node == 2) {
				t.Errorf("%s: node:%d may be of a former life: %v, was removed: %v", name, node, b.FormerNode(node), b.Removed(node))
			}
		}
	}
}

// The vacate that closed a node has failed with all else that was under way, and
// a node that stays down is to be vacated in this life.
func TestNoNodeStaysClosedByAnActionOfAFormerLife(t *testing.T) {
	b := lived()
	n := b.Nodes[2]
	n.Vacating, n.Abandoned, n.Removing = "v", true, "r"
	b = recoverPart(t, b.With(2, cluster.Change{Put: []cluster.Object{n}}), 2, 0)
	if n := b.Nodes[2]; n.Closed() || n.Abandoned || n.Vacating != "" || n.Removing != "" {
		t.Errorf("%+v", n)
	}
}

// A re-binding that the former life had begun ends with it: nobody drains any more, so
// nobody would tell the subscribers of discovery where the endpoint is.
func TestEndpointThatWasOnItsWayIsAnnounced(t *testing.T) {
	id := cluster.EndpointID{Database: 1, Index: 1}
	for name, e := range map[string]cluster.Endpoint{
		"switched":           {ID: id, Nodes: []int{2}, Draining: []int{1}, Announced: 1, Since: at},
		"switched and told":  {ID: id, Nodes: []int{2}, Draining: []int{1}, Announced: 2, Since: at},
		"about to switch":    {ID: id, Nodes: []int{1}, Opening: []int{2}, Announced: 1, Since: at},
		"of several, leaves": {ID: id, Nodes: []int{2, 3}, Draining: []int{1}, Announced: 1, Since: at},
	} {
		b := recoverPart(t, lived().With(2, cluster.Change{Put: []cluster.Object{e}}), 2, 0)
		switch got := b.Endpoints[id]; {
		case len(got.Opening)+len(got.Draining) > 0 || !got.Since.IsZero():
			t.Errorf("%s: it is still on its way: %+v", name, got)
		case got.Announced != got.Nodes[0]:
			t.Errorf("%s: it is on node:%d, and node:%d is announced", name, got.Nodes[0], got.Announced)
		case e.Announced != got.Announced && got.Told != at:
			t.Errorf("%s: it is not known since when subscribers are told: %s", name, got.Told)
		}
	}
}
