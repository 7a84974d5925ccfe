package maintenance_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// world is a cluster made of nothing: hosts that converge on the board and
// report what they did, one tick at a time. It checks after every command that
// no rule is broken, and after every tick that no write was lost.
type world struct {
	t     fataler
	board *cluster.Board
	now   time.Time
	hosts map[int]*host
	ids   int
	trace []string // the activity

	rate    int64                  // bytes a copy gains in a tick
	writes  int64                  // what each master takes in a tick
	refuse  map[int]int            // shard -> hand-overs to it that are to fail
	wedged  map[int]bool           // nodes on which no new process starts
	deaf    map[int]bool           // nodes whose proxy opens no listener
	clients map[string]int         // endpoint -> connections that never rest
	engines map[int]cluster.Engine // of the processes that a node starts
	acked   map[cluster.RangeID]int64
	over    map[int]bool // nodes that broke a limit from the beginning
	leader  int
	until   time.Time // the planned end of the next hold
	quota   int       // commands until the leader crashes; < 0: never
	crashes int
	seen    map[int64]time.Time
	told    map[cluster.EndpointID]time.Time // when clients of discovery were last sent elsewhere
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

type host struct {
	up        bool
	mute      bool // reports nothing
	procs     map[cluster.InstanceID]*proc
	listeners map[cluster.EndpointID]*cluster.EndpointState
	report    cluster.Report
	reported  time.Time
	sequence  int64
}

type proc struct {
	cluster.Observed
	of cluster.Instance
}

var epoch = time.Date(2026, 3, 14, 9, 50, 59, 0, time.UTC)

// scale is by how much nodes and databases are larger than tests say, so that a
// process with its backlog is as large as they say. What is copied is not.
const scale = 128

func newWorld(t fataler) *world {
	return &world{
		t: t, board: &cluster.Board{}, now: epoch, hosts: map[int]*host{}, rate: 40 << 20, writes: 100,
		refuse: map[int]int{}, wedged: map[int]bool{}, deaf: map[int]bool{}, clients: map[string]int{}, engines: map[int]cluster.Engine{},
		acked: map[cluster.RangeID]int64{}, over: map[int]bool{}, quota: -1, leader: 1, told: map[cluster.EndpointID]time.Time{},
	}
}

func (w *world) addNode(memory int64, zone string, membership cluster.Membership) int {
	n := cluster.Node{
		Identity: fmt.Sprint("id", len(w.hosts)+1), Address: fmt.Sprintf("127.0.0.%d", len(w.hosts)+1), RackID: zone, Cores: 4,
		TotalMemory: memory * scale, MaxShards: 100, MaxListeners: 100, Membership: membership,
	}
	if len(w.hosts) == 0 {
		w.apply(cluster.CreateCluster{At: w.now, ID: "c", Name: "harbour", RackAware: zone != "", Node: n, Admin: cluster.User{Email: "a@example"}})
	} else {
		w.apply(cluster.AddNode{At: w.now, Node: n})
	}
	id := len(w.hosts) + 1
	w.hosts[id] = &host{up: true, procs: map[cluster.InstanceID]*proc{}, listeners: map[cluster.EndpointID]*cluster.EndpointState{}}
	return id
}

// sized makes all processes of the database together as large as it says.
func sized(d cluster.Database) cluster.Database {
	copies := int64(d.ShardsCount)
	if d.Replication {
		copies *= 2
	}
	d.MemorySize = max(d.MemorySize*scale, copies*(cluster.Backlog+cluster.MinShardMemory)) - copies*cluster.Backlog
	return d
}

func (w *world) addDatabase(d cluster.Database, p cluster.Placement) {
	d = sized(d)
	d.Persistence, d.Eviction, d.ProxyPolicy = "disabled", "noeviction", cmp.Or(d.ProxyPolicy, cluster.Single)
	w.apply(cluster.CreateDatabase{At: w.now, Database: d, Placement: p})
	w.tick()
	var all []cluster.InstanceID
	for id := range w.board.Instances {
		all = append(all, id)
	}
	w.apply(cluster.MarkStarted{Instances: all})
	for range 10 {
		w.tick()
	}
	w.apply(cluster.DatabaseReady{At: w.now, Database: w.board.Cluster.NextDatabase - 1})
	w.tick()
}

// view is what the deciding rooms get to see: reports are as old as the last tick.
func (w *world) view() cluster.View {
	w.seen = w.board.FirstSeen(w.seen, w.now)
	v := cluster.View{Board: w.board, Now: w.now, FirstSeen: w.seen, Leader: w.leader, Alive: map[int]bool{}, Reports: map[int]cluster.Report{}, HeardAt: map[int]time.Time{}}
	for id, h := range w.hosts {
		if h.up {
			v.Alive[id] = true
		}
		if h.sequence > 0 {
			v.Reports[id] = h.report
			v.HeardAt[id] = h.reported
		}
	}
	return v
}

func (w *world) newID() string { w.ids++; return fmt.Sprint("h", w.ids) }

// apply commits one command and checks every rule. It reports false when the
// leader crashed instead.
func (w *world) apply(c cluster.Command) bool {
	w.t.Helper()
	if w.quota == 0 {
		w.crashes++
		return false
	}
	w.quota--
	change, err := c.Apply(w.board)
	if err != nil {
		w.t.Fatalf("%T refused: %v\n%s", c, err, w)
	}
	before := w.board
	w.board = before.With(before.Revision+1, change)
	w.seen = w.board.FirstSeen(w.seen, w.now)
	for _, e := range change.Log {
		if e.Severity != "DEBUG" || e.Type == "node_"+string(cluster.MaintenanceOn)+"_move_started" || e.Type == "node_"+string(cluster.MaintenanceOff)+"_move_started" {
			w.trace = append(w.trace, e.Text)
		}
	}
	w.checkRules(before)
	return true
}

// checkRules holds the board against the rules that hold at every moment.
func (w *world) checkRules(before *cluster.Board) {
	w.t.Helper()
	b := w.board
	for id, i := range b.Instances {
		if _, old := before.Instances[id]; !old {
			w.checkArrival(b, i)
		}
		for _, o := range b.Instances {
			if o.Range != i.Range || o.ID.Shard == id.Shard {
				continue
			}
			if o.Node == i.Node {
				w.t.Fatalf("two copies of %s on node:%d\n%s", i.Range, i.Node, w)
			}
			if d := b.Databases[i.Range.Database]; d.RackAware && strings.EqualFold(b.Nodes[o.Node].RackID, b.Nodes[i.Node].RackID) && !waived(b, id) && !waived(b, o.ID) {
				w.t.Fatalf("two copies of %s in zone %s\n%s", i.Range, b.Nodes[i.Node].RackID, w)
			}
		}
	}
	for id, n := range b.Nodes {
		w.checkLimits(b, id, n)
	}
	w.checkHandovers(b)
	for id, e := range b.Endpoints {
		if len(e.Nodes) == 0 {
			w.t.Fatalf("endpoint %s is nowhere\n%s", id, w)
		}
		if old, known := before.Endpoints[id]; known {
			w.checkTold(old, e)
		}
	}
}

// checkTold sees that clients of discovery are sent on only once they have arrived
// where they were sent last.
func (w *world) checkTold(before, e cluster.Endpoint) {
	left := before.Nodes[0]
	if e.Nodes[0] != left && w.now.Sub(w.told[e.ID]) < 5*time.Second && w.hosts[left].up {
		w.t.Fatalf("endpoint %s leaves node:%d, which its clients were told of at %s\n%s", e.ID, left, w.told[e.ID], w)
	}
	if e.Announced != before.Announced {
		w.told[e.ID] = w.now
	}
}

// checkHandovers sees that a node takes part in one planned hand-over at a time.
func (w *world) checkHandovers(b *cluster.Board) {
	busy := map[int]int{}
	for _, r := range b.Ranges {
		if h := r.Handover; h != nil && !h.Unplanned {
			busy[b.Instances[h.From].Node]++
			busy[b.Instances[h.To].Node]++
		}
	}
	for n, count := range busy {
		if count > 1 {
			w.t.Fatalf("node:%d takes part in %d hand-overs\n%s", n, count, w)
		}
	}
}

// waived reports whether a move that may break the zone rule made the instance.
func waived(b *cluster.Board, id cluster.InstanceID) bool {
	for _, a := range b.Actions {
		if slices.ContainsFunc(a.Moves, func(m cluster.Move) bool { return m.OverrideRack && m.Instance == id }) {
			return true
		}
	}
	return false
}

func (w *world) checkArrival(b *cluster.Board, i cluster.Instance) {
	n := b.Nodes[i.Node]
	if !n.Closed() || len(w.hosts) == 0 {
		return
	}
	if m := n.Maintenance; m != nil && m.Returning != "" && !n.QuorumOnly {
		s := b.Snapshots[cluster.SnapshotID{Node: n.ID, Name: b.Actions[m.Returning].Snapshot}]
		visitor := slices.Contains(s.VisitorShards, i.ID.Shard)
		if !visitor && slices.ContainsFunc(s.Shards, func(p cluster.Placed) bool { return p.Shard == i.ID.Shard }) {
			return
		}
	}
	w.t.Fatalf("instance %s was placed on node:%d, which is closed\n%s", i.ID, n.ID, w)
}

func (w *world) checkLimits(b *cluster.Board, id int, n cluster.Node) {
	var memory int64
	shards, listeners := 0, 0
	for _, i := range b.InstancesOn(id) {
		memory += b.Databases[i.Range.Database].ProcessMemory()
		shards++
	}
	for _, e := range b.Endpoints {
		if e.ServedBy(id) {
			listeners++
		}
	}
	if !w.over[id] && (memory > n.TotalMemory || shards > n.MaxShards || listeners > n.MaxListeners) {
		w.t.Fatalf("node:%d has %d of %d bytes, %d of %d shards, %d of %d listeners\n%s", id,
			memory, n.TotalMemory, shards, n.MaxShards, listeners, n.MaxListeners, w)
	}
}

// carry lets the leader work until no action is left to carry out.
func (w *world) carry() {
	w.t.Helper()
	if !w.carryFor(2 * time.Hour) {
		w.t.Fatalf("no end after hours\n%s", w)
	}
}

// carryFor lets the leader work for a time and reports whether all is done.
func (w *world) carryFor(d time.Duration) bool {
	w.t.Helper()
	for end, decisions := w.now.Add(d), 0; w.now.Before(end); {
		if decisions++; decisions > 5000 {
			w.t.Fatalf("%d decisions without an end\n%s", decisions, w)
		}
		open, decided := false, false
		for _, a := range w.board.ActionsByAge() {
			if a.Status.Ended() {
				continue
			}
			open = true
			w.checkProgress(a)
			for _, c := range maintenance.Next(w.view(), w.board.Actions[a.ID], w.newID) {
				decided = true
				if !w.apply(c) {
					w.quota = -1 // the next leader
					break
				}
			}
		}
		if !open {
			return true
		}
		if !decided {
			w.tick()
		}
	}
	return false
}

func (w *world) checkProgress(a cluster.Action) {
	w.t.Helper()
	p := maintenance.ProgressOf(w.view(), a)
	if p.Percent < 0 || p.Percent > 100 || p.BytesDone > p.BytesTotal || p.BytesDone < 0 {
		w.t.Fatalf("progress of %s: %+v\n%s", a.ID, p, w)
	}
	if p.Waiting == "" && len(maintenance.Next(w.view(), a, func() string { return "x" })) == 0 {
		w.t.Fatalf("action %s neither acts nor says what it waits for\n%s", a.ID, w)
	}
}

// request enqueues an action, if its checks pass, and carries everything out.
func (w *world) request(name cluster.ActionName, node int, o cluster.MaintenanceOptions, by string) (cluster.Action, error) {
	w.t.Helper()
	if err := maintenance.Refusals(maintenance.Preflight(w.view(), node, name, o)); err != nil {
		return cluster.Action{}, err
	}
	id := w.enqueue(name, node, o, by)
	w.carry()
	return w.board.Actions[id], nil
}

func (w *world) enqueue(name cluster.ActionName, node int, o cluster.MaintenanceOptions, by string) string {
	w.t.Helper()
	id := fmt.Sprintf("a%d", w.board.Revision)
	quota := w.quota
	w.quota = -1
	database := 0
	if name == cluster.ShardFailover {
		database = w.board.Shards[o.Shards[0]].Range.Database
	}
	w.apply(cluster.EnqueueAction{Action: cluster.Action{ID: id, Name: name, Node: node, Database: database, Options: o, By: cmp.Or(by, "admin"), Until: w.until, Created: w.now}})
	w.quota = quota
	w.tick()
	return id
}

// String draws the cluster: each node with its shards and endpoints.
func (w *world) String() string {
	var s strings.Builder
	for _, n := range cluster.Sorted(w.board.Nodes) {
		fmt.Fprintf(&s, "node:%d", n.ID)
		if n.RackID != "" {
			fmt.Fprintf(&s, " in %s", n.RackID)
		}
		if !w.hosts[n.ID].up {
			s.WriteString(" down")
		}
		if n.QuorumOnly {
			s.WriteString(" quorum-only")
		}
		if n.Maintenance != nil {
			fmt.Fprintf(&s, " out (%d)", len(n.Maintenance.Holds))
		}
		s.WriteString(":")
		for _, i := range w.board.InstancesOn(n.ID) {
			shard := w.board.Shards[i.ID.Shard]
			mark := string(w.board.RoleOf(shard))
			if shard.Instance != i.ID {
				mark = "second"
			}
			fmt.Fprintf(&s, " redis:%d=%s", i.ID.Shard, mark)
		}
		for _, e := range w.board.EndpointsOn(n.ID) {
			fmt.Fprintf(&s, " endpoint:%s", e.ID)
		}
		s.WriteString("\n")
	}
	return s.String()
}

// place is where everything is, roles included, without what a move leaves
// different for good: incarnations, ports, generations.
func (w *world) place() string {
	var s strings.Builder
	for _, shard := range cluster.Sorted(w.board.Shards) {
		fmt.Fprintf(&s, "redis:%d node:%d %s\n", shard.ID, w.board.NodeOf(shard), w.board.RoleOf(shard))
	}
	for _, id := range slices.SortedFunc(maps.Keys(w.board.Endpoints), func(a, b cluster.EndpointID) int { return cmp.Compare(a.Database, b.Database) }) {
		e := w.board.Endpoints[id]
		if w.board.Databases[id.Database].Spread() { // which of them discovery answers may change
			e.Nodes = slices.Sorted(slices.Values(e.Nodes))
			e.Nodes = slices.DeleteFunc(e.Nodes, func(n int) bool { return w.standsIn(id.Database, n) })
		}
		fmt.Fprintf(&s, "endpoint:%s %v %v %v\n", id, e.Nodes, e.Opening, e.Draining)
	}
	for _, n := range cluster.Sorted(w.board.Nodes) {
		fmt.Fprintf(&s, "node:%d out=%v\n", n.ID, n.Maintenance != nil)
	}
	return s.String()
}

// standsIn reports whether the node serves an endpoint of masters without having
// one. It leaves by the policy, which no action waits for.
func (w *world) standsIn(database, node int) bool {
	return w.board.Databases[database].ProxyPolicy == cluster.AllMasterShards && !slices.ContainsFunc(w.board.RangesOf(database), func(r cluster.SlotRange) bool {
		return w.board.Instances[r.Master].Node == node
	})
}

func sortedRanges(b *cluster.Board) []cluster.SlotRange {
	return slices.SortedFunc(maps.Values(b.Ranges), func(x, y cluster.SlotRange) int {
		return cmp.Or(cmp.Compare(x.ID.Database, y.ID.Database), cmp.Compare(x.ID.Index, y.ID.Index))
	})
}

var _ fataler = (*testing.T)(nil)
