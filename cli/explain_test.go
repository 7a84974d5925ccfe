package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestExplain(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for name, line := range map[string]string{"explain_shard": "explain shard 7", "explain_node": "explain node node:2"} {
		code, text, errText := b.run(line)
		if code != 0 || errText != "" {
			t.Errorf("%s: %d %s", line, code, errText)
		}
		golden(t, name, text)
	}
	out(d)
	d.SetAlive(3, false)
	for name, line := range map[string]string{"explain_shard_stuck": "explain shard redis:7", "explain_shard_broken": "explain shard 4", "explain_node_out": "explain node 2", "explain_node_down": "explain node 3"} {
		_, text, _ := b.run(line)
		golden(t, name, text)
	}
	var e api.Explanation
	if code, text, _ := b.run("explain shard 7 --json"); code != 0 || json.Unmarshal([]byte(text), &e) != nil || e.Subject != "redis:7" || len(e.Shards[0].Places) != 2 || e.Shards[0].Places[0].Against[0].Code != cluster.CodeNodeClosed {
		t.Errorf("%d %s", code, text)
	}
	if code, text, _ := b.run("explain node 2 --json"); code != 0 || json.Unmarshal([]byte(text), &e) != nil || len(e.Shards) != 4 {
		t.Errorf("%d %s", code, text)
	}
	for line, want := range map[string]string{"explain shard 99": "there is no redis:99", "explain node 9": "there is no node:9"} {
		if code, text, errText := b.run(line); code != exitFailed || text != "" || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}
