package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// shore is a board with db:1, its master 1.1 on node 1 and its replica 2.1 on node 2.
func shore(t *testing.T) *cluster.Board {
	t.Helper()
	b := &cluster.Board{}
	for _, c := range []cluster.Command{
		cluster.CreateCluster{ID: "c", Node: cluster.Node{Identity: "1", Address: "127.0.0.1", TotalMemory: 1 << 40, MaxShards: 9}},
		cluster.AddNode{Node: cluster.Node{Identity: "2", Address: "127.0.0.2", TotalMemory: 1 << 40, MaxShards: 9}},
		cluster.CreateDatabase{
			Database:  cluster.Database{Name: "a", MemorySize: 1 << 30, ShardsCount: 1, Replication: true, Persistence: "disabled", Eviction: "noeviction", ProxyPolicy: "single"},
			Placement: cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1},
		},
		cluster.MarkStarted{Instances: []cluster.InstanceID{one, two}},
		cluster.DatabaseReady{Database: 1},
	} {
		b = after(t, b, c)
	}
	return b
}

func after(t *testing.T, b *cluster.Board, c cluster.Command) *cluster.Board {
	t.Helper()
	change, err := c.Apply(b)
	if err != nil {
		t.Fatalf("%T: %v", c, err)
	}
	return b.With(b.Revision+1, change)
}

var (
	slots = cluster.RangeID{Database: 1}
	one   = cluster.InstanceID{Shard: 1, Incarnation: 1}
	two   = cluster.InstanceID{Shard: 2, Incarnation: 1}
)

const second = int64(time.Second)

func TestPromiseBinds(t *testing.T) {
	b := shore(t)
	p := NewPromises(0)
	if !p.Forbids(slots, two, second) || !p.Bound(b, second) {
		t.Error("what an earlier daemon of the host promised is forgotten")
	}
	if p.Forbids(slots, two, 4*second) || p.Bound(b, 4*second) {
		t.Error("bound without a promise")
	}
	show := func() *cluster.Board { return b }
	if why := p.Give(show, slots, Stand(b, slots), 10*second); why != "" {
		t.Fatal(why)
	}
	for _, at := range []int64{10, 13} {
		if !p.Forbids(slots, two, at*second) {
			t.Errorf("at %d it is not bound", at)
		}
	}
	if p.Forbids(slots, one, 10*second) {
		t.Error("the master itself may not go on")
	}
	if p.Forbids(slots, two, 14*second) {
		t.Error("bound for ever")
	}
}

// The copy that came after a promise was not in its mind: until it has ended the
// host does not count as one that knows of it, even if it has promised anew.
func TestPromiseOfAnOlderBoard(t *testing.T) {
	b := shore(t)
	p := NewPromises(-10 * second)
	show := func() *cluster.Board { return b }
	if why := p.Give(show, slots, Stand(b, slots), 10*second); why != "" || p.Bound(b, 11*second) {
		t.Fatal(why, p.Bound(b, 11*second))
	}
	b = after(t, b, raw{cluster.Change{Put: []cluster.Object{cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 2}, Range: slots, Node: 1, Port: 20009}}}})
	if why := p.Give(show, slots, Stand(b, slots), 12*second); why != "" {
		t.Fatal(why)
	}
	if !p.Bound(b, 13*second) {
		t.Error("the first promise is forgotten")
	}
	if p.Bound(b, 14*second) {
		t.Error("bound by the promise that has the copy in mind")
	}
}

func TestPromiseIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change cluster.Command
		want   string
	}{
		"a hand-over is open": {cluster.OpenHandover{ID: "h", To: two, Unplanned: true}, "no settled master"},
		"another master":      {raw{cluster.Change{Put: []cluster.Object{cluster.SlotRange{ID: slots, Last: 16383, Master: two, Generation: 2}}}}, "differently"},
		"another generation":  {raw{cluster.Change{Put: []cluster.Object{cluster.SlotRange{ID: slots, Last: 16383, Master: one, Generation: 3}}}}, "differently"},
		"another copy":        {raw{cluster.Change{Put: []cluster.Object{cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 2}, Range: slots, Node: 1, Port: 20009}}}}, "differently"},
		"a copy less":         {raw{cluster.Change{Delete: []cluster.Key{cluster.Instance{ID: two}.Key()}}}, "differently"},
		"another password":    {raw{cluster.Change{Put: []cluster.Object{cluster.Secrets{Database: 1, Client: "new"}}}}, "differently"},
		"another life":        {raw{cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Incarnation: 2}}}}, "differently"},
		"min_replicas": {raw{cluster.Change{Put: []cluster.Object{cluster.Database{
			ID: 1, Name: "a", Status: cluster.DatabaseActive, MinReplicas: 1,
		}}}}, "min_replicas"},
		"the database is gone": {raw{cluster.Change{Delete: []cluster.Key{cluster.SlotRange{ID: slots}.Key()}}}, "does not have"},
	} {
		b := shore(t)
		stand := Stand(b, slots)
		b = after(t, b, test.change)
		p := NewPromises(-10 * second)
		why := p.Give(func() *cluster.Board { return b }, slots, stand, 0)
		if !strings.Contains(why, test.want) || p.Forbids(slots, two, 0) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// A host asks everybody with a copy, itself included, for what its endpoints serve.
func TestClaims(t *testing.T) {
	b := shore(t)
	c := Claims(b, 1)
	if len(c.Stands) != 1 || len(c.Hosts[slots]) != 2 || len(c.Barred) != 0 {
		t.Errorf("%+v", c)
	}
	if c := Claims(b, 2); len(c.Stands)+len(c.Barred) != 0 {
		t.Errorf("without an endpoint: %+v", c)
	}
	d := b.Databases[1]
	d.MinReplicas = 1
	c = Claims(after(t, b, raw{cluster.Change{Put: []cluster.Object{d}}}), 1)
	if len(c.Stands) != 0 || cluster.CodeOf(c.Barred[slots]) != cluster.CodeServingStopped {
		t.Errorf("with min_replicas: %+v", c)
	}
}

// A daemon that never had a lease says of all its endpoints serve that it does not.
func TestStartedAlone(t *testing.T) {
	b := shore(t)
	shown := startedAlone(b, 1)
	if why := shown[slots].why; len(shown) != 1 || cluster.CodeOf(why) != cluster.CodeServingStopped || !strings.Contains(why.Message, "started without a quorum") {
		t.Errorf("%+v", shown)
	}
}
