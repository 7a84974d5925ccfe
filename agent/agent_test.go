package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is the board of a test: whoever holds it commits.
type desk struct {
	mu      sync.Mutex
	board   *cluster.Board
	changes []chan *cluster.Board
}

func (d *desk) Board() *cluster.Board {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.board
}
func (d *desk) Subscribe(context.Context) <-chan *cluster.Board {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan *cluster.Board, 1)
	d.changes = append(d.changes, c)
	return c
}
func (d *desk) Sync(context.Context) (*cluster.Board, error) { return d.Board(), nil }
func (d *desk) Current() bool                                { return true }
func (d *desk) ServeSince() int64                            { return 1 }
func (d *desk) ServeUntil() int64                            { return bootTime() + int64(time.Minute) }
func (d *desk) Alive() map[int]bool                          { return map[int]bool{1: true} }
func (d *desk) Call(context.Context, int, string, any, any) error {
	return errors.New("no other daemon")
}
func (d *desk) commit(t *testing.T, cmd cluster.Command) *cluster.Board {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	change, err := cmd.Apply(d.board)
	if err != nil {
		t.Fatalf("%T: %v", cmd, err)
	}
	d.board = d.board.With(d.board.Revision+1, change)
	for _, c := range d.changes {
		select {
		case c <- d.board:
		default:
		}
	}
	return d.board
}

// raw commits a change as it is.
type raw struct{ change cluster.Change }

func (r raw) Apply(*cluster.Board) (cluster.Change, error) { return r.change, nil }

// host is one agent with real engines and a desk of its own.
type host struct {
	*desk
	t       *testing.T
	agent   *Agent
	dir     string
	binary  engine.Binary
	scan    func(string) ([]string, error) // nil: the disk is asked
	mu      sync.Mutex
	reports []cluster.Report
	stop    func()
}

func newHost(t *testing.T) *host {
	binary, err := engine.Find("")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dir: t.TempDir(), binary: binary}
	h.desk = &desk{}
	var empty *cluster.Board
	h.desk.board = empty.With(1, cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "test", NextDatabase: 1, NextShard: 1},
		cluster.Node{ID: 1, Address: "127.0.0.1", TotalMemory: 1 << 30, MaxShards: 100, MaxListeners: 100},
	}})
	h.start()
	t.Cleanup(func() {
		h.stop()
		h.killAll()
	})
	return h
}

func (h *host) start() {
	h.agent = New(Config{
		Node: 1, BootID: "boot", Shards: filepath.Join(h.dir, "shards"), Binary: h.binary,
		Board: h.desk, Peers: h.desk, Proxy: proxy.NewClient(filepath.Join(h.dir, "proxy.sock")),
		ProxySocket: filepath.Join(h.dir, "proxy.sock"),
		StartProxy:  func(context.Context) error { return errors.New("this host has no proxy") },
		Report: func(_ context.Context, r cluster.Report) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reports = append(h.reports, r)
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if h.scan != nil {
		h.agent.scan = h.scan
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.agent.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
}

func (h *host) killAll() {
	dirs, err := engine.Scan(filepath.Join(h.dir, "shards"))
	if err != nil {
		h.t.Error(err)
	}
	for _, dir := range dirs {
		p, running, err := engine.Adopt(dir)
		if err == nil && running {
			err = p.Kill()
			p.Close()
		}
		if err != nil {
			h.t.Error(err)
		}
	}
}

// last returns the newest report made on the newest board.
func (h *host) last() (cluster.Report, bool) {
	board := h.Board()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.reports) == 0 || h.reports[len(h.reports)-1].Revision < board.Revision {
		return cluster.Report{}, false
	}
	return h.reports[len(h.reports)-1], true
}

// eventually waits until a report satisfies the condition.
func (h *host) eventually(what string, ok func(cluster.Report) bool) cluster.Report {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if r, fresh := h.last(); fresh && ok(r) {
			return r
		}
		time.Sleep(10 * time.Millisecond)
	}
	r, _ := h.last()
	h.t.Fatalf("never: %s; last report %+v", what, r)
	return cluster.Report{}
}

// database puts one range on the board: redis:1 as master and redis:2 as its
// replica, both on node 1.
func (h *host) database() (one, two cluster.Instance) {
	id := cluster.RangeID{Database: 1}
	one = cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Range: id, Node: 1, Port: freePort(h.t)}
	two = cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 1}, Range: id, Node: 1, Port: freePort(h.t)}
	h.commit(h.t, raw{cluster.Change{Put: []cluster.Object{
		cluster.Database{ID: 1, Name: "orders", Status: cluster.DatabaseActive, MemorySize: 64 << 20, ShardsCount: 1, Replication: true, Persistence: "disabled", Eviction: "noeviction"},
		cluster.Secrets{Database: 1, Agent: "agent-secret", Replica: "replica-secret", Proxy: "proxy-secret"},
		cluster.SlotRange{ID: id, Last: 16383, Master: one.ID, Generation: 1},
		cluster.Shard{ID: 1, Range: id, Instance: one.ID, NextIncarnation: 2},
		cluster.Shard{ID: 2, Range: id, Instance: two.ID, NextIncarnation: 2},
		one, two,
	}}})
	h.eventually("master and linked replica", func(r cluster.Report) bool {
		return r.Instances[one.ID].Role == cluster.Master && r.Instances[two.ID].Linked
	})
	h.commit(h.t, cluster.MarkStarted{Instances: []cluster.InstanceID{one.ID, two.ID}})
	// A master feeds a replica only once that has acknowledged its copy.
	master := engine.Instance{Name: "1.1", Address: "127.0.0.1", Port: one.Port, AgentPassword: "agent-secret"}
	h.eventually("the replica fed by its master", func(cluster.Report) bool {
		o := master.Observe(h.t.Context())
		return len(o.Replicas) == 1 && o.Replicas[0].State == "online"
	})
	return one, two
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

func TestCrashedReplicaComesBackAndCrashedMasterDoesNot(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	r, _ := h.last()
	for r.Sequence == 0 {
		r = h.eventually("a report", func(cluster.Report) bool { return true })
	}
	first := r.Instances[two.ID].PID
	kill(t, first)
	h.eventually("a new linked replica", func(r cluster.Report) bool {
		o := r.Instances[two.ID]
		return o.Linked && o.PID != first
	})
	kill(t, r.Instances[one.ID].PID)
	r = h.eventually("the master absent", func(r cluster.Report) bool { return r.Instances[one.ID].State == cluster.Absent })
	if r.Instances[one.ID].Reason == "" {
		t.Error("no reason why the master is absent")
	}
	seen := r.Sequence
	h.eventually("further looks, the master still absent", func(r cluster.Report) bool {
		if r.Instances[one.ID].State != cluster.Absent {
			t.Fatal("the crashed master was started in place")
		}
		return r.Sequence > seen+5
	})
}

// The saved state may be older than a failover, so that what is emptied for a copy
// may be the last of the newest data.
func TestFilesOfAFormerLifeAreSetAside(t *testing.T) {
	h := newHost(t)
	_, two := h.database()
	aside := filepath.Join(h.dir, "shards", "2.1.before-life-2")
	left := filepath.Join(h.dir, "shards", "2.1", "left")
	crash := func() {
		t.Helper()
		r := h.eventually("a linked replica", func(r cluster.Report) bool { return r.Instances[two.ID].Linked })
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		kill(t, r.Instances[two.ID].PID)
		h.eventually("a new linked replica", func(now cluster.Report) bool {
			o := now.Instances[two.ID]
			return o.Linked && o.PID != r.Instances[two.ID].PID
		})
		if exists(left) {
			t.Error("the folder was not emptied")
		}
	}
	crash()
	if exists(aside) {
		t.Fatal("a folder is set aside in a cluster that was never recovered")
	}
	c := h.Board().Cluster
	c.Incarnation, c.Recovered = 2, time.Now()
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{c}}})
	crash()
	if !exists(filepath.Join(aside, "left")) {
		t.Fatal("the files are gone")
	}
	h.eventually("what is set aside is told", func(r cluster.Report) bool {
		return len(r.FormerFiles) == 1 && r.FormerFiles[0].Name == "2.1.before-life-2" && r.FormerFiles[0].Instance == two.ID && r.FormerFiles[0].Bytes > 0
	})
	n := h.Board().Nodes[1]
	n.Deleting = []string{"2.1.before-life-2", "2.1"}
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{n}}})
	h.eventually("what was to be deleted is gone", func(r cluster.Report) bool { return len(r.FormerFiles) == 0 })
	if exists(filepath.Join(aside, "left")) || !exists(filepath.Join(h.dir, "shards", "2.1")) {
		t.Error("not what was named was deleted, or more")
	}
	crash() // what it held was copied in this life
	if exists(filepath.Join(aside, "left")) {
		t.Error("files of this life were set aside")
	}
	if found, err := filepath.Glob(filepath.Join(h.dir, "shards", "*.before-life-*")); err != nil || len(found) != 1 {
		t.Errorf("%v %v", found, err)
	}
}

func TestOrderIsCarriedOutOnceAndAgainSaysTheSame(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	h.commit(t, cluster.OpenHandover{At: time.Now(), ID: "h1", To: two.ID})
	order := cluster.Order{ID: "h1", Epoch: 7, Range: one.Range, From: one.ID, To: two.ID, Generation: 2, TTL: 10 * time.Second}
	out, err := h.agent.Handover(t.Context(), order)
	if err != nil || out.Result != cluster.Moved {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	again, err := h.agent.Handover(t.Context(), order)
	if err != nil || again != out {
		t.Fatalf("again %+v, %v; first %+v", again, err, out)
	}
	h.commit(t, cluster.CloseHandover{At: time.Now(), Range: one.Range, ID: "h1", Moved: true, ReplID: out.ReplID})
	h.eventually("roles swapped and linked", func(r cluster.Report) bool {
		return r.Instances[two.ID].Role == cluster.Master && r.Instances[one.ID].Role == cluster.Slave && r.Instances[one.ID].Linked
	})
	order.Epoch = 6
	if _, err := h.agent.Handover(t.Context(), order); cluster.CodeOf(err) != cluster.CodeStale {
		t.Errorf("an order of an older epoch: %v", err)
	}
}

// illegible is a board that can not be read.
type illegible struct{ *desk }

func (illegible) Sync(context.Context) (*cluster.Board, error) { return nil, errors.New("no quorum") }

// An earlier run of the same order may have promoted the target.
func TestOutcomeIsUnknownWithoutTheBoard(t *testing.T) {
	d := &desk{}
	a := New(Config{Node: 1, Board: illegible{d}, Peers: d, Logger: slog.New(slog.DiscardHandler)})
	out, err := a.Handover(t.Context(), cluster.Order{ID: "h1", Epoch: 7, TTL: time.Second})
	if err != nil || out.Result != cluster.Unknown {
		t.Fatalf("outcome %+v, %v", out, err)
	}
}

func TestMasterThatTheBoardReplacedIsDemoted(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	// The range went to redis:2 by a promotion this host had no part in.
	r := h.Board().Ranges[one.Range]
	r.Master, r.Generation = two.ID, 2
	s := engine.Instance{Name: "2.1", Address: "127.0.0.1", Port: two.Port, AgentPassword: "agent-secret"}
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{r}}})
	if _, err := s.Serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.eventually("the former master follows", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return o.Role == cluster.Slave && o.Source == fmt.Sprintf("127.0.0.1:%d", two.Port) && o.Linked
	})
}

func TestNextDaemonAdoptsAndWhatNothingOrdersGoes(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	before := h.eventually("a report", func(cluster.Report) bool { return true })
	h.stop()
	h.start()
	h.eventually("the same processes", func(r cluster.Report) bool {
		return r.Instances[one.ID].PID == before.Instances[one.ID].PID && r.Instances[two.ID].PID == before.Instances[two.ID].PID
	})
	h.commit(t, raw{cluster.Change{Delete: []cluster.Key{two.Key(), {Kind: cluster.KindShard, ID: "2"}}}})
	h.eventually("the replica gone", func(r cluster.Report) bool {
		_, there := r.Instances[two.ID]
		return !there
	})
	if _, err := os.Stat(filepath.Join(h.dir, "shards", two.ID.String())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if err := syscall.Kill(before.Instances[two.ID].PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}

func TestStrangerOnThePort(t *testing.T) {
	h := newHost(t)
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	id := cluster.RangeID{Database: 1}
	one := cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Range: id, Node: 1, Port: stranger.Addr().(*net.TCPAddr).Port}
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{
		cluster.Database{ID: 1, Name: "orders", MemorySize: 64 << 20, ShardsCount: 1, Persistence: "disabled", Eviction: "noeviction"},
		cluster.Secrets{Database: 1, Agent: "agent-secret", Replica: "replica-secret", Proxy: "proxy-secret"},
		cluster.SlotRange{ID: id, Last: 16383, Master: one.ID, Generation: 1},
		cluster.Shard{ID: 1, Range: id, Instance: one.ID, NextIncarnation: 2}, one,
	}}})
	h.eventually("the stranger named", func(r cluster.Report) bool {
		return strings.HasPrefix(r.Instances[one.ID].Reason, cluster.PortTaken)
	})
	one.Port = freePort(t)
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{one}}})
	h.eventually("a master on the other port, and no word of the first", func(r cluster.Report) bool {
		if strings.HasPrefix(r.Instances[one.ID].Reason, cluster.PortTaken) {
			t.Fatal("the new port is blamed for the old one's stranger")
		}
		return r.Instances[one.ID].Role == cluster.Master
	})
}
