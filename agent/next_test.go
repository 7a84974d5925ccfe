package agent

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// twoNodes is a database with one range: redis:1 on node 1 is master, redis:2 on
// node 2 its replica.
func twoNodes(edit func(r *cluster.SlotRange, one, two *cluster.Instance, d *cluster.Database)) *cluster.Board {
	id := cluster.RangeID{Database: 1}
	one := cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Range: id, Node: 1, Port: 20000, Started: true}
	two := cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 1}, Range: id, Node: 2, Port: 20000, Started: true}
	r := cluster.SlotRange{ID: id, Last: 16383, Master: one.ID, Generation: 1}
	d := cluster.Database{ID: 1, Name: "orders", Replication: true, Persistence: "disabled"}
	if edit != nil {
		edit(&r, &one, &two, &d)
	}
	var b *cluster.Board
	return b.With(1, cluster.Change{Put: []cluster.Object{
		cluster.Node{ID: 1, Address: "127.0.0.1"}, cluster.Node{ID: 2, Address: "127.0.0.2"},
		d, r, one, two,
		cluster.Shard{ID: 1, Range: id, Instance: one.ID}, cluster.Shard{ID: 2, Range: id, Instance: two.ID},
	}})
}

func TestNext(t *testing.T) {
	one, two := cluster.InstanceID{Shard: 1, Incarnation: 1}, cluster.InstanceID{Shard: 2, Incarnation: 1}
	toOne := engine.Source{Address: "127.0.0.1", Port: 20000}
	toTwo := engine.Source{Address: "127.0.0.2", Port: 20000}
	master := &engine.Observation{State: engine.Up, Role: engine.Master, Serving: true}
	handover := func(unplanned bool) func(*cluster.SlotRange, *cluster.Instance, *cluster.Instance, *cluster.Database) {
		return func(r *cluster.SlotRange, _, _ *cluster.Instance, _ *cluster.Database) {
			r.Handover = &cluster.Handover{ID: "h", From: one, To: two, Generation: 2, Unplanned: unplanned}
		}
	}
	never := func(_ *cluster.SlotRange, one, two *cluster.Instance, _ *cluster.Database) {
		one.Started, two.Started = false, false
	}
	switched := func(r *cluster.SlotRange, _, _ *cluster.Instance, _ *cluster.Database) { r.Master = two }
	lost := func(r *cluster.SlotRange, _, _ *cluster.Instance, _ *cluster.Database) { r.Lost = true }
	for _, c := range []struct {
		name  string
		board *cluster.Board
		id    cluster.InstanceID
		seen  *engine.Observation
		want  Act
		from  engine.Source
	}{
		{"nothing orders it", twoNodes(nil), cluster.InstanceID{Shard: 9, Incarnation: 1}, nil, Discard, engine.Source{}},
		{"a new master starts empty", twoNodes(never), one, nil, StartEmpty, engine.Source{}},
		{"a new replica copies", twoNodes(never), two, nil, StartCopy, toOne},
		{"a crashed master stays down", twoNodes(nil), one, nil, Rest, engine.Source{}},
		{"a crashed replica copies anew", twoNodes(nil), two, nil, StartCopy, toOne},
		{"a crashed former master comes back as replica", twoNodes(switched), one, nil, StartCopy, toTwo},
		{"a returning former master is demoted", twoNodes(switched), one, master, Follow, toTwo},
		{"a stray master beside the board's is demoted", twoNodes(nil), two, master, Follow, toOne},
		{"the executor alone gives roles: source", twoNodes(handover(false)), one, master, Rest, engine.Source{}},
		{"the executor alone gives roles: target", twoNodes(handover(false)), two, master, Rest, engine.Source{}},
		{"a crashed target waits", twoNodes(handover(false)), two, nil, Rest, engine.Source{}},
		{"a replaced master that answers is fenced", twoNodes(handover(true)), one, master, FenceMaster, engine.Source{}},
		{"a fenced one is left alone", twoNodes(handover(true)), one, &engine.Observation{State: engine.Up, Role: engine.Master}, Rest, engine.Source{}},
		{"a master without rights gets them", twoNodes(nil), one, &engine.Observation{State: engine.Up, Role: engine.Master}, AdmitClients, engine.Source{}},
		{"a serving master is left alone", twoNodes(nil), one, master, Rest, engine.Source{}},
		{"a linked replica is left alone", twoNodes(nil), two, &engine.Observation{State: engine.Up, Role: engine.Slave, Source: toOne}, Rest, engine.Source{}},
		{"a replica of another source is pointed", twoNodes(nil), two, &engine.Observation{State: engine.Up, Role: engine.Slave, Source: toTwo}, Follow, toOne},
		{"the board's master that became a replica is reinstated", twoNodes(nil), one, &engine.Observation{State: engine.Up, Role: engine.Slave, Source: toTwo}, Reinstate, engine.Source{}},
		{"so is that of a lost range, which has its data", twoNodes(lost), one, &engine.Observation{State: engine.Up, Role: engine.Slave, Source: toTwo}, Reinstate, engine.Source{}},
		{"a replica of a lost range keeps its files", twoNodes(lost), two, nil, Rest, engine.Source{}},
		{"a master that is being replaced is not started", twoNodes(handover(true)), one, nil, Rest, engine.Source{}},
		{"who does not answer is left alone", twoNodes(nil), two, &engine.Observation{State: engine.Unresponsive}, Rest, engine.Source{}},
		{"who loads is left alone", twoNodes(nil), two, &engine.Observation{State: engine.Loading, Role: engine.Slave}, Rest, engine.Source{}},
		{"a kept copy is replicated from its seed first", twoNodes(func(_ *cluster.SlotRange, a, b *cluster.Instance, _ *cluster.Database) {
			b.Seed = cluster.InstanceID{Shard: 2, Incarnation: 7}
		}), two, nil, StartCopy, toOne},
		{"a copy that leaves follows nobody", leaving(), two, &engine.Observation{State: engine.Up, Role: engine.Slave, Source: toOne}, Follow, engine.Source{Address: "127.0.0.2", Port: 1}},
		{"one that follows nobody is left alone", leaving(), two, &engine.Observation{State: engine.Up, Role: engine.Slave, Source: engine.Source{Address: "127.0.0.2", Port: 1}}, Rest, engine.Source{}},
		{"one that leaves is not started again", leaving(), two, nil, Rest, engine.Source{}},
	} {
		got := Next(c.board, c.id, c.seen)
		if got.Act != c.want || got.Source != c.from {
			t.Errorf("%s: act %d from %v, want %d from %v", c.name, got.Act, got.Source, c.want, c.from)
		}
	}
}

// leaving is twoNodes with another copy in the place of redis:2's.
func leaving() *cluster.Board {
	b := twoNodes(func(_ *cluster.SlotRange, _, two *cluster.Instance, _ *cluster.Database) { two.Leaving = true })
	s := b.Shards[2]
	s.Instance.Incarnation++
	return b.With(2, cluster.Change{Put: []cluster.Object{s}})
}

func TestOnlyCopyWithFilesStartsFromThem(t *testing.T) {
	alone := func(persistence string) *cluster.Board {
		b := twoNodes(func(_ *cluster.SlotRange, _, _ *cluster.Instance, d *cluster.Database) { d.Persistence = persistence })
		return b.With(2, cluster.Change{Delete: []cluster.Key{{Kind: cluster.KindShard, ID: "2"}, {Kind: cluster.KindInstance, ID: "2.1"}}})
	}
	one := cluster.InstanceID{Shard: 1, Incarnation: 1}
	if got := Next(alone("aof"), one, nil); got.Act != StartFiles {
		t.Errorf("with files: act %d", got.Act)
	}
	both := twoNodes(func(r *cluster.SlotRange, _, _ *cluster.Instance, d *cluster.Database) {
		d.Persistence, r.Lost = "aof", true
	})
	if got := Next(both, one, nil); got.Act != StartFiles {
		t.Errorf("a replicated range without another copy: act %d", got.Act)
	}
	b := alone("aof")
	r := b.Ranges[cluster.RangeID{Database: 1}]
	r.Handover = &cluster.Handover{ID: "h", From: one, To: cluster.InstanceID{Shard: 1, Incarnation: 2}, Unplanned: true}
	if got := Next(b.With(3, cluster.Change{Put: []cluster.Object{r}}), one, nil); got.Act != Rest || got.Reason == "" {
		t.Errorf("with files and being replaced: act %d, reason %q", got.Act, got.Reason)
	}
	moving := alone("aof").With(3, cluster.Change{Put: []cluster.Object{
		cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 2}, Range: cluster.RangeID{Database: 1}, Node: 2},
	}})
	if got := Next(moving, one, nil); got.Act != Rest || got.Reason == "" {
		t.Errorf("while a copy of it is made that may take over: act %d, reason %q", got.Act, got.Reason)
	}
	if got := Next(alone("disabled"), one, nil); got.Act != Rest || got.Reason == "" {
		t.Errorf("without files: act %d, reason %q", got.Act, got.Reason)
	}
}

func TestNothingIsDiscardedBeforeAllIsSettled(t *testing.T) {
	stray := cluster.InstanceID{Shard: 9, Incarnation: 1}
	b := twoNodes(func(r *cluster.SlotRange, _, _ *cluster.Instance, _ *cluster.Database) {
		r.Unsettled = "waits for node:2"
	})
	if got := Next(b, stray, nil); got.Act != Rest || got.Reason == "" {
		t.Errorf("act %d, reason %q", got.Act, got.Reason)
	}
}

// Replicas are asked for their acknowledgement only where a move waits for it.
func TestAcksAreAwaitedDuringAMove(t *testing.T) {
	silent := &engine.Observation{State: engine.Up, Role: engine.Master, Offset: 10, Replicas: []engine.Replica{{State: "online"}}}
	acked := &engine.Observation{State: engine.Up, Role: engine.Master, Offset: 10, Replicas: []engine.Replica{{State: "online", Offset: 9}}}
	still := twoNodes(nil)
	moving := still.With(2, cluster.Change{Put: []cluster.Object{cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 2}, Range: cluster.RangeID{Database: 1}, Node: 2}}})
	handedOver := moving.Ranges[cluster.RangeID{Database: 1}]
	handedOver.Handover = &cluster.Handover{}
	for name, c := range map[string]struct {
		board *cluster.Board
		id    cluster.InstanceID
		seen  *engine.Observation
		want  bool
	}{
		"a move waits":         {moving, cluster.InstanceID{Shard: 1, Incarnation: 1}, silent, true},
		"it has acknowledged":  {moving, cluster.InstanceID{Shard: 1, Incarnation: 1}, acked, false},
		"not the master":       {moving, cluster.InstanceID{Shard: 2, Incarnation: 1}, silent, false},
		"nothing moves":        {still, cluster.InstanceID{Shard: 1, Incarnation: 1}, silent, false},
		"no process":           {moving, cluster.InstanceID{Shard: 1, Incarnation: 1}, nil, false},
		"an executor is at it": {moving.With(3, cluster.Change{Put: []cluster.Object{handedOver}}), cluster.InstanceID{Shard: 1, Incarnation: 1}, silent, false},
	} {
		if got := acksAwaited(c.board, c.id, c.seen); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
