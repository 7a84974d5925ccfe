package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// failing plays a failover of redis:1 and redis:3 up to its last step.
func failing(d *apitest.Daemon, last func(*apitest.Script)) []func() {
	s := func() *apitest.Script { return d.Begin(0, cluster.ShardFailover) }
	return []func(){
		func() { s().Checks() },
		func() {
			s().Plan(cluster.Move{Kind: cluster.Failover, Shard: 2, Old: 1, From: 1, To: 2}, cluster.Move{Kind: cluster.Failover, Shard: 4, Old: 3, From: 2, To: 3})
			s().Start(1)
		},
		func() { s().Finish(1, cluster.FinishMove{Status: cluster.MoveDone}); s().Start(2) },
		func() { last(s()) },
	}
}

func TestFailover(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	well := func(s *apitest.Script) {
		s.Finish(2, cluster.FinishMove{Status: cluster.MoveDone})
		s.CompleteShards()
	}
	b.steps = failing(d, well)
	code, text, errText := b.run("failover db sessions shard 1 redis:3")
	if want := "Executing shard fail-over: OO.\nFinished successfully\n"; code != 0 || text != want || errText != "" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	b.steps = failing(d, func(s *apitest.Script) {
		why := cluster.Refuse(cluster.CodeHandoverFailed, "see the activity for the reason", "redis:4 on node:3 did not become master")
		s.Finish(2, cluster.FinishMove{Status: cluster.MoveFailed, Error: why})
		s.Fail(why, "failover redis:3: redis:4 on node:3 did not become master")
	})
	code, text, errText = b.run("failover shard 1 3")
	if code != 1 || text != "Executing shard fail-over: O.\n" ||
		errText != "ERROR: shard_failover of db:1 failed: redis:4 on node:3 did not become master; see the activity for the reason\nleft: failover redis:3: redis:4 on node:3 did not become master\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	for line, want := range map[string]string{
		"failover shard 2":             "ERROR: redis:2 is a slave; name the master of its slots",
		"failover shard 99":            "ERROR: there is no redis:99",
		"failover shard 1 9":           "ERROR: the shards are of 2 databases",
		"failover db carts shard 1":    "ERROR: redis:1 is of db:1, not of db:2 (carts)",
		"failover db wings shard 1":    "ERROR: there is no database wings",
		"failover shard 1 immediate":   "ERROR: immediate is not supported yet; leave it out",
		"failover shard 1 3 immediate": "ERROR: immediate is not supported yet; leave it out",
	} {
		if code, text, errText := b.run(line); code != 1 || text != "" || !strings.HasPrefix(errText, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a1", Name: cluster.ShardFailover, Database: 2, Created: apitest.Start}})
	if _, text, _ := b.run("cluster running_actions"); text != "Got 1 tasks:\n1) Task: shard_failover (a1) Database: 2 Status: queued\n" {
		t.Errorf("got %q", text)
	}
}
