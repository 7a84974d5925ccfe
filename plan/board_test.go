package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// mega is the unit of memory here. It is large, so that a process with its backlog
// is as large as the tests say.
const mega = 128 << 20

// drawing is a cluster made with the commands that make real ones.
type drawing struct {
	t interface {
		Helper()
		Fatalf(string, ...any)
	}
	cluster.View
}

func draw(t *testing.T, racks bool, nodes ...cluster.Node) *drawing {
	t.Helper()
	d := &drawing{t, cluster.View{Board: &cluster.Board{}, Now: time.Unix(1e9, 0).UTC(), Alive: map[int]bool{}, Reports: map[int]cluster.Report{}}}
	for i, n := range nodes {
		d.node(i, n, racks)
	}
	return d
}

func (d *drawing) node(i int, n cluster.Node, racks bool) {
	d.t.Helper()
	n.Identity, n.Address = fmt.Sprint(i), fmt.Sprintf("127.0.0.%d", i+1)
	if n.MaxShards == 0 {
		n.MaxShards = 100
	}
	if n.MaxListeners == 0 {
		n.MaxListeners = 100
	}
	if i == 0 {
		d.apply(cluster.CreateCluster{ID: "c", RackAware: racks, Node: n})
	} else {
		d.apply(cluster.AddNode{Node: n})
	}
	d.Alive[i+1] = true
}

func (d *drawing) apply(c cluster.Command) {
	d.t.Helper()
	change, err := c.Apply(d.Board)
	if err != nil {
		d.t.Fatalf("%T: %v", c, err)
	}
	d.Board = d.Board.With(d.Revision+1, change)
}

// database adds one where it is told.
func (d *drawing) database(db cluster.Database, p cluster.Placement) {
	d.t.Helper()
	d.apply(cluster.CreateDatabase{Database: db, Placement: p})
}

// used lets the reports show how much each shard holds.
func (d *drawing) used(bytes map[int]int64) {
	for id, n := range bytes {
		i := d.Instances[d.Shards[id].Instance]
		r := d.Reports[i.Node]
		if r.Instances == nil {
			r.Instances = map[cluster.InstanceID]cluster.Observed{}
		}
		r.Instances[i.ID] = cluster.Observed{State: cluster.Up, Dataset: n}
		d.Reports[i.Node] = r
	}
}

// engine says of which version the node's processes are.
func (d *drawing) engine(node int, version string) {
	r := d.Reports[node]
	r.Engine = cluster.Engine{Flavour: "redis", Version: version}
	d.Reports[node] = r
}

// mark takes a node out of service.
func (d *drawing) mark(node int, m *cluster.Maintenance) {
	n := d.Nodes[node]
	n.Maintenance = m
	d.Board = d.Board.With(d.Revision+1, cluster.Change{Put: []cluster.Object{n}})
}

func db(name string, shards int, memory int64, replicated bool) cluster.Database {
	return sized(memory, cluster.Database{
		Name: name, ShardsCount: shards, Replication: replicated,
		Persistence: "disabled", Eviction: "noeviction", ProxyPolicy: "single",
	})
}

// sized makes all processes of the database together as large as it says.
func sized(memory int64, d cluster.Database) cluster.Database {
	copies := int64(d.ShardsCount)
	if d.Replication {
		copies *= 2
	}
	d.MemorySize = memory*mega - copies*cluster.Backlog
	return d
}

func aware(d cluster.Database) cluster.Database {
	d.RackAware = true
	return d
}

func node(memory int64) cluster.Node { return cluster.Node{TotalMemory: memory * mega} }

func in(zone string, memory int64) cluster.Node {
	return cluster.Node{TotalMemory: memory * mega, RackID: zone}
}

// written is a plan as people read it, one move a line.
func written(moves []cluster.Move) string {
	var s strings.Builder
	for _, m := range moves {
		fmt.Fprintf(&s, "%d %s", m.ID, m.Text())
		if m.Kind == cluster.Failover {
			fmt.Fprintf(&s, " over to redis:%d", m.Shard)
		}
		if m.Kind != cluster.Migrate {
			fmt.Fprintf(&s, " on node:%d", m.To)
		}
		if len(m.After) > 0 {
			fmt.Fprintf(&s, " after %v", m.After)
		}
		s.WriteString("\n")
	}
	return s.String()
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimLeft(strings.ReplaceAll(want, "\t", ""), "\n")
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func expectLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
