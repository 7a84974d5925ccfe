package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// With async the command returns the task id, alone on the output, and the
// words it gives follow and cancel that task.
func TestAsync(t *testing.T) {
	for _, line := range []string{
		"node 2 maintenance_mode on async", "node 2 enslave async", "node 2 remove async",
		"failover shard 3 async", "migrate shard 11 target_node 2 async", "failover shard 3 db sessions async",
	} {
		d := apitest.Cluster()
		b := newBench(t, d)
		code, text, errText := b.run(line)
		task := strings.TrimSpace(text)
		a, known := d.View().Actions[task]
		if code != exitDone || !known || a.Status != cluster.ActionQueued {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
			continue
		}
		if want := "follow it with: haulout cluster follow_action " + task + "; cancel it with: haulout cluster cancel_action " + task + "\n"; !strings.HasSuffix(errText, want) {
			t.Errorf("%s: %q", line, errText)
		}
		d.Apply(cluster.FailAction{At: apitest.Start, Action: task, Status: cluster.ActionFailed, Error: cluster.Refuse(cluster.CodeBusy, "", "the moon is full")})
		code, _, errText = b.run("cluster follow_action " + task)
		if code != exitFailed || !strings.Contains(errText, "the moon is full") {
			t.Errorf("%s, followed: %d %q", line, code, errText)
		}
	}
	var queued api.Queued
	b := newBench(t, apitest.Cluster())
	if code, text, errText := b.run("--json node 2 maintenance_mode on async"); code != 0 || json.Unmarshal([]byte(text), &queued) != nil || queued.TaskID == "" || errText != "" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if code, _, errText := b.run("cluster follow_action nonsense"); code != exitFailed || !strings.Contains(errText, "there is no action nonsense") {
		t.Errorf("%d %q", code, errText)
	}
}

// An interrupt leaves the action alone, and what is said then is true.
func TestDetachAndFollow(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	ctx, interrupt := context.WithCancel(context.Background())
	b.ctx = ctx
	b.script(cluster.EnslaveNode, func(s *apitest.Script) { s.Checks(); interrupt() })
	code, _, errText := b.run("node 2 enslave")
	_, words, ok := strings.Cut(errText, "follow it with: haulout ")
	follow, rest, _ := strings.Cut(words, "; cancel it with: haulout ")
	if code != exitFailed || !ok || !strings.Contains(errText, "detached: enslave_node of node:2 goes on") {
		t.Fatalf("%d %q", code, errText)
	}
	b.ctx = context.Background()
	task := strings.TrimPrefix(follow, "cluster follow_action ")
	if c := strings.TrimSpace(rest); c != "cluster cancel_action "+task || d.View().Actions[task].Status != cluster.ActionRunning {
		t.Errorf("cancel with %q, the action is %s", c, d.View().Actions[task].Status)
	}
	b.script(cluster.EnslaveNode, func(*apitest.Script) {}, func(*apitest.Script) {},
		func(s *apitest.Script) { s.Plan(moves[0]); s.Start(1) },
		func(s *apitest.Script) { s.Finish(1, done) },
		func(*apitest.Script) {
			d.Apply(cluster.CompleteShards{At: apitest.Start, Action: task})
		})
	code, text, errText := b.run(follow)
	if code != exitDone || errText != "" {
		t.Errorf("%d %q", code, errText)
	}
	golden(t, "enslave", text)
}

func TestFollowEveryKind(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for i, a := range []cluster.Action{
		{Name: cluster.ShardFailover, Database: 1}, {Name: cluster.MigrateShards, Node: 3}, {Name: cluster.SnapshotRestore, Node: 2}, {Name: cluster.MaintenanceOn, Node: 1},
	} {
		a.ID, a.Created = string(rune('a'+i)), apitest.Start.Add(time.Second)
		d.Apply(cluster.EnqueueAction{Action: a}, cluster.FailAction{At: apitest.Start, Action: a.ID, Status: cluster.ActionCancelled, Error: cluster.Refuse(cluster.CodeCancelled, "", "no longer wanted")})
		if code, text, errText := b.run("cluster follow_action " + a.ID); code != exitFailed || text == "" || !strings.Contains(errText, "no longer wanted") {
			t.Errorf("%s: %d %q %q", a.Name, code, text, errText)
		}
	}
}

// Without a quorum the daemon goes on telling how things stood. Whoever waits is told
// so once, and not kept for ever.
func TestFollowWithoutQuorum(t *testing.T) {
	gone, told := cluster.Refuse(cluster.CodeNoQuorum, "start them", "two of three are gone"), false
	for line, want := range map[string]string{
		"node 2 maintenance_mode on":            "maintenance_on of node:2 may go on, but it can not be followed: two of three are gone; start them",
		"failover shard 3":                      "the failover may go on, but it can not be followed: two of three are gone; start them",
		"cluster cancel_action t1":              "two of three are gone; start them",
		"db delete carts -y":                    "two of three are gone; start them",
		"db user set carts app rules ~* nopass": "two of three are gone; start them",
	} {
		d := apitest.Cluster()
		d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "t1", Name: cluster.MaintenanceOn, Node: 3, Created: d.View().Now}})
		d.Begin(3, cluster.MaintenanceOn).Checks()
		b := newBench(t, d)
		lose := func() { d.LoseQuorum(gone); d.Forward(nil) }
		b.steps = []func(){lose}
		if strings.HasPrefix(line, "cluster") { // it looks before it cancels
			b.steps = []func(){func() {}, lose}
		}
		code, _, errText := b.run(line)
		if code != exitFailed || !strings.HasSuffix(errText, "ERROR: "+want+"\n") || strings.Count(errText, "note: no news") > 1 {
			t.Errorf("%s: %d %q", line, code, errText)
		}
		told = told || strings.Contains(errText, "note: no news for 0s: two of three are gone\n")
	}
	if !told { // a slow machine may give up before it tells
		t.Error("nobody was told before the end")
	}
}
