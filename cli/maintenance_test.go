package cli

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

const snapshotName = "maintenance_mode_2024-01-11_20-25-37"

var moves = []cluster.Move{
	{Kind: cluster.Failover, Shard: 1, Old: 2, Reason: "hand over"},
	{Kind: cluster.Migrate, Shard: 8, From: 2, To: 3, Bytes: 300 << 20, Reason: "rebuild the slave"},
	{Kind: cluster.Rebind, Endpoint: cluster.EndpointID{Database: 2, Index: 1}, From: 2, To: 3, Reason: "empty the node"},
}

var done = cluster.FinishMove{Status: cluster.MoveDone}

// script plays the controller, one step each time the session looks.
func (b *bench) script(name cluster.ActionName, steps ...func(*apitest.Script)) {
	for _, step := range steps {
		b.steps = append(b.steps, func() { step(b.daemon.Begin(2, name)) })
	}
}

func TestMaintenanceOnAndOff(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	b.colour = true
	b.script(cluster.MaintenanceOn,
		func(s *apitest.Script) { s.Checks() },
		func(s *apitest.Script) { s.Snapshot(snapshotName) },
		func(s *apitest.Script) { s.Close() },
		func(s *apitest.Script) { s.Plan(moves...); s.Start(1); s.Start(2) },
		func(s *apitest.Script) { s.Finish(1, done); s.Start(3) },
		func(s *apitest.Script) {
			s.Rebind(3, cluster.EndpointID{Database: 2, Index: 1}, 3, 5, 2)
			s.Finish(2, done)
			s.Finish(3, done)
			s.CompleteOn()
		},
	)
	code, text, errText := b.run("node 2 maintenance_mode on")
	if code != 0 || errText != "" {
		t.Errorf("on: %d %s", code, errText)
	}
	golden(t, "on", text)

	b.daemon.Pass(time.Hour)
	b.script(cluster.MaintenanceOff,
		func(s *apitest.Script) { s.Checks() },
		func(s *apitest.Script) { s.Keep(snapshotName); s.Open() },
		func(s *apitest.Script) { s.Plan(moves...); s.Start(2) },
		func(s *apitest.Script) { s.Finish(2, done); s.Start(1) },
		func(s *apitest.Script) { s.Finish(1, done); s.Start(3); s.Finish(3, done) },
		func(s *apitest.Script) { s.CompleteOff(cluster.Proof{Exact: true, Compared: 9}) },
	)
	code, text, errText = b.run("node 2 maintenance_mode off")
	if code != 0 || errText != "" {
		t.Errorf("off: %d %s", code, errText)
	}
	golden(t, "off", text)
}

func TestDifferencesAreNamed(t *testing.T) {
	d := apitest.Cluster()
	out(d)
	b := newBench(t, d)
	b.script(cluster.MaintenanceOff, func(s *apitest.Script) {
		s.Checks()
		s.Keep(snapshotName)
		s.CompleteOff(cluster.Proof{Compared: 4, Differences: []string{"db:3 (cache) was deleted meanwhile"}})
	})
	code, text, _ := b.run("node 2 maintenance_mode off")
	if code != 0 || !strings.Contains(text, "restored with 1 difference (4 shards, endpoints and limits compared):\n* db:3 (cache) was deleted meanwhile\nOK\n") {
		t.Errorf("%d %s", code, text)
	}
}

func TestSecondOnAndFirstOff(t *testing.T) {
	d := apitest.Cluster()
	out(d)
	b := newBench(t, d)
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) { s.Checks(); s.Keep(snapshotName); s.Close(); s.CompleteOn() })
	code, text, _ := b.run("node 2 maintenance_mode on overwrite_snapshot")
	if code != 0 || !strings.Contains(text, "keeping it") || strings.Contains(text, "overwriting") || !strings.Contains(text, "held out 2 times") {
		t.Errorf("%d %s", code, text)
	}
}

func TestOverwrittenSnapshot(t *testing.T) {
	d := apitest.Cluster()
	out(d)
	open := false
	d.Apply(cluster.TuneNode{Node: 2, QuorumOnly: &open}) // lifts the mark, leaves the snapshot
	b := newBench(t, d)
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) { s.Checks(); s.Snapshot("new"); s.Close(); s.CompleteOn() })
	_, text, _ := b.run("node 2 maintenance_mode on overwrite_snapshot")
	if !strings.HasPrefix(text, "Found snapshot from 2024-01-11T20:25:37Z, overwriting the snapshot\nPerforming maintenance_on action on node:2: 0%\n") {
		t.Error(text)
	}
}

func TestFailedAction(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) {
		s.Checks()
		s.Fail(cluster.Refuse(cluster.CodeInsufficientResources, "add a node", "no space for all of it"), "redis:3 (db:1 sessions)", "endpoint:2:1")
	})
	code, text, errText := b.run("node 2 maintenance_mode on")
	want := "ERROR: maintenance_on of node:2 failed: no space for all of it; add a node\nleft: redis:3 (db:1 sessions)\nleft: endpoint:2:1\n"
	if code != 1 || errText != want || strings.Contains(text, "OK") {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

func TestRefusedAction(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	b.daemon.Refuse = cluster.Refusals{
		cluster.Refuse(cluster.CodeQuorumWouldBeLost, "bring node:3 back", "no majority"),
		cluster.Refuse(cluster.CodeInsufficientResources, "", "no space"),
	}
	code, text, errText := b.run("node 2 maintenance_mode on")
	if code != 1 || text != "" || errText != "ERROR: no majority; bring node:3 back\nERROR: no space\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

func TestActionAsJSON(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) { s.Checks(); s.Snapshot("x"); s.Close(); s.CompleteOn() })
	code, text, _ := b.run("--json node 2 maintenance_mode on")
	var a api.Action
	if err := json.Unmarshal([]byte(text), &a); code != 0 || err != nil || a.Status != "completed" || a.Snapshot.Name != "x" {
		t.Errorf("%d %s", code, text)
	}
}

func TestOptionsReachTheAction(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	var got cluster.Action
	d.Started = func(a cluster.Action) { got = a }
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) { s.Checks(); s.Snapshot("x"); s.Close(); s.CompleteOn() })
	code, _, errText := b.runArgs("node", "2", "maintenance_mode", "on", "keep_slave_shards", "max_concurrent_actions", "3",
		"ignore_check", "quorum", "reason", "new disk", "cause", "hardware", "demote_node", "evict_dbs", "carts", "db:3", "for", "90m",
		"evict_ha_replica", "disabled", "evict_active_active_replica", "enabled")
	o := got.Options
	if code != 0 || !o.KeepSlaveShards || o.MaxConcurrent != 3 || len(o.IgnoreChecks) != 1 || !o.DemoteNode || got.Reason != "new disk" || got.Cause != "hardware" ||
		!slices.Equal(o.EvictDatabases, []int{2, 3}) || !got.Until.Equal(apitest.Start.Add(90*time.Minute)) {
		t.Errorf("%d %s %+v", code, errText, got)
	}
	if errText != "note: evict_active_active_replica has no effect: there are no Active-Active databases here\n" {
		t.Error(errText)
	}
}

func TestDryRun(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	before := b.daemon.View().Revision
	code, text, errText := b.run("node 2 maintenance_mode on dry_run")
	if code != 0 || errText != "" {
		t.Errorf("on: %d %s", code, errText)
	}
	golden(t, "dry_run_on", text)
	b.daemon.SetAlive(3, false)
	code, text, errText = b.run("node 2 maintenance_mode on keep_slave_shards dry_run")
	if code != 1 || errText != "" {
		t.Errorf("refused: %d %s", code, errText)
	}
	golden(t, "dry_run_refused", text)
	if code, _, _ = b.run("node 2 maintenance_mode off dry_run"); code != 1 || b.daemon.View().Revision != before {
		t.Errorf("off: %d, revision %d, was %d", code, b.daemon.View().Revision, before)
	}
}

// An endpoint on all nodes goes from one to none, not to a node that there is not.
func TestDryRunOfAnEndpointOnAllNodes(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	door := cluster.EndpointID{Database: 1, Index: 1}
	for _, step := range []cluster.BindStep{cluster.BindOpen, cluster.BindSwitch} {
		b.steps = append(b.steps, func() { d.Apply(cluster.Bind{At: d.View().Now, Endpoint: door, Step: step, Nodes: []int{1, 2, 3}}) })
	}
	if code, _, errText := b.run("bind endpoint 1:1 policy all-nodes"); code != 0 {
		t.Fatal(errText)
	}
	_, text, _ := b.run("node 2 maintenance_mode on dry_run")
	if !regexp.MustCompile(`(?m)rebind endpoint:1:1 +node:2 +- `).MatchString(text) {
		t.Errorf("got\n%s", text)
	}
}

func TestDryRunOfTheReturn(t *testing.T) {
	d := apitest.Cluster()
	out(d)
	code, text, _ := newBench(t, d).run("node 2 maintenance_mode off dry_run")
	if code != 0 || !strings.HasSuffix(text, "node:2 would be restored exactly\n") {
		t.Errorf("%d %s", code, text)
	}
	if n := d.View().Nodes[2]; n.Maintenance == nil || len(d.View().Actions) != 1 {
		t.Errorf("the dry run touched something: %+v", n)
	}
}

func TestInterruptDetaches(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	ctx, interrupt := context.WithCancel(context.Background())
	b.ctx = ctx
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) { s.Checks() }, func(*apitest.Script) { interrupt() })
	code, _, errText := b.run("node 2 maintenance_mode on")
	if code != 1 || !strings.Contains(errText, "detached: maintenance_on of node:2 goes on") {
		t.Errorf("%d %q", code, errText)
	}
	if a, running := b.daemon.View().RunningOn(2); !running {
		t.Errorf("the action ended: %+v", a)
	}
}

// While leaders change the session waits, but not for ever.
func TestFollowingSurvivesALeaderChange(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	b.script(cluster.MaintenanceOn,
		func(s *apitest.Script) { s.Checks(); d.Forward(nil) }, // reads go on from the board
		func(s *apitest.Script) { s.Snapshot("x"); s.Close(); s.CompleteOn() },
	)
	if code, text, errText := b.run("node 2 maintenance_mode on"); code != 0 || !strings.HasSuffix(text, "OK\n") {
		t.Errorf("%d %s %s", code, text, errText)
	}
}

func TestFollowingGivesUp(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	b.script(cluster.MaintenanceOn, func(*apitest.Script) {
		for id := range d.View().Actions {
			d.Drop(cluster.Action{ID: id})
		}
	})
	code, _, errText := b.run("node 2 maintenance_mode on")
	if code != 1 || !strings.Contains(errText, "can not be followed") {
		t.Errorf("%d %q", code, errText)
	}
}

func TestProgressText(t *testing.T) {
	for want, a := range map[string]api.Action{
		"0%":                                {SecondsLeft: -1},
		"37% (112.4MB of 300.1MB, 4s left)": {Progress: 37.4, BytesDone: 117859942, BytesTotal: 314677658, SecondsLeft: 4},
		"100%":                              {Progress: 100, BytesTotal: 1 << 20, Status: "completed"},
		"99% (1MB of 1MB)":                  {Progress: 99.9, BytesDone: 1 << 20, BytesTotal: 1 << 20, SecondsLeft: -1},
		"99%":                               {Progress: 100, Status: "running"},
	} {
		if got := progressText(a); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestStandstillIsExplained(t *testing.T) {
	var out strings.Builder
	s := &session{out: &out}
	tr := &transcript{session: s, name: cluster.MaintenanceOn, node: 2, moves: map[int]string{}}
	a := api.Action{Status: "running", Progress: 50, WaitingFor: "redis:3 to be in sync"}
	for _, ago := range []time.Duration{0, progressEvery, stalledAfter, stalledAfter} {
		tr.at = time.Now().Add(-ago)
		tr.tell(a)
	}
	want := "Performing maintenance_on action on node:2: 50%\nwaiting for redis:3 to be in sync\nwaiting for redis:3 to be in sync\n"
	if out.String() != want {
		t.Errorf("got %s", out.String())
	}
}
