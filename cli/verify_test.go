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

func TestVerify(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	code, text, errText := b.run("node 2 maintenance_mode verify")
	if code != 1 || errText != "" {
		t.Errorf("before: %d %s", code, errText)
	}
	golden(t, "verify_unsafe", text)
	d.Empty(2)
	out(d)
	code, text, errText = b.run("node 2 maintenance_mode verify")
	if code != 0 || text != "node:2 is safe to shut down\n" || errText != "" {
		t.Errorf("after: %d %s %s", code, text, errText)
	}
	code, text, _ = b.run("--json node 2 maintenance_mode verify")
	var v api.Verdict
	if err := json.Unmarshal([]byte(text), &v); code != 0 || err != nil || !v.Safe || !v.InMaintenance || !v.Observed {
		t.Errorf("%d %s", code, text)
	}
	if code, _, errText = b.run("node 9 maintenance_mode verify"); code != 1 || !strings.Contains(errText, "there is no node:9") {
		t.Errorf("no node: %d %s", code, errText)
	}
}

// Nobody but the leader can say it.
func TestVerifyNeedsALeader(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Forward(nil)
	if code, _, errText := b.run("node 2 maintenance_mode verify"); code != 1 || !strings.Contains(errText, "no master") {
		t.Errorf("%d %s", code, errText)
	}
}

func TestWait(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for line, want := range map[string]string{
		"node 2 maintenance_mode wait until safe timeout 3ms": "node:2 is not safe after 3ms: node:2 is not in maintenance mode; redis:2 is on node:2 as slave",
		"node 9 maintenance_mode wait until safe":             "there is no node:9",
	} {
		if code, _, errText := b.run(line); code != 1 || !strings.HasPrefix(errText, "ERROR: "+want) {
			t.Errorf("%s: %d %s", line, code, errText)
		}
	}
	if code, text, _ := b.run("node 2 maintenance_mode wait until returned"); code != 0 || text != "node:2 is in service\n" {
		t.Errorf("%d %s", code, text)
	}
	emptied := time.AfterFunc(5*time.Millisecond, func() { d.Empty(2); out(d) })
	defer emptied.Stop()
	if code, text, errText := b.run("node 2 maintenance_mode wait until safe timeout 1m"); code != 0 || text != "node:2 is safe to shut down\n" {
		t.Errorf("%d %s %s", code, text, errText)
	}
	if code, _, errText := b.run("node 2 maintenance_mode wait until returned timeout 3ms"); code != 1 || !strings.Contains(errText, "node:2 is still in maintenance mode") {
		t.Errorf("%d %s", code, errText)
	}
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a2", Name: cluster.MaintenanceOff, Node: 2, By: "root", Created: apitest.Start}})
	if code, _, errText := b.run("node 2 maintenance_mode wait until returned timeout 3ms"); code != 1 || !strings.Contains(errText, "an action is running") {
		t.Errorf("%d %s", code, errText)
	}
}
