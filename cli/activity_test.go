package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestActivity(t *testing.T) {
	d := apitest.Cluster()
	for i, e := range []cluster.Entry{
		{Type: "shard_failover_started", Severity: "WARNING", Node: 2, Database: 1, Shard: 2, Reason: "its process has ended", Text: "slots 0-16383 of db:1 lost their master: redis:2 takes over"},
		{Type: "shard_failover_completed", Severity: "INFO", Node: 2, Database: 1, Shard: 2, Text: "redis:2 is master of slots 0-16383 of db:1",
			Reason: "after redis:1: its process has ended; it took 212ms from then on; all that redis:1 was seen to have, 340ms before, is there"},
		{Type: "node_maintenance_on_requested", Severity: "INFO", Node: 3, By: "root", Reason: "new disk", Text: "maintenance_on of node:3 requested by root"},
		{Type: "shard_lost", Severity: "CRITICAL", Database: 3, Shard: 9, Text: "slots 0-16383 of db:3 are lost until restored: redis:9 had the only copy and is gone"},
	} {
		e.Time = apitest.Start.Add(time.Duration(i) * 1234 * time.Millisecond)
		d.Apply(cluster.RecordEntry{Entry: e})
	}
	b := newBench(t, d)
	code, text, errText := b.run("status activity limit 4")
	if code != 0 || !strings.Contains(errText, "limit <count> shows more") {
		t.Errorf("%d %s", code, errText)
	}
	golden(t, "status_activity", text)
	_, text, errText = b.run("--json status activity db db:1 shard redis:2 type failover severity warning")
	var events []api.Event
	if err := json.Unmarshal([]byte(text), &events); err != nil || len(events) != 1 || events[0].Type != "shard_failover_started" || errText != "" {
		t.Errorf("%s %s %v", text, errText, err)
	}
	for line, want := range map[string]string{
		"status activity db nothing":       "there is no database nothing",
		"status activity severity loud":    "severity can not be",
		"status activity db:1":             "does not fit here",
		"status activity since yesterday":  "give a duration",
		"status activity limit 0":          "give a number from 1",
		"status activity db db:many":       "there is no database db:many",
		"status activity node 2 node 3":    "stands twice",
		"status activity shard redis:none": "give the number of a shard",
	} {
		if code, _, errText := b.run(line); code == 0 || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %s", line, code, errText)
		}
	}
}
