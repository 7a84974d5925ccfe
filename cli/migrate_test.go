package cli

import (
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
		"migrate shard 99 target_node 3":                 "ERROR: there is no redis:99",
		"migrate shard 1 target_node 9":                  "ERROR: there is no node:9",
		"migrate shard 1 target_node 3 override_policy":  "ERROR: override_policy is not supported yet",
		"migrate node 1 all_shards target_node 3":        "ERROR: node is not supported yet",
		"migrate db carts all_master_shards target_node": "ERROR: db is not supported yet",
	} {
		if code, text, errText := b.run(line); code != 1 || text != "" || !strings.HasPrefix(errText, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}
