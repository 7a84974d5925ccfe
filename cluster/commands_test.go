package cluster_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestClusterAndNodes(t *testing.T) {
	s := begin(t, 2)
	s.refused(cluster.CreateCluster{ID: "d"}, cluster.CodeAlreadyBootstrapped)
	if n := s.board.Nodes[1]; n.Membership != cluster.Voter || s.board.Users[1].Role != "admin" {
		t.Errorf("%+v", n)
	}
	same := s.board.Nodes[2]
	s.must(cluster.AddNode{At: at, Node: cluster.Node{Identity: same.Identity, Address: same.Address}})
	if len(s.board.Nodes) != 2 {
		t.Error("a joiner that tries again is another node")
	}
	s.refused(cluster.AddNode{Node: cluster.Node{Identity: same.Identity, Address: "127.0.0.9"}}, cluster.CodeJoinRefused)
	s.refused(cluster.AddNode{Node: cluster.Node{Identity: "new", Address: same.Address}}, cluster.CodeJoinRefused)
	s.must(cluster.SetMembership{Node: 2, Membership: cluster.Learner, MemberID: 77})
	s.must(cluster.AddNode{At: at, Node: cluster.Node{Identity: "third", Address: "127.0.0.3"}})
	if n := s.board.Nodes[3]; n.ID != 3 || n.Membership != cluster.Client || s.board.Nodes[2].MemberID != 77 {
		t.Errorf("%+v", s.board.Nodes)
	}
	s.refused(cluster.SetMembership{Node: 9}, cluster.CodeNodeNotFound)
}

func TestTuneNode(t *testing.T) {
	s := begin(t, 2)
	n, minus, yes, no := 5, -1, true, false
	s.must(cluster.TuneNode{Node: 2, MaxShards: &n, MaxListeners: &n})
	if got := s.board.Nodes[2]; got.MaxShards != 5 || got.MaxListeners != 5 {
		t.Errorf("%+v", got)
	}
	s.refused(cluster.TuneNode{Node: 2, MaxShards: &minus}, cluster.CodeBadRequest)
	s.refused(cluster.TuneNode{Node: 2, MaxListeners: &minus}, cluster.CodeBadRequest)
	s.refused(cluster.TuneNode{Node: 9, MaxShards: &n}, cluster.CodeNodeNotFound)
	two, less := 2, -2
	s.must(cluster.TuneNode{Node: 2, MaxForks: &two, MaxFullSyncs: &minus})
	if got := s.board.Nodes[2].CopyLimits(); got != (cluster.CopyLimits{Forks: 2, FullSyncs: cluster.Unset}) {
		t.Errorf("%+v", got)
	}
	s.refused(cluster.TuneNode{Node: 2, MaxForks: &less}, cluster.CodeBadRequest)
	s.database("a", 1, true)
	none := 0
	s.refused(cluster.TuneNode{Node: 2, MaxShards: &none}, cluster.CodeInsufficientResources)
	s.refused(cluster.TuneNode{MaxShards: &none}, cluster.CodeInsufficientResources) // every node
	s.must(cluster.TuneNode{MaxListeners: &n})
	for id, got := range s.board.Nodes {
		if got.MaxListeners != 5 {
			t.Errorf("node:%d: %+v", id, got)
		}
	}
	s.refused(cluster.TuneNode{Node: 2, QuorumOnly: &yes}, "node_already_populated")
	s.running("on", cluster.MaintenanceOn, 2)
	s.must(cluster.Mark{At: at, Action: "on"})
	s.refused(cluster.TuneNode{Node: 2, QuorumOnly: &no}, cluster.CodeActionRunning)
	s.must(cluster.CompleteOn{At: at, Action: "on"})
	s.must(cluster.TuneNode{Node: 2, QuorumOnly: &no})
	if s.board.Nodes[2].Closed() {
		t.Error("the mark was not lifted")
	}
}

func TestTokens(t *testing.T) {
	s := begin(t, 1)
	s.must(cluster.PutToken{At: at, Token: cluster.Token{ID: "old", Expires: at.Add(time.Hour)}})
	s.must(cluster.PutToken{At: at.Add(2 * time.Hour), Token: cluster.Token{ID: "new", Expires: at.Add(3 * time.Hour)}})
	if _, old := s.board.Tokens["old"]; old || len(s.board.Tokens) != 1 {
		t.Errorf("%v", s.board.Tokens)
	}
}

// A token admits as many hosts as it has uses, and a host that proves the key
// with which it joined once more, for as long as it is that node.
func TestTokensAreUsedUp(t *testing.T) {
	s := begin(t, 1)
	s.must(cluster.PutToken{At: at, Token: cluster.Token{ID: "one", Expires: at.Add(time.Hour), Owner: "ann"}})
	s.must(cluster.PutToken{At: at, Token: cluster.Token{ID: "two", Expires: at.Add(time.Hour), Uses: 2}})
	host := func(n int, token, key string) cluster.AddNode {
		return cluster.AddNode{At: at, Node: cluster.Node{Identity: fmt.Sprint("id", n), Address: fmt.Sprint("127.0.0.", n)}, Token: token, Key: key}
	}
	s.refused(host(2, "none", "k2"), cluster.CodeUnauthorized)
	if c, err := host(2, "one", "k2").Apply(s.board); err != nil || c.Log[0].Text != "node:2 joined from 127.0.0.2 with join token one of ann" {
		t.Errorf("the activity says %v, %v", c.Log, err)
	}
	s.must(host(2, "one", "k2"))
	s.must(host(2, "one", "k2"))
	if len(s.board.Tokens["one"].Used) != 1 || len(s.board.Nodes) != 2 {
		t.Error("a repeated join took another use")
	}
	s.refused(host(3, "one", "k3"), cluster.CodeUnauthorized)
	s.refused(host(2, "one", "stolen"), cluster.CodeUnauthorized)
	s.must(host(3, "two", "k3"))
	s.must(host(4, "two", "k4"))
	s.refused(host(5, "two", "k5"), cluster.CodeUnauthorized)

	late := host(2, "one", "k2")
	late.At = at.Add(time.Hour)
	s.refused(late, cluster.CodeUnauthorized)
	delete(s.board.Nodes, 2)
	s.refused(host(2, "one", "k2"), cluster.CodeUnauthorized)
}

func TestDatabaseChecks(t *testing.T) {
	s := begin(t, 2)
	s.database("taken", 1, false)
	port := s.board.Databases[1].Port
	tests := map[string]struct {
		change func(*cluster.Database)
		code   cluster.Code
	}{
		"no name":            {func(d *cluster.Database) { d.Name = "" }, cluster.CodeMissingName},
		"bad name":           {func(d *cluster.Database) { d.Name = "-a" }, cluster.CodeBadRequest},
		"underscore":         {func(d *cluster.Database) { d.Name = "a_b" }, cluster.CodeBadRequest},
		"long name":          {func(d *cluster.Database) { d.Name = strings.Repeat("a", 64) }, cluster.CodeBadRequest},
		"name taken":         {func(d *cluster.Database) { d.Name = "taken" }, cluster.CodeNameTaken},
		"no memory":          {func(d *cluster.Database) { d.MemorySize = 0 }, cluster.CodeMissingMemory},
		"negative memory":    {func(d *cluster.Database) { d.MemorySize = -1 }, cluster.CodeBadRequest},
		"boundless memory":   {func(d *cluster.Database) { d.MemorySize = math.MaxInt64 }, cluster.CodeBadRequest},
		"too little a shard": {func(d *cluster.Database) { d.ShardsCount = 100 }, cluster.CodeBadRequest},
		"no shards":          {func(d *cluster.Database) { d.ShardsCount = 0 }, cluster.CodeInvalidSharding},
		"too many shards":    {func(d *cluster.Database) { d.ShardsCount, d.MemorySize = 513, 1<<40 }, cluster.CodeInvalidSharding},
		"port out of range":  {func(d *cluster.Database) { d.Port = 6379 }, cluster.CodePortUnavailable},
		"port taken":         {func(d *cluster.Database) { d.Port = port }, cluster.CodePortUnavailable},
		"persistence":        {func(d *cluster.Database) { d.Persistence = "rdb" }, cluster.CodeInvalidPersistence},
		"events of nothing":  {func(d *cluster.Database) { d.Events = "KE" }, cluster.CodeBadRequest},
		"events unknown":     {func(d *cluster.Database) { d.Events = "KEAq" }, cluster.CodeBadRequest},
		"eviction":           {func(d *cluster.Database) { d.Eviction = "random" }, cluster.CodeInvalidEviction},
		"proxy policy":       {func(d *cluster.Database) { d.ProxyPolicy = "some-nodes" }, cluster.CodeInvalidProxyPolicy},
		"tls mode":           {func(d *cluster.Database) { d.TLS.Mode = "replica_ssl" }, cluster.CodeUnsupported},
		"rack aware":         {func(d *cluster.Database) { d.RackAware = true }, cluster.CodeNotRackAware},
	}
	for name, test := range tests {
		d := valid("fine", 1, false)
		test.change(&d)
		if got := cluster.CodeOf(d.Check(s.board)); d.Check(s.board) == nil || got != test.code {
			t.Errorf("%s: %v (%s), want %s", name, d.Check(s.board), got, test.code)
		}
	}
	if err := valid("a", 1, true).Check(s.board); err != nil {
		t.Error(err)
	}
	var all cluster.Refusals
	if err := (cluster.Database{}).Check(s.board); !errors.As(err, &all) || len(all) != 6 {
		t.Errorf("%d faults at once: %v", len(all), err)
	}
}

func TestCreateDatabase(t *testing.T) {
	s := begin(t, 2)
	d := s.database("a", 3, true)
	if d.Status != cluster.DatabasePending || d.Port != cluster.FirstDatabasePort || s.board.Cluster.NextShard != 7 {
		t.Errorf("%+v", d)
	}
	next := 0
	for _, r := range s.board.RangesOf(1) {
		if r.First != next || s.board.NodeOf(s.board.Shards[r.Master.Shard]) != 1 {
			t.Errorf("%+v begins at %d", r, next)
		}
		next = r.Last + 1
	}
	if next != cluster.Slots {
		t.Errorf("slots up to %d", next)
	}
	for _, shard := range s.board.Shards {
		p, ok := s.board.Partner(shard)
		if !ok || p.ID == shard.ID || s.board.RoleOf(p) == s.board.RoleOf(shard) {
			t.Errorf("%+v has partner %+v", shard, p)
		}
	}
	second := s.database("b", 1, false)
	if second.Port == d.Port || second.ID != 2 {
		t.Errorf("%+v", second)
	}
	if err := broken(s.board); err != nil {
		t.Error(err)
	}
}

func TestDatabaseLife(t *testing.T) {
	s := begin(t, 2)
	s.database("a", 1, true)
	s.must(cluster.DatabaseReady{At: at, Database: 1})
	s.must(cluster.MarkStarted{Instances: []cluster.InstanceID{id(1, 1), id(9, 9)}})
	if s.board.Databases[1].Status != cluster.DatabaseActive || !s.board.Instances[id(1, 1)].Started {
		t.Error("not active or not started")
	}
	r := cluster.RangeID{Database: 1}
	for _, replid := range []string{"x", "y", "y"} {
		s.must(cluster.NoteReplication{IDs: map[cluster.RangeID]string{r: replid}})
	}
	if got := s.board.Ranges[r]; got.LastReplID != "y" || got.PrevReplID != "x" {
		t.Errorf("%+v", got)
	}
	s.running("on", cluster.MaintenanceOn, 1, cluster.Move{Kind: cluster.Failover, Shard: 2, Old: 1})
	s.must(cluster.StartMove{Action: "on", Move: 1})
	s.refused(cluster.DeleteDatabase{Database: 1}, cluster.CodeBusy)
	s.must(cluster.FinishMove{Action: "on", Move: 1, Status: cluster.MoveDone})
	s.must(cluster.DeleteDatabase{Database: 1})
	if len(s.board.Shards)+len(s.board.Instances)+len(s.board.Ranges)+len(s.board.Endpoints) != 0 || len(s.board.Secrets) != 1 {
		t.Error("something is left, or the secrets are gone too early")
	}
	s.refused(cluster.DeleteDatabase{Database: 1}, cluster.CodeBusy)
	s.must(cluster.ForgetDatabase{Database: 1})
	if len(s.board.Databases)+len(s.board.Secrets) != 0 {
		t.Error("not forgotten")
	}
	s.refused(cluster.DeleteDatabase{Database: 1}, cluster.CodeDatabaseNotFound)
	if next := s.database("b", 1, true); next.Port == cluster.FirstDatabasePort {
		t.Error("clients of the deleted database meet another one at its port")
	}
}

func TestOneActionOnANode(t *testing.T) {
	s := begin(t, 2)
	s.refused(cluster.EnqueueAction{Action: cluster.Action{ID: "x", Node: 9}}, cluster.CodeNodeNotFound)
	s.must(cluster.EnqueueAction{Action: cluster.Action{ID: "on", Name: cluster.MaintenanceOn, Node: 1}})
	s.refused(cluster.EnqueueAction{Action: cluster.Action{ID: "off", Name: cluster.MaintenanceOff, Node: 1}}, cluster.CodeActionRunning)
	s.must(cluster.EnqueueAction{Action: cluster.Action{ID: "other", Name: cluster.MaintenanceOn, Node: 2}})
	s.must(cluster.FailAction{Action: "on", Status: cluster.ActionFailed, Error: cluster.Refuse("x", "", "x")})
	s.must(cluster.EnqueueAction{Action: cluster.Action{ID: "again", Name: cluster.MaintenanceOn, Node: 1}})
	if _, kept := s.board.Actions["on"]; kept {
		t.Error("the result of the previous one is kept")
	}
}

func holds(s *story, node int) []string {
	var list []string
	for _, h := range s.board.Nodes[node].Maintenance.Holds {
		list = append(list, h.ID)
	}
	return list
}

func TestHoldsStack(t *testing.T) {
	s := begin(t, 1)
	fail := func(id string) cluster.FailAction {
		return cluster.FailAction{At: at, Action: id, Status: cluster.ActionFailed, Error: cluster.Refuse("x", "", "x")}
	}
	take := func(id string) {
		s.running(id, cluster.MaintenanceOn, 1)
		if m := s.board.Nodes[1].Maintenance; m != nil {
			s.must(cluster.KeepSnapshot{Action: id, Snapshot: m.Snapshot})
		} else {
			s.must(cluster.SaveSnapshot{Action: id, Snapshot: cluster.Snapshot{ID: cluster.SnapshotID{Node: 1, Name: "s" + id}, Maintenance: true}})
		}
		s.must(cluster.Mark{At: at, Action: id})
	}
	take("a")
	s.must(fail("a"))
	take("b") // takes the unfinished hold over
	if got := holds(s, 1); !slices.Equal(got, []string{"b"}) {
		t.Fatal(got)
	}
	s.must(cluster.CompleteOn{At: at, Action: "b"})
	take("c")
	s.must(cluster.CompleteOn{At: at, Action: "c"})
	if got := holds(s, 1); !slices.Equal(got, []string{"b", "c"}) || s.board.Nodes[1].Maintenance.Snapshot != "sa" {
		t.Fatal(got, s.board.Nodes[1].Maintenance)
	}
	s.running("off1", cluster.MaintenanceOff, 1)
	s.must(cluster.ReleaseHold{At: at, Action: "off1", Hold: "b"})
	if got := holds(s, 1); !slices.Equal(got, []string{"c"}) || s.board.Actions["off1"].Status != cluster.ActionCompleted {
		t.Fatal(got)
	}
	s.running("off2", cluster.MaintenanceOff, 1)
	if s.try(cluster.ReleaseHold{Action: "off2", Hold: "c"}) == nil {
		t.Error("the last hold was released without a return")
	}
	s.must(cluster.BeginReturn{At: at, Action: "off2"})
	s.must(fail("off2"))
	if m := s.board.Nodes[1].Maintenance; m == nil || m.Returning != "" || len(s.board.Snapshots) != 1 {
		t.Errorf("after a failed off: %+v", m)
	}
	s.running("off3", cluster.MaintenanceOff, 1)
	s.must(cluster.CompleteOff{At: at, Action: "off3", Proof: cluster.Proof{Exact: true}})
	if s.board.Nodes[1].Closed() || len(s.board.Snapshots) != 0 {
		t.Error("mark or snapshot stayed")
	}
	s.running("off4", cluster.MaintenanceOff, 1)
	s.refused(cluster.CompleteOff{Action: "off4"}, cluster.CodeNotInMaintenance)
	s.refused(cluster.KeepSnapshot{Action: "off4", Snapshot: "gone"}, cluster.CodeSnapshotNotFound)
}

// A user's snapshot outlives maintenance mode, also when it was the one returned to.
func TestUserSnapshotsStay(t *testing.T) {
	s := begin(t, 1)
	user := cluster.Snapshot{ID: cluster.SnapshotID{Node: 1, Name: "mine"}}
	s.board = s.board.With(9, cluster.Change{Put: []cluster.Object{user}})
	s.running("on", cluster.MaintenanceOn, 1)
	s.must(cluster.SaveSnapshot{Action: "on", Snapshot: cluster.Snapshot{ID: cluster.SnapshotID{Node: 1, Name: "first"}, Maintenance: true}})
	s.must(cluster.Mark{Action: "on"})
	s.must(cluster.CompleteOn{Action: "on"})
	s.running("off", cluster.MaintenanceOff, 1)
	s.must(cluster.KeepSnapshot{Action: "off", Snapshot: "mine"})
	s.must(cluster.CompleteOff{Action: "off"})
	if _, kept := s.board.Snapshots[user.ID]; !kept || len(s.board.Snapshots) != 1 {
		t.Errorf("%v", s.board.Snapshots)
	}
}

func TestPlansAreReplacedOnlyWhereTheyWait(t *testing.T) {
	s := begin(t, 2)
	s.database("a", 2, true)
	s.running("on", cluster.MaintenanceOn, 1,
		cluster.Move{Kind: cluster.Failover, Shard: 2, Old: 1}, cluster.Move{Kind: cluster.Failover, Shard: 4, Old: 3})
	s.must(cluster.StartMove{Action: "on", Move: 1})
	if s.try(cluster.AttachPlan{Action: "on"}) == nil {
		t.Error("a plan was replaced while a move was running")
	}
	if s.try(cluster.FailAction{Action: "on", Status: cluster.ActionFailed, Error: cluster.Refuse("x", "", "x")}) == nil {
		t.Error("an action ended while a move was running")
	}
	s.must(cluster.FinishMove{Action: "on", Move: 1, Status: cluster.MoveDone})
	s.must(cluster.AttachPlan{At: at, Action: "on", Moves: []cluster.Move{
		{Kind: cluster.Failover, Shard: 4, Old: 3}, {Kind: cluster.Migrate, Shard: 3, To: 2, After: []int{1}},
	}})
	var got []cluster.MoveStatus
	for _, m := range s.board.Actions["on"].Moves {
		got = append(got, m.Status)
	}
	want := []cluster.MoveStatus{cluster.MoveDone, cluster.MoveAbandoned, cluster.MoveWaiting, cluster.MoveWaiting}
	if m, _ := s.board.Actions["on"].Move(4); !slices.Equal(got, want) || !slices.Equal(m.After, []int{3}) {
		t.Errorf("%v %v", got, m.After)
	}
}

func TestMinReplicasNeedsReplicas(t *testing.T) {
	s := begin(t, 2)
	for _, c := range []struct {
		least      int
		replicated bool
		good       bool
	}{{0, false, true}, {1, false, false}, {1, true, true}, {2, true, false}, {-1, true, false}} {
		d := valid("x", 1, c.replicated)
		d.MinReplicas = c.least
		if err := d.Check(s.board); (err == nil) != c.good {
			t.Errorf("%d, replicated %v: %v", c.least, c.replicated, err)
		}
	}
}
