package agent

import (
	"reflect"
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
	never := func(*process) bool { return false }
	if !a.lookAtDisk(t.Context()) {
		t.Fatal("the disk does not answer")
	}
	before := a.turn(t.Context(), h.Board(), never).Instances[two.ID]
	if before.State != cluster.Up {
		t.Fatalf("%+v", before)
	}
	kill(t, before.PID)
	rests := func(p *process) bool { return p.id == two.ID }
	if now := a.turn(t.Context(), h.Board(), rests).Instances[two.ID]; !reflect.DeepEqual(now, before) {
		t.Errorf("the one that rests: %+v, before %+v", now, before)
	}
	if now := a.turn(t.Context(), h.Board(), never).Instances[two.ID]; now.PID == before.PID {
		t.Errorf("it was asked: %+v", now)
	}
}

func TestJustSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := twoNodes(nil)
		for name, c := range map[string]struct {
			edit func(p *process)
			want bool
		}{
			"a moment ago":            {func(*process) {}, true},
			"as long ago as a report": {func(p *process) { p.lastAt = p.lastAt.Add(-lookEvery + lookOften/2) }, false},
			"on another board":        {func(p *process) { p.lastOn-- }, false},
			"down":                    {func(p *process) { p.last.State = cluster.Absent }, false},
			"silent":                  {func(p *process) { p.last.State = cluster.Unresponsive }, false},
			"with something amiss":    {func(p *process) { p.last.Reason = "its master does not answer" }, false},
			"never":                   {func(p *process) { *p = process{} }, false},
		} {
			p := &process{last: cluster.Observed{State: cluster.Up}, lastAt: time.Now(), lastOn: b.Revision}
			c.edit(p)
			if got := p.justSeen(b); got != c.want {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
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

func handingOver() *cluster.Board {
	return twoNodes(func(r *cluster.SlotRange, one, two *cluster.Instance, _ *cluster.Database) {
		r.Handover = &cluster.Handover{ID: "h", From: one.ID, To: two.ID, Generation: 2}
	})
}
