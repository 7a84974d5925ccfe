package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestMigrate(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	s := func() *apitest.Script { return d.Begin(3, cluster.MigrateShards) }
	b.steps = []func(){func() {}, func() { s().Checks() }, func() { s().CompleteShards() }}
	code, text, errText := b.run("migrate shard 11 redis:9 10 target_node 3")
	want := "Monitoring *\nqueued - migrate_shards\nrunning - migrate_shards\nExecuting migrate_redis with shards_uids ['11']\n" +
		"Executing migrate_redis with shards_uids ['9', '10']\ncompleted - migrate_shards\nDone\n"
	if code == 0 || !strings.Contains(errText, "redis:10 can not move to node:3: node:3 holds its partner") {
		t.Errorf("both copies of the same slots: %d %q %q", code, text, errText)
	}
	code, text, errText = b.run("migrate shard 11 redis:9 1 target_node 3")
	want = strings.Replace(want, "['9', '10']", "['9']\nExecuting migrate_redis with shards_uids ['1']", 1)
	if got := varying.ReplaceAllString(text, "*"); code != 0 || got != want || errText != "" {
		t.Errorf("%d %q %q", code, got, errText)
	}
	b.steps = []func(){func() { s().Checks() }, func() {
		s().Fail(cluster.Refuse(cluster.CodeNotInSync, "", "the copy of redis:11 to node:3 was given up"), "migrate redis:11 to node:3: given up")
	}}
	code, text, errText = b.run("migrate shard 11 target_node 3 preserve_roles")
	if code != 1 || !strings.HasSuffix(text, "\nfailed - migrate_shards\n") || errText != "ERROR: migrate_shards of node:3 failed: the copy of redis:11 to node:3 was given up\nleft: migrate redis:11 to node:3: given up\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	for line, want := range map[string]string{
		"migrate shard 99 target_node 3":                  "ERROR: there is no redis:99",
		"migrate shard 1 target_node 9":                   "ERROR: there is no node:9",
		"migrate db cache all_slave_shards target_node 3": "ERROR: there are no such shards",
		"migrate db 9 all_slave_shards target_node 3":     "ERROR: there is no database 9",
		"migrate node 9 all_shards target_node 3":         "ERROR: there is no node:9",
		"migrate node 1 all_shards target_node 2":         "ERROR: redis:1 can not move to node:2: node:2 holds its partner",
	} {
		if code, text, errText := b.run(line); code != 1 || text != "" || !strings.HasPrefix(errText, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}

// What the words mean is what the daemon is asked for.
func TestMigrateForms(t *testing.T) {
	for line, want := range map[string]string{
		"migrate shard 9 redis:11 target_node 3":                                                                   "[9 11] to 3",
		"migrate db sessions all_master_shards target_node 2":                                                      "", // refused: its copies are there
		"migrate db db:3 all_master_shards target_node node:2":                                                     "[11] to 2",
		"migrate db carts all_slave_shards target_node 3":                                                          "[10] to 3",
		"migrate node 1 all_slave_shards target_node 2":                                                            "[6] to 2",
		"migrate node 3 all_shards target_node 3":                                                                  "[4 5] to 3",
		"migrate target_node 2 db cache all_master_shards":                                                         "[11] to 2",
		"migrate db cache all_master_shards target_node 2 override_policy preserve_roles max_concurrent_actions 4": "[11] to 2 preserve override 4",
	} {
		d := apitest.Cluster()
		b, got := newBench(t, d), ""
		d.Started = func(a cluster.Action) {
			got = fmt.Sprint(a.Options.Shards, " to ", a.Node)
			if a.Options.PreserveRoles {
				got += " preserve"
			}
			if a.Options.OverrideRack {
				got += " override"
			}
			if a.Options.MaxConcurrent > 0 {
				got += fmt.Sprint(" ", a.Options.MaxConcurrent)
			}
		}
		b.runArgs(append(strings.Fields(line), "async")...)
		if got != want {
			t.Errorf("%s: asked for %q, want %q", line, got, want)
		}
	}
	b := newBench(t, apitest.Cluster())
	for line, want := range map[string]string{
		"migrate target_node 3":                                                                  "it is not said what is to move",
		"migrate shard 1 all_shards target_node 3":                                               "shard and all_shards contradict each other; give one of them",
		"migrate shard 1 node 1 target_node 3":                                                   "shards that are named need no db or node",
		"migrate all_shards target_node 3":                                                       "it is not said whose shards are to move",
		"migrate db 1 node 1 all_master_shards target_node 3":                                    "it is not said whose shards are to move",
		"migrate db carts all_shards target_node 3":                                              "not all shards of a database can be on one node",
		"migrate node 1 all_shards":                                                              "target_node <node> is missing",
		"migrate shard 1 target_node 3 max_concurrent_actions 0":                                 "max_concurrent_actions can not be \"0\"",
		"migrate shard 1 target_node 3 max_concurrent_actions 2 max_concurrent_bdb_migrations 2": "contradict each other",
	} {
		if code, _, errText := b.run(line); code != exitUsage || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %q", line, code, errText)
		}
	}
}
