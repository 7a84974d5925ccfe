package agent

import (
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

// While something moves on a host, the processes that rest are asked no more often
// than else, and the report tells what they showed last.
func TestProcessesThatRestAreNotAskedAgain(t *testing.T) {
	h := newHost(t)
	_, two := h.database()
	h.stop()
	a := New(h.agent.cfg)
	defer a.release()
	if !a.lookAtDisk(t.Context()) {
		t.Fatal("the disk does not answer")
	}
	ask := func(rests func(*process) bool) (cluster.Observed, time.Time) {
		r, due := a.turn(t.Context(), h.Board(), rests)
		return r.Instances[two.ID], due
	}
	never := func(*process) bool { return false }
	before, _ := ask(never)
	for n := 0; a.processes[two.ID].last.State != cluster.Up && n < 50; n++ { // it is told its settings
		before, _ = ask(never)
	}
	if before.State != cluster.Up {
		t.Fatalf("%+v", before)
	}
	kill(t, before.PID)
	now, due := ask(func(p *process) bool { return p.id == two.ID })
	if asked := due.Add(-lookEvery); !asked.Equal(a.processes[two.ID].lastAt) || now.Age <= 0 || !reflect.DeepEqual(ageless(now), before) {
		t.Errorf("the one that rests: %+v, before %+v, due %v", now, before, due)
	}
	if now, _ := ask(never); now.PID == before.PID {
		t.Errorf("it was asked: %+v", now)
	}
}

func TestJustSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			edit func(p *process)
			want bool
		}{
			"a master, a moment ago":  {func(*process) {}, true},
			"a linked replica":        {func(p *process) { p.last.Role, p.last.Linked = cluster.Slave, true }, true},
			"one without its source":  {func(p *process) { p.last.Role = cluster.Slave }, false},
			"as long ago as a report": {func(p *process) { p.lastAt = p.lastAt.Add(-lookEvery + lookOften/2) }, false},
			"down":                    {func(p *process) { p.last.State = cluster.Absent }, false},
			"silent":                  {func(p *process) { p.last.State = cluster.Unresponsive }, false},
			"with something amiss":    {func(p *process) { p.last.Reason = "its master does not answer" }, false},
			"never":                   {func(p *process) { *p = process{} }, false},
		} {
			p := &process{last: cluster.Observed{State: cluster.Up, Role: cluster.Master}, lastAt: time.Now()}
			c.edit(p)
			if got := p.justSeen(); got != c.want {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// What was seen of a process on one board is told on the next only if that says
// nothing else of it.
func TestTouches(t *testing.T) {
	one, two, other := cluster.InstanceID{Shard: 1, Incarnation: 1}, cluster.InstanceID{Shard: 2, Incarnation: 1}, cluster.InstanceID{Shard: 3, Incarnation: 1}
	second := cluster.RangeID{Database: 1, Index: 1}
	before := twoNodes(nil).With(2, cluster.Change{Put: []cluster.Object{
		cluster.SlotRange{ID: second, Master: other}, cluster.Shard{ID: 3, Range: second, Instance: other}, cluster.Instance{ID: other, Range: second, Node: 1},
	}})
	everything, its := []cluster.InstanceID{one, two, other}, []cluster.InstanceID{one, two}
	put := func(list ...cluster.Object) cluster.Change { return cluster.Change{Put: list} }
	node, d, r, s, i := before.Nodes[2], before.Databases[1], before.Ranges[before.Instances[one].Range], before.Shards[1], before.Instances[two]
	node.Address, d.Eviction, r.Generation, s.NextIncarnation, i.Leaving = "127.0.0.7", "allkeys-lru", 9, 9, true
	for name, c := range map[string]struct {
		change cluster.Change
		want   []cluster.InstanceID
	}{
		"nothing":                    {cluster.Change{}, nil},
		"the same":                   {put(before.Databases[1], before.Instances[one], before.Nodes[1]), nil},
		"an action":                  {put(cluster.Action{ID: "a"}), nil},
		"an endpoint":                {put(cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}}), nil},
		"the cluster":                {put(cluster.Cluster{ID: "c"}), everything},
		"a node":                     {put(node), everything},
		"their database":             {put(d), everything},
		"its secrets":                {put(cluster.Secrets{Database: 1, Proxy: "new"}), everything},
		"another database":           {put(cluster.Database{ID: 2}), nil},
		"their slots":                {put(r), its},
		"a shard":                    {put(s), its},
		"the other instance":         {put(i), its},
		"an instance more":           {put(cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 2}, Range: r.ID, Node: 3}), its},
		"an instance of other slots": {put(cluster.Instance{ID: cluster.InstanceID{Shard: 3, Incarnation: 2}, Range: second, Node: 3}), []cluster.InstanceID{other}},
		"an instance less":           {cluster.Change{Delete: []cluster.Key{i.Key()}}, its},
		"a database less":            {cluster.Change{Delete: []cluster.Key{d.Key()}}, everything},
	} {
		touched := touches(before, before.With(3, c.change))
		for _, id := range everything {
			if touched(id) != slices.Contains(c.want, id) {
				t.Errorf("%s: %v: %v", name, id, touched(id))
			}
		}
	}
	if !touches(nil, before)(one) || !touches(before, before)(cluster.InstanceID{Shard: 9, Incarnation: 1}) {
		t.Error("nothing was seen on no board, and what no board orders is always asked")
	}
}

func TestOnTheMove(t *testing.T) {
	one, two := cluster.InstanceID{Shard: 1, Incarnation: 1}, cluster.InstanceID{Shard: 2, Incarnation: 1}
	copied := func(seed cluster.InstanceID) *cluster.Board {
		b := twoNodes(nil)
		second := b.Instances[two]
		second.ID, second.Node, second.Seed = cluster.InstanceID{Shard: 2, Incarnation: 2}, 3, seed
		return b.With(2, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 3}, second}})
	}
	endpoint := func(opening, draining []int) *cluster.Board {
		return twoNodes(nil).With(2, cluster.Change{Put: []cluster.Object{
			cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Nodes: []int{1}, Opening: opening, Draining: draining},
		}})
	}
	for name, c := range map[string]struct {
		board  *cluster.Board
		node   int
		moving []cluster.InstanceID
		some   bool
	}{
		"nothing":                         {twoNodes(nil), 1, nil, false},
		"a hand-over, its master":         {handingOver(), 1, []cluster.InstanceID{one}, true},
		"a hand-over, its replica":        {handingOver(), 2, []cluster.InstanceID{two}, true},
		"who leaves":                      {leaving(), 2, []cluster.InstanceID{two}, true},
		"a copy":                          {copied(two), 3, []cluster.InstanceID{{Shard: 2, Incarnation: 2}}, true},
		"a copy of another, the master":   {copied(two), 1, nil, false},
		"a copy of the master":            {copied(cluster.InstanceID{}), 1, []cluster.InstanceID{one}, true},
		"what a master's copy replaces":   {copied(cluster.InstanceID{}), 2, nil, false},
		"an endpoint that opens":          {endpoint([]int{1}, nil), 1, nil, true},
		"an endpoint that opens at two":   {endpoint([]int{2}, nil), 2, nil, true},
		"an endpoint that leaves":         {endpoint(nil, []int{2}), 2, nil, true},
		"an endpoint that is where it is": {endpoint(nil, nil), 1, nil, false},
	} {
		moving, some := onTheMove(c.board, c.node)
		if len(moving) != len(c.moving) || some != c.some {
			t.Errorf("%s: %v, %v", name, moving, some)
		}
		for _, id := range c.moving {
			if !moving[id] {
				t.Errorf("%s: %v does not move", name, id)
			}
		}
	}
}

func ageless(o cluster.Observed) cluster.Observed {
	o.Age = 0
	return o
}

func handingOver() *cluster.Board {
	return twoNodes(func(r *cluster.SlotRange, one, two *cluster.Instance, _ *cluster.Database) {
		r.Handover = &cluster.Handover{ID: "h", From: one.ID, To: two.ID, Generation: 2}
	})
}
