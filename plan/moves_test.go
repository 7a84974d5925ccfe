package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// three nodes with a bit of everything on the second.
func mixed(t *testing.T) *drawing {
	d := draw(t, false, node(1000), node(1000), node(1000))
	d.database(db("cache", 2, 400, true), cluster.Placement{Masters: []int{1, 2}, Replicas: []int{2, 3}, Endpoint: 2}) // redis 1-4
	d.database(db("single", 1, 60, false), cluster.Placement{Masters: []int{2}, Endpoint: 1})                          // redis 5
	d.used(map[int]int64{2: 10, 3: 90, 5: 40})
	return d
}

func TestEvacuate(t *testing.T) {
	moves, left := plan.Evacuate(mixed(t).View, 2, cluster.MaintenanceOptions{})
	expect(t, written(moves), `
	1 failover redis:3 over to redis:4 on node:3
	2 rebind endpoint:1:1 on node:3
	3 migrate redis:3 to node:1 after [1]
	4 migrate redis:5 to node:1
	5 migrate redis:2 to node:3
	`)
	expectLines(t, left, nil)
	if moves[2].Bytes != 90 || moves[2].From != 2 || moves[2].Reason == "" {
		t.Errorf("%+v", moves[2])
	}
}

func TestEvacuateKeepsSlaves(t *testing.T) {
	moves, _ := plan.Evacuate(mixed(t).View, 2, cluster.MaintenanceOptions{KeepSlaveShards: true})
	expect(t, written(moves), `
	1 failover redis:3 over to redis:4 on node:3
	2 rebind endpoint:1:1 on node:3
	3 migrate redis:5 to node:1
	`)
}

func TestEvacuateKeepsSlavesButThoseOfOneDatabase(t *testing.T) {
	d := mixed(t)
	for _, s := range cluster.Sorted(d.Shards) {
		if d.NodeOf(s) != 2 || d.RoleOf(s) == cluster.Master {
			continue
		}
		o := cluster.MaintenanceOptions{KeepSlaveShards: true, EvictDatabases: []int{s.Range.Database}}
		moves, _ := plan.Evacuate(d.View, 2, o)
		leaves := func(m cluster.Move) bool { return m.Kind == cluster.Migrate && m.Shard == s.ID }
		if !slices.ContainsFunc(moves, leaves) {
			t.Errorf("redis:%d of db:%d stays: %s", s.ID, s.Range.Database, written(moves))
		}
		o.EvictDatabases = []int{99}
		if moves, _ = plan.Evacuate(d.View, 2, o); slices.ContainsFunc(moves, leaves) {
			t.Errorf("redis:%d of db:%d leaves: %s", s.ID, s.Range.Database, written(moves))
		}
	}
}

// A partner on a node that is out does not become master: the master moves as
// it is, with a temporary replica.
func TestEvacuateWithPartnerOut(t *testing.T) {
	d := draw(t, false, node(1000), node(1000), node(1000))
	d.database(db("cache", 1, 200, true), cluster.Placement{Masters: []int{2}, Replicas: []int{3}, Endpoint: 1})
	d.mark(3, &cluster.Maintenance{})
	moves, left := plan.Evacuate(d.View, 2, cluster.MaintenanceOptions{KeepSlaveShards: true})
	expect(t, written(moves), "1 migrate redis:1 to node:1\n")
	expectLines(t, left, nil)
}

func TestEvacuateNamesWhatIsLeft(t *testing.T) {
	d := draw(t, true, in("a", 60), in("b", 1000), in("a", 1000), cluster.Node{TotalMemory: 1 << 40, RackID: "c", QuorumOnly: true})
	d.database(aware(db("sessions", 1, 100, true)), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 2})
	d.database(db("small", 1, 20, false), cluster.Placement{Masters: []int{2}, Endpoint: 2})
	moves, left := plan.Evacuate(d.View, 2, cluster.MaintenanceOptions{})
	expect(t, written(moves), `
	1 rebind endpoint:1:1 on node:1
	2 rebind endpoint:2:1 on node:3
	3 migrate redis:3 to node:3
	`)
	expectLines(t, left, []string{
		"redis:2 (db:1 sessions, 6.25GB): node:1 holds its master, node:3 is in the zone of its master, node:4 is quorum-only",
	})
}

func TestEvacuateCountsLimits(t *testing.T) {
	narrow := cluster.Node{TotalMemory: 1 << 40, MaxShards: 1, MaxListeners: 1}
	d := draw(t, false, narrow, node(1000))
	d.database(db("a", 1, 20, false), cluster.Placement{Masters: []int{2}, Endpoint: 2})
	d.database(db("b", 1, 20, false), cluster.Placement{Masters: []int{2}, Endpoint: 2})
	moves, left := plan.Evacuate(d.View, 2, cluster.MaintenanceOptions{})
	expect(t, written(moves), "1 rebind endpoint:1:1 on node:1\n2 migrate redis:1 to node:1\n")
	expectLines(t, left, []string{
		"redis:2 (db:2 b, 2.5GB): node:1 has 1 of 1 shards",
		"endpoint:2:1 (db:2 b): node:1 has 1 of 1 listeners",
	})
}

// The first choice for the small one takes the only room the big one has; it is
// moved aside.
func TestEvacuateMakesRoom(t *testing.T) {
	d := draw(t, true, in("a", 100), in("b", 1000), in("c", 100), in("b", 1000))
	d.database(aware(db("x", 1, 200, true)), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	d.database(db("y", 1, 100, false), cluster.Placement{Masters: []int{2}, Endpoint: 2})
	_, left := plan.Evacuate(d.View, 2, cluster.MaintenanceOptions{})
	expectLines(t, left, nil)
}

// What other actions are still going to bring is counted.
func TestEvacuateCountsMovesOnTheirWay(t *testing.T) {
	d := draw(t, false, node(100), node(1000), node(1000))
	d.database(db("a", 1, 80, false), cluster.Placement{Masters: []int{2}, Endpoint: 1})
	d.database(db("b", 1, 80, false), cluster.Placement{Masters: []int{3}, Endpoint: 1})
	d.mark(2, &cluster.Maintenance{})
	d.mark(3, &cluster.Maintenance{})
	d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{cluster.Action{
		ID: "x", Name: cluster.MaintenanceOn, Node: 3, Status: cluster.ActionRunning,
		Moves: []cluster.Move{{ID: 1, Kind: cluster.Migrate, Shard: 2, From: 3, To: 1, Status: cluster.MoveWaiting}},
	}}})
	moves, left := plan.Evacuate(d.View, 2, cluster.MaintenanceOptions{})
	if len(moves) != 0 || len(left) != 1 || !strings.Contains(left[0], "node:1 has 2.5GB left") {
		t.Errorf("%v %v", written(moves), left)
	}
	if err := plan.Fits(d.View, d.Actions["x"].Moves[0]); err != nil {
		t.Errorf("the move that was first no longer fits: %v", err)
	}
}

func snapshot(d *drawing, n int, shards ...cluster.Placed) cluster.Snapshot {
	return cluster.Snapshot{ID: cluster.SnapshotID{Node: n, Name: "s"}, Shards: shards}
}

func placed(shard int, d *drawing, role cluster.Role) cluster.Placed {
	s := d.Shards[shard]
	return cluster.Placed{Shard: shard, Range: s.Range, Database: d.Databases[s.Range.Database].Name, Role: role}
}

// drained is a cluster in which what belongs to node 2 is elsewhere: redis:1 and
// redis:3 as slaves, redis:5 as a master without replica, the endpoint.
func drained(t *testing.T) (*drawing, cluster.Snapshot) {
	d := draw(t, false, node(1000), node(1000), node(1000))
	d.database(db("cache", 2, 400, true), cluster.Placement{Masters: []int{1, 1}, Replicas: []int{3, 3}, Endpoint: 1})
	d.database(db("single", 1, 60, false), cluster.Placement{Masters: []int{3}, Endpoint: 3})
	d.mark(2, &cluster.Maintenance{Snapshot: "s"})
	s := snapshot(d, 2, placed(2, d, cluster.Master), placed(4, d, cluster.Slave), placed(5, d, cluster.Master))
	s.Endpoints = []cluster.Bound{{Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Database: "cache", Nodes: []int{2}}}
	return d, s
}

func TestRestore(t *testing.T) {
	d, s := drained(t)
	moves, diffs, err := plan.Restore(d.View, 2, s)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, written(moves), `
	1 migrate redis:2 to node:2
	2 migrate redis:4 to node:2
	3 migrate redis:5 to node:2
	4 failover redis:1 over to redis:2 on node:2 after [1]
	5 rebind endpoint:1:1 on node:2 after [1 2 3 4]
	`)
	expectLines(t, diffs, nil)
}

// A master that is away becomes a slave, goes home, and becomes master again.
func TestRestoreMasterAway(t *testing.T) {
	d, _ := drained(t)
	moves, _, err := plan.Restore(d.View, 2, snapshot(d, 2, placed(1, d, cluster.Master), placed(3, d, cluster.Slave)))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, written(moves), `
	1 failover redis:1 over to redis:2 on node:3
	2 failover redis:3 over to redis:4 on node:3
	3 migrate redis:1 to node:2 after [1]
	4 migrate redis:3 to node:2 after [2]
	5 failover redis:2 over to redis:1 on node:2 after [3]
	`)
}

func TestRestoreRolesOnly(t *testing.T) {
	d := draw(t, false, node(1000), node(1000))
	d.database(db("a", 1, 100, true), cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	d.database(db("b", 1, 100, true), cluster.Placement{Masters: []int{2}, Replicas: []int{1}, Endpoint: 1})
	moves, _, err := plan.Restore(d.View, 2, snapshot(d, 2, placed(2, d, cluster.Master), placed(3, d, cluster.Slave)))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, written(moves), `
	1 failover redis:1 over to redis:2 on node:2
	2 failover redis:3 over to redis:4 on node:1
	`)
}

func TestRestoreNamesDifferences(t *testing.T) {
	d, s := drained(t)
	s.VisitorShards = []int{4}
	s.Shards = append(s.Shards, cluster.Placed{Shard: 77, Range: cluster.RangeID{Database: 9}, Database: "old", Role: cluster.Master})
	s.Endpoints = append(s.Endpoints, cluster.Bound{Endpoint: cluster.EndpointID{Database: 9, Index: 1}, Database: "old", Nodes: []int{2}})
	lost := d.Ranges[cluster.RangeID{Database: 2}]
	lost.Lost = true
	d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{lost}})
	moves, diffs, err := plan.Restore(d.View, 2, s)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, written(moves), `
	1 migrate redis:2 to node:2
	2 failover redis:1 over to redis:2 on node:2 after [1]
	3 rebind endpoint:1:1 on node:2 after [1 2]
	`)
	expectLines(t, diffs, []string{
		"redis:5 (db:2 single) is lost until restored",
		"redis:77 (db:9 old) no longer exists",
		"endpoint:9:1 (old) no longer exists",
	})
}

func TestRestorePlansNothingThatDoesNotFit(t *testing.T) {
	d, s := drained(t)
	n := d.Nodes[2]
	n.TotalMemory, n.MaxListeners = 150*mega, 0
	d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{n}})
	moves, _, err := plan.Restore(d.View, 2, s)
	if moves != nil || cluster.CodeOf(err) != cluster.CodeInsufficientResources {
		t.Fatalf("%v %v", moves, err)
	}
	for _, w := range []string{
		"redis:4 (db:1 cache) needs 12.5GB on node:2: node:2 has 6.25GB left", "redis:5", "endpoint:1:1 (db:1 cache)",
	} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestFits(t *testing.T) {
	d, s := drained(t)
	home := cluster.Move{Kind: cluster.Migrate, Shard: 2, From: 3, To: 2}
	if plan.Fits(d.View, home) == nil {
		t.Error("a shard fits a node in maintenance")
	}
	d.Board = d.Board.With(99, cluster.Change{Put: []cluster.Object{
		s, cluster.Action{ID: "off", Name: cluster.MaintenanceOff, Node: 2, Status: cluster.ActionRunning, Snapshot: "s"},
	}})
	d.mark(2, &cluster.Maintenance{Snapshot: "s", Returning: "off"})
	if err := plan.Fits(d.View, home); err != nil {
		t.Errorf("a shard of its snapshot does not fit the returning node: %v", err)
	}
	for name, m := range map[string]cluster.Move{
		"a stranger to the returning node":     {Kind: cluster.Migrate, Shard: 3, From: 1, To: 2},
		"a replica to its master's node":       {Kind: cluster.Migrate, Shard: 2, From: 3, To: 1},
		"a shard that is gone":                 {Kind: cluster.Migrate, Shard: 70, From: 3, To: 1},
		"a shard to a node that is not there":  {Kind: cluster.Migrate, Shard: 5, From: 3, To: 9},
		"an endpoint that is gone":             {Kind: cluster.Rebind, Endpoint: cluster.EndpointID{Database: 7, Index: 1}, To: 1},
		"a stranger endpoint to the returning": {Kind: cluster.Rebind, Endpoint: cluster.EndpointID{Database: 2, Index: 1}, From: 3, To: 2},
	} {
		if plan.Fits(d.View, m) == nil {
			t.Errorf("%s fits", name)
		}
	}
	delete(d.Alive, 3)
	if plan.Fits(d.View, cluster.Move{Kind: cluster.Failover, Shard: 2, Old: 1}) == nil {
		t.Error("a failover to a node that is down fits")
	}
}
