package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestCancelAction(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	begin := func(id string) *apitest.Script {
		d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: id, Name: cluster.MaintenanceOn, Node: 2, By: "root", Created: d.View().Now}})
		return d.Begin(2, cluster.MaintenanceOn)
	}
	begin("t1")
	code, text, errText := b.run("cluster cancel_action t1")
	if code != 0 || text != "Cancelling maintenance_on of node:2\nOK\n" {
		t.Errorf("queued: %d %s %s", code, text, errText)
	}
	s := begin("t2")
	s.Checks()
	s.Snapshot("s")
	s.Close()
	b.steps = []func(){func() {}, func() {}, func() { s.EndCancel(cluster.Proof{Exact: true, Compared: 7}) }}
	code, text, errText = b.run("cluster cancel_action t2")
	if code != 0 || text != "Cancelling maintenance_on of node:2\nrestored exactly (7 shards, endpoints and limits compared)\nOK\n" {
		t.Errorf("running: %d %s %s", code, text, errText)
	}
	for task, want := range map[string]string{"t2": "maintenance_on of node:2 has ended: it is cancelled", "t9": "there is no action t9"} {
		if code, _, errText := b.run("cluster cancel_action " + task); code != 1 || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %s", task, code, errText)
		}
	}
}

// Whoever waits for the action is told who cancelled it.
func TestCancelledMeanwhile(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	b.script(cluster.MaintenanceOn, func(s *apitest.Script) { s.Checks(); s.Snapshot("s"); s.Close() }, func(*apitest.Script) {}, func(*apitest.Script) {
		if _, text, errText := b.run("--json cluster running_actions"); !strings.Contains(text, "maintenance_on") {
			t.Error(text, errText)
		}
		for id := range b.daemon.View().Actions {
			b.daemon.Apply(cluster.CancelAction{At: apitest.Start, Action: id, By: "ben"})
		}
	}, func(s *apitest.Script) { s.EndCancel(cluster.Proof{Exact: true}) })
	code, text, errText := b.run("node 2 maintenance_mode on")
	if code != 1 || strings.Contains(text, "OK") || !strings.Contains(text, "maintenance_on of node:2 is being cancelled\n") || errText != "ERROR: maintenance_on of node:2 cancelled: maintenance_on was cancelled by ben\n" {
		t.Errorf("%d %s %s", code, text, errText)
	}
}
