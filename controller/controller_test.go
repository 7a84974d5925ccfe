package controller

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/haulout/haulout/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quorum is a store in memory.
type quorum struct {
	mu    sync.Mutex
	board *cluster.Board
	epoch int64
	alive map[int]bool
	subs  []chan *cluster.Board
	log   []cluster.Entry
	takes time.Duration // each commit
}

func (q *quorum) Board() *cluster.Board {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.board
}

func (q *quorum) Subscribe(context.Context) <-chan *cluster.Board {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := make(chan *cluster.Board, 1)
	q.subs = append(q.subs, c)
	return c
}

func (q *quorum) Commit(_ context.Context, epoch int64, basis *cluster.Board, c cluster.Change) (*cluster.Board, error) {
	time.Sleep(q.takes)
	q.mu.Lock()
	defer q.mu.Unlock()
	if epoch != q.epoch || basis.Revision != q.board.Revision {
		return nil, cluster.Refuse(cluster.CodeStale, "", "stale")
	}
	q.board, q.log = q.board.With(q.board.Revision+1, c), append(q.log, c.Log...)
	for _, s := range q.subs {
		select {
		case s <- q.board:
		default:
		}
	}
	return q.board, nil
}

func (q *quorum) Alive() map[int]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.alive)
}

func (q *quorum) Leader() (int, int64, bool)           { return 3, q.epoch, true }
func (q *quorum) TrimLog(context.Context, int64) error { return nil }

func (q *quorum) kill(node int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.alive, node)
}

func (q *quorum) revive(node int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.alive[node] = true
}

// hands answers orders as the test says.
type hands struct {
	mu     sync.Mutex
	orders []cluster.Order
	nodes  []int
	answer func(n int, o cluster.Order) (cluster.Outcome, error)
	// removed are the nodes to be let go by the quorum, refusals what it says at first.
	removed  []int
	refusals []error
}

func (h *hands) Handover(_ context.Context, node int, o cluster.Order) (cluster.Outcome, error) {
	h.mu.Lock()
	h.orders, h.nodes = append(h.orders, o), append(h.nodes, node)
	n := len(h.orders)
	h.mu.Unlock()
	return h.answer(n, o)
}

func (h *hands) got() ([]cluster.Order, []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]cluster.Order{}, h.orders...), append([]int{}, h.nodes...)
}

func (h *hands) Members(context.Context) ([]Member, error) { return nil, nil }
func (h *hands) Promote(context.Context, ...uint64) error  { return nil }

func (h *hands) Remove(_ context.Context, n cluster.Node) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removed = append(h.removed, n.ID)
	if len(h.removed) <= len(h.refusals) {
		return h.refusals[len(h.removed)-1]
	}
	return nil
}

var (
	one = cluster.InstanceID{Shard: 1, Incarnation: 1}
	two = cluster.InstanceID{Shard: 2, Incarnation: 1}
	rng = cluster.RangeID{Database: 1}
)

// office is a leading controller of three nodes with one replicated range:
// redis:1 on node 1 is master, redis:2 on node 2 its replica.
type office struct {
	t *testing.T
	*quorum
	*hands
	*Controller
	sequence int64
	muted    int // the node that does not report
	resign   func()
}

func newOffice(t *testing.T, answer func(n int, o cluster.Order) (cluster.Outcome, error)) *office {
	q := &quorum{epoch: 7, alive: map[int]bool{1: true, 2: true, 3: true}}
	var empty *cluster.Board
	q.board = empty.With(1, cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "test", Name: "test", NextDatabase: 2, NextShard: 3, ConcurrentMoves: 2},
		cluster.Node{ID: 1, Membership: cluster.Voter}, cluster.Node{ID: 2, Membership: cluster.Voter}, cluster.Node{ID: 3, Membership: cluster.Voter},
		cluster.Database{ID: 1, Name: "orders", Status: cluster.DatabaseActive, Replication: true, ShardsCount: 1},
		cluster.SlotRange{ID: rng, Last: 16383, Master: one, Generation: 1, LastReplID: "first"},
		cluster.Shard{ID: 1, Range: rng, Instance: one, NextIncarnation: 2}, cluster.Shard{ID: 2, Range: rng, Instance: two, NextIncarnation: 2},
		cluster.Instance{ID: one, Range: rng, Node: 1, Port: 20000, Started: true}, cluster.Instance{ID: two, Range: rng, Node: 2, Port: 20000, Started: true},
	}})
	h := &hands{answer: answer}
	o := &office{t: t, quorum: q, hands: h}
	o.Controller = New(Config{Node: 3, Store: q, Executor: h, Members: h, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Lead(ctx, 7) }()
	o.resign = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Lead: %v", err)
		}
	})
	synctest.Wait() // in office
	return o
}

// report has every live node that is not muted report what it shows on the present board.
func (o *office) report(edit func(*cluster.Report)) {
	b := o.quorum.Board()
	o.sequence++
	for node := range o.quorum.Alive() {
		if node == o.muted {
			continue
		}
		r := cluster.Report{Node: node, Sequence: o.sequence, Revision: b.Revision, BootID: "boot", Instances: map[cluster.InstanceID]cluster.Observed{}}
		r.Proxy = cluster.ProxyReport{Up: true, Revision: b.Revision}
		switch node {
		case 1:
			r.Instances[one] = cluster.Observed{State: cluster.Up, Role: cluster.Master, ReplicationID: "first", Offset: 10}
		case 2:
			r.Instances[two] = cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "first", Offset: 10, Linked: true, EverLinked: true, Source: ":20000"}
		}
		if edit != nil {
			edit(&r)
		}
		o.Report(r)
	}
	synctest.Wait()
}

func (o *office) open() {
	o.t.Helper()
	if err := o.Submit(o.t.Context(), cluster.OpenHandover{At: time.Now(), ID: "h", To: two}); err != nil {
		o.t.Fatal(err)
	}
}

func TestUnknownOutcomeIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, func(n int, _ cluster.Order) (cluster.Outcome, error) {
			switch n {
			case 1:
				return cluster.Outcome{}, errors.New("the connection broke")
			case 2:
				return cluster.Outcome{Result: cluster.Unknown, Reason: "the target does not answer"}, nil
			}
			return cluster.Outcome{Result: cluster.Moved, ReplID: "second"}, nil
		})
		defer o.resign()
		o.report(nil)
		o.open()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		orders, nodes := o.got()
		if len(orders) != 3 || nodes[0] != 1 || orders[0] != orders[2] || orders[1].TTL >= orderTTL || orders[0].Epoch != 7 || orders[0].Generation != 2 {
			t.Errorf("orders %+v to nodes %v", orders, nodes)
		}
		r := o.quorum.Board().Ranges[rng]
		if r.Handover != nil || r.Master != two || r.Generation != 2 || r.LastReplID != "second" || r.PrevReplID != "first" {
			t.Errorf("range %+v", r)
		}
	})
}

func TestUnmovedStaysUnderAGenerationNobodyWasPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
			return cluster.Outcome{Result: cluster.Unmoved, Reason: "the target lags"}, nil
		})
		defer o.resign()
		o.report(nil)
		o.open()
		synctest.Wait()
		if r := o.quorum.Board().Ranges[rng]; r.Handover != nil || r.Master != one || r.Generation != 3 {
			t.Errorf("range %+v", r)
		}
	})
}

func TestPromotionWaitsForTheOldGenerationToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
			return cluster.Outcome{Result: cluster.Moved, ReplID: "second"}, nil
		})
		defer o.resign()
		gone := func(r *cluster.Report) {
			if r.Node == 1 {
				r.Instances[one] = cluster.Observed{State: cluster.Absent}
			}
		}
		slow := func(r *cluster.Report) {
			gone(r)
			if r.Node == 3 {
				r.Proxy.Revision = 1
			}
		}
		o.report(gone)
		if h := o.quorum.Board().Ranges[rng].Handover; h == nil || !h.Unplanned || h.To != two {
			t.Fatalf("hand-over %+v", h)
		}
		o.report(slow)
		time.Sleep(3 * time.Second)
		o.report(slow)
		if orders, _ := o.got(); len(orders) > 0 {
			t.Fatal("promoted while the proxy of node 3 may still send by the old generation")
		}
		o.report(gone)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, nodes := o.got(); len(nodes) != 1 || nodes[0] != 2 {
			t.Fatalf("orders to nodes %v", nodes)
		}
		if r := o.quorum.Board().Ranges[rng]; r.Master != two {
			t.Errorf("range %+v", r)
		}
	})
}

func TestLeaseThatEndedClosesTheGenerationToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
			return cluster.Outcome{Result: cluster.Moved, ReplID: "second"}, nil
		})
		defer o.resign()
		o.report(nil)
		o.kill(1)
		o.report(nil)
		o.report(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if r := o.quorum.Board().Ranges[rng]; r.Master != two || r.Handover != nil {
			t.Errorf("range %+v", r)
		}
	})
}

// With both hosts gone nobody knows whether the target serves: the first of the
// two that returns shows it.
func TestHandoverWhoseHostsAreBothGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o *office
		o = newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
			o.kill(1)
			o.kill(2)
			return cluster.Outcome{}, errors.New("the hosts are gone")
		})
		defer o.resign()
		o.report(nil)
		o.open()
		for range 60 {
			time.Sleep(time.Second)
			o.report(nil)
		}
		if h := o.quorum.Board().Ranges[rng].Handover; h == nil || h.ID != "h" {
			t.Fatalf("decided without having seen either: %+v", h)
		}
		o.revive(2)
		for range 30 {
			time.Sleep(time.Second)
			o.report(func(r *cluster.Report) {
				if r.Node == 2 {
					r.Instances[two] = cluster.Observed{State: cluster.Up, Role: cluster.Master, Serving: true, ReplicationID: "second", ReplicationID2: "first", EverLinked: true}
				}
			})
		}
		if r := o.quorum.Board().Ranges[rng]; r.Handover != nil || r.Master != two {
			t.Errorf("range %+v", r)
		}
	})
}

func TestNewLeaderListensBeforeItDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) { return cluster.Outcome{Result: cluster.Moved}, nil })
		defer o.resign()
		b := o.quorum.Board()
		o.Report(cluster.Report{Node: 1, Sequence: 1, Revision: b.Revision, BootID: "boot",
			Instances: map[cluster.InstanceID]cluster.Observed{one: {State: cluster.Absent}}})
		time.Sleep(time.Second)
		synctest.Wait()
		if h := o.quorum.Board().Ranges[rng].Handover; h != nil {
			t.Fatalf("decided before nodes 2 and 3 were heard: %+v", h)
		}
	})
}

func TestOfficeIsHandedOnWhenItsNodeGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		asked := make(chan struct{}, 10)
		o.cfg.HandOn = func(context.Context, int) error { asked <- struct{}{}; return nil }
		o.report(nil)
		a := cluster.Action{ID: "a", Name: cluster.MaintenanceOn, Node: 3, Created: time.Now(), Options: cluster.MaintenanceOptions{DemoteNode: true}}
		if err := o.StartAction(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(asked) != 1 {
			t.Errorf("asked to step down %d times", len(asked))
		}
	})
}

func TestRequestWaitsForAReplicaThatCatchesUp(t *testing.T) {
	for _, catchesUp := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t, nil)
			defer o.resign()
			behind := func(r *cluster.Report) {
				if m, is := r.Instances[one]; is {
					m.Offset = 100 << 20
					r.Instances[one] = m
				}
			}
			o.report(behind)
			began, ended := time.Now(), make(chan error, 1)
			go func() {
				ended <- o.StartAction(t.Context(), cluster.Action{ID: "a", Name: cluster.MaintenanceOn, Node: 1, Created: time.Now()})
			}()
			time.Sleep(2 * time.Second)
			if catchesUp {
				o.report(nil)
			}
			err := <-ended
			if catchesUp && err != nil {
				t.Errorf("refused although it caught up: %v", err)
			}
			if waited := time.Since(began); !catchesUp && (cluster.CodeOf(err) != cluster.CodeNotInSync || waited < patience || waited > 2*patience) {
				t.Errorf("after %v: %v", waited, err)
			}
		})
	}
}

// A node that leads again must not go by what it was told when it led before: the
// roles have changed since.
func TestNewTermForgetsWhatTheFormerOneWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		o.report(func(r *cluster.Report) { // redis:1 was a slave then
			if old, is := r.Instances[one]; is {
				old.Role = cluster.Slave
				r.Instances[one] = old
			}
		})
		o.resign()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Lead(ctx, 7) }()
		synctest.Wait()
		if v := o.View(); len(v.Reports) > 0 {
			t.Errorf("still goes by %v", v.Reports)
		}
		asked := make(chan error, 1)
		go func() {
			asked <- o.StartAction(t.Context(), cluster.Action{ID: "a", Name: cluster.MaintenanceOn, Node: 1, Created: time.Now()})
		}()
		time.Sleep(time.Second)
		o.report(nil)
		if err := <-asked; err != nil {
			t.Errorf("refused instead of waiting for the first reports: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestOfficeIsHandedToTheNodeAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		var handed []int
		o.cfg.HandOn = func(_ context.Context, node int) error { handed = append(handed, node); return nil }
		o.report(nil)
		leader, _, _ := o.quorum.Leader()
		other := leader%3 + 1
		for _, node := range []int{leader, other} {
			if err := o.ChangeMaster(t.Context(), node, "anna"); err != nil {
				t.Error(err)
			}
		}
		if err := o.ChangeMaster(t.Context(), 9, "anna"); cluster.CodeOf(err) != cluster.CodeNodeNotFound {
			t.Errorf("node:9: %v", err)
		}
		if !slices.Equal(handed, []int{other}) {
			t.Errorf("handed on to %v", handed)
		}
	})
}

func TestStaleTermEndsAndSubmitsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		o.report(nil)
		o.quorum.mu.Lock()
		o.quorum.epoch = 8
		o.quorum.mu.Unlock()
		err := o.Submit(t.Context(), cluster.RecordEntry{Entry: cluster.Entry{Text: "x"}})
		if cluster.CodeOf(err) != cluster.CodeStale {
			t.Errorf("Submit under an old epoch: %v", err)
		}
		o.resign()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Submit(ctx, cluster.RecordEntry{}); cluster.CodeOf(err) != cluster.CodeNoLeader {
			t.Errorf("Submit without office: %v", err)
		}
	})
}

func TestSubmitsAreDecidedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		o.report(nil)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				err := o.Decide(t.Context(), func(v cluster.View) (cluster.Command, error) {
					n := v.Nodes[1].MaxShards + 1
					return cluster.TuneNode{Node: 1, MaxShards: &n}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n := o.quorum.Board().Nodes[1].MaxShards; n != 20 {
			t.Errorf("20 increments made %d", n)
		}
	})
}

func TestOverdueHoldsAreReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		n := o.quorum.Board().Nodes[2]
		n.Maintenance = &cluster.Maintenance{Holds: []cluster.Hold{{ID: "a", Owner: "anna", Complete: true, Until: time.Now().Add(time.Minute)}}}
		if err := o.Submit(t.Context(), write{n}); err != nil {
			t.Fatal(err)
		}
		o.report(nil)
		if o.quorum.Board().Nodes[2].Maintenance.Holds[0].Reported {
			t.Error("reported too early")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		reported := o.quorum.Board()
		if h := reported.Nodes[2].Maintenance.Holds; len(h) != 1 || !h[0].Reported {
			t.Errorf("holds %+v", h)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if again := o.quorum.Board().Revision; again != reported.Revision {
			t.Errorf("the board went from %d to %d", reported.Revision, again)
		}
	})
}

// write puts an object on the board.
type write struct{ object cluster.Object }

func (w write) Apply(*cluster.Board) (cluster.Change, error) {
	return cluster.Change{Put: []cluster.Object{w.object}}, nil
}

// Nothing is promised to a database that its nodes have no room for.
func TestDatabaseGrowsWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		o.report(nil)
		b := o.quorum.Board()
		d := b.Databases[1]
		d.MemorySize, d.Eviction = 64<<20, "noeviction"
		objects := []cluster.Object{d, cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Nodes: []int{1}}}
		for _, n := range cluster.Sorted(b.Nodes) {
			n.TotalMemory = 1 << 30
			objects = append(objects, n)
		}
		o.quorum.mu.Lock()
		o.quorum.board = b.With(b.Revision+1, cluster.Change{Put: objects})
		o.quorum.mu.Unlock()
		most := int64(2 * (1<<30 - cluster.Backlog))
		for _, step := range []struct {
			size int64
			want cluster.Code
		}{{most + 2, cluster.CodeInsufficientResources}, {most, ""}, {1, cluster.CodeBadRequest}} {
			err := o.UpdateDatabase(t.Context(), cluster.UpdateDatabase{Database: 1, MemorySize: &step.size})
			if err == nil {
				d.MemorySize = step.size
			}
			if (err == nil) != (step.want == "") || err != nil && cluster.CodeOf(err) != step.want {
				t.Errorf("%d: %v", step.size, err)
			}
			if got := o.quorum.Board().Databases[1].MemorySize; got != d.MemorySize {
				t.Errorf("%d, want %d", got, d.MemorySize)
			}
		}
	})
}
