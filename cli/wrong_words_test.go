package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// Each wrong word is answered by what is wrong with it.
func TestWrongWords(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for line, want := range map[string]string{
		"node 2 maintenance_mode on max_concurrent_actions -1":     `max_concurrent_actions can not be "-1"`,
		"node -1 maintenance_mode on":                              `"-1" is no node`,
		"node 2 maintenance_mode on for -1h":                       `for can not be "-1h"`,
		"node 2 maintenance_mode on for 99999d":                    "give a duration up to ten years",
		"node 2 maintenance_mode on -x":                            "there is no flag -x",
		"migrate endpoint_to_shards restrict_target_node 9":        "there is no node:9",
		"migrate node 2 all_shards all_slave_shards target_node 1": "all_slave_shards and all_shards contradict each other",
	} {
		if code, text, errText := b.run(line); code == exitDone || text != "" || !strings.HasPrefix(errText, "ERROR: ") || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}

// What no daemon could make sense of is wrong usage, and none is asked.
func TestContradictions(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for line, want := range map[string]string{
		"node 2 maintenance_mode on ignore_check nonsense":                                       `ignore_check can not be "nonsense"; use quorum`,
		"node 2 maintenance_mode on keep_slave_shards evict_ha_replica enabled":                  "keep_slave_shards and evict_ha_replica contradict each other; give one of them",
		"node 2 maintenance_mode off snapshot_name x skip_shards_restore":                        "snapshot_name and skip_shards_restore contradict each other; give one of them",
		"cluster certificate reset ca":                                                           `the certificate "ca" can not be replaced; only proxy can be replaced`,
		"cluster certificate set nonsense certificate_file /x key_file /y":                       `the certificate "nonsense" can not be replaced`,
		"cluster token ttl 48h":                                                                  `ttl can not be "48h"; give a duration from 1s to 24h`,
		"node 2 enslave endpoints_only shards_only":                                              "endpoints_only and shards_only contradict each other; give one of them",
		"node 2 enslave shards_only demote_node dry_run":                                         "shards_only and demote_node contradict each other; give one of them",
		"migrate shard 1 target_node 3 max_concurrent_actions 2 max_concurrent_bdb_migrations 2": "max_concurrent_actions and max_concurrent_bdb_migrations contradict each other",
	} {
		if code, text, errText := b.run(line); code != exitUsage || text != "" || !strings.HasPrefix(errText, "ERROR: "+want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	if code, _, errText := b.run("node 2 maintenance_mode on keep_slave_shards evict_ha_replica disabled dry_run"); code == exitUsage {
		t.Errorf("the same twice: %d %q", code, errText)
	}
}

// Whatever the list of commands names, help tells about.
func TestHelpOfWhatTheProgramBrings(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	if code, text, errText := b.run("help serve"); code != 0 || text != "serve\n    Run the daemon of this host: serve --help\n" || errText != "" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if code, text, _ := b.run("--json help proxy"); code != 0 || !strings.Contains(text, `"usage": "proxy"`) {
		t.Errorf("%d %q", code, text)
	}
}

// No words at all are a mistake like others to who reads JSON.
func TestNoWordsUnderJSON(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	code, text, errText := b.run("--json")
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(errText), &e); err != nil || code != exitUsage || text != "" || e.Code == "" || !strings.Contains(e.Hint, "haulout help") {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

// What is left stands on lines of its own, and not in the sentence as well.
func TestLeftIsToldOnce(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	left := []string{"redis:2 (db:1 a, 6.25GB): node:1 holds its master", "redis:4 (db:1 a, 6.25GB): node:1 holds its master"}
	why := cluster.Refuse(cluster.CodeInsufficientResources, "make room", "not everything has somewhere to go: %s", strings.Join(left, "; "))
	b.steps = []func(){func() { d.Begin(2, cluster.MaintenanceOn).Checks() }, func() { d.Begin(2, cluster.MaintenanceOn).Fail(why, left...) }}
	code, _, errText := b.run("node 2 maintenance_mode on")
	want := "ERROR: maintenance_on of node:2 failed: not everything has somewhere to go; make room\nleft: " + left[0] + "\nleft: " + left[1] + "\n"
	if code != 1 || errText != want {
		t.Errorf("%d %q", code, errText)
	}
}
