package cluster_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// one of every kind of object, with something in it.
func objects() []cluster.Object {
	return []cluster.Object{
		cluster.Cluster{ID: "c", Name: "harbour", NextNode: 3},
		cluster.Authority{CertificatePEM: "cert", KeyPEM: "key"},
		cluster.Node{ID: 2, Address: "127.0.0.2", Maintenance: &cluster.Maintenance{Snapshot: "s", Holds: []cluster.Hold{{ID: "h", Since: at}}}},
		cluster.Database{ID: 1, Name: "a", Created: at},
		cluster.Secrets{Database: 1, Client: "c", Agent: "a"},
		cluster.SlotRange{ID: cluster.RangeID{Database: 1, Index: 2}, Last: 5, Master: id(1, 2), Generation: 4, Handover: &cluster.Handover{ID: "h", From: id(1, 2), To: id(2, 1), Opened: at}},
		cluster.Shard{ID: 1, Range: cluster.RangeID{Database: 1, Index: 2}, Instance: id(1, 2), NextIncarnation: 3},
		cluster.Instance{ID: id(1, 2), Range: cluster.RangeID{Database: 1, Index: 2}, Node: 2, Port: 20000, Seed: id(2, 1)},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Port: 10000, Nodes: []int{1}, Draining: []int{2}, Announced: 2, Since: at},
		cluster.Action{ID: "a", Name: cluster.MaintenanceOn, Created: at, Moves: []cluster.Move{{ID: 1, Kind: cluster.Rebind, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Instance: id(1, 2)}}},
		cluster.Snapshot{ID: cluster.SnapshotID{Node: 2, Name: "maintenance_mode_2026-03-14_09-50-59"}, Created: at, Shards: []cluster.Placed{{Shard: 1, Role: cluster.Master}}, VisitorEndpoints: []cluster.EndpointID{{Database: 1, Index: 1}}},
		cluster.User{ID: 1, Email: "a@example", Created: at},
		cluster.UserRole{ID: 8, Name: "dba", Management: cluster.DBMember},
		cluster.Token{ID: "t", Hash: "h", Expires: at},
	}
}

func TestObjectsSurviveTheStore(t *testing.T) {
	kinds := map[cluster.Kind]bool{}
	for _, o := range objects() {
		k := o.Key()
		kinds[k.Kind] = true
		if strings.Contains(k.ID, "/") || k.ID == "" {
			t.Errorf("key %q of %T", k.ID, o)
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back := cluster.NewObject(k.Kind)
		if back == nil {
			t.Fatalf("no new object of kind %s", k.Kind)
		}
		if err := json.Unmarshal(text, back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := reflect.ValueOf(back).Elem().Interface(); !reflect.DeepEqual(got, o) {
			t.Errorf("%s came back as\n%+v, was\n%+v", text, got, o)
		}
	}
	if len(kinds) != 14 {
		t.Errorf("%d kinds", len(kinds))
	}
	if cluster.NewObject("galley") != nil {
		t.Error("an unknown kind has an object")
	}
}

func TestWithPutsAndDeletes(t *testing.T) {
	var none *cluster.Board
	full := none.With(7, cluster.Change{Put: objects()})
	if full.Revision != 7 {
		t.Error(full.Revision)
	}
	counts := func(b *cluster.Board) [13]int {
		return [13]int{len(b.Nodes), len(b.Databases), len(b.Secrets), len(b.Ranges), len(b.Shards), len(b.Instances), len(b.Endpoints),
			len(b.Actions), len(b.Snapshots), len(b.Users), len(b.UserRoles), len(b.Tokens), len(b.Cluster.ID)}
	}
	if got := counts(full); got != [13]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1} {
		t.Error(got)
	}
	var keys []cluster.Key
	for _, o := range objects() {
		if o.Key().Kind != cluster.KindAuthority {
			keys = append(keys, o.Key())
		}
	}
	empty := full.With(8, cluster.Change{Delete: keys})
	if got := counts(empty); got != [13]int{} {
		t.Error("left after deleting all:", got)
	}
	if got := counts(full); got != [13]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1} {
		t.Error("the older board changed:", got)
	}
}

func TestMergeKeepsItsParts(t *testing.T) {
	a := cluster.Change{Put: make([]cluster.Object, 0, 8)}
	b := a.Merge(cluster.Change{Put: []cluster.Object{cluster.User{ID: 1}}})
	c := a.Merge(cluster.Change{Put: []cluster.Object{cluster.User{ID: 2}}, Log: []cluster.Entry{{}}})
	if b.Put[0].(cluster.User).ID != 1 || c.Put[0].(cluster.User).ID != 2 || !a.Empty() || b.Empty() {
		t.Error(a, b, c)
	}
}

func TestSealedKinds(t *testing.T) {
	for _, o := range objects() {
		k := o.Key().Kind
		if want := k == cluster.KindSecrets || k == cluster.KindAuthority; k.Sealed() != want {
			t.Errorf("%s sealed: %v", k, k.Sealed())
		}
	}
}

func TestErrors(t *testing.T) {
	one := cluster.Refuse(cluster.CodeBusy, "wait", "redis:%d is busy", 3)
	two := cluster.Refuse(cluster.CodeNodeDown, "", "node:2 is down")
	all := cluster.Refusals{one, two}
	if all.Error() != "redis:3 is busy; wait\nnode:2 is down" {
		t.Error(all.Error())
	}
	if cluster.CodeOf(all) != cluster.CodeBusy || cluster.CodeOf(nil) != cluster.CodeInternal {
		t.Error("codes")
	}
}

func TestHeardMeansThisVeryBoard(t *testing.T) {
	v := cluster.View{Board: &cluster.Board{Revision: 5}, Alive: map[int]bool{1: true, 2: true, 3: false}, Reports: map[int]cluster.Report{
		1: {Revision: 5}, 2: {Revision: 4}, 3: {Revision: 5},
	}}
	for node, want := range map[int]bool{1: true, 2: false, 3: false, 4: false} {
		if v.Heard(node) != want {
			t.Errorf("node:%d heard: %v", node, !want)
		}
	}
}

func TestFresh(t *testing.T) {
	now := time.Unix(1e9, 0)
	v := cluster.View{Board: &cluster.Board{Revision: 5}, Now: now, Alive: map[int]bool{1: true, 2: true, 3: true}, Reports: map[int]cluster.Report{
		1: {Revision: 5}, 2: {Revision: 5}, 3: {Revision: 5},
	}, HeardAt: map[int]time.Time{1: now.Add(-time.Second), 2: now.Add(-time.Minute)}}
	for node, want := range map[int]bool{1: true, 2: false, 3: false} {
		if got := v.Fresh(node, 5*time.Second); got != want {
			t.Errorf("node %d: %v", node, got)
		}
	}
}
