package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestSnapshotsByHand(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for _, c := range []struct {
		line, out, err string
		code           int
	}{
		{"node 1 snapshot create snap1", "Creating node snapshot 'snap1' for node:1\nDone.\n", "", 0},
		{"node 1 snapshot create snap1", "Creating node snapshot 'snap1' for node:1\n", "ERROR: node:1 has a snapshot snap1 already; choose another name, or delete it first\n", 1},
		{"node 1 snapshot list", "Name    Node   Time\nsnap1   1      2024-01-11T20:25:37Z\n", "", 0},
		{"node 1 snapshot delete snap1", "Deleting node snapshot 'snap1' for node:1\nDone.\n", "", 0},
		{"node 1 snapshot restore snap1", "", "ERROR: node:1 has no snapshot snap1; see haulout node 1 snapshot list\n", 1},
	} {
		code, text, errText := b.run(c.line)
		if code != c.code || text != c.out || errText != c.err {
			t.Errorf("%s: %d %q %q", c.line, code, text, errText)
		}
	}
	out(d)
	code, _, errText := b.run("node 2 snapshot delete " + snapshotName)
	if code != 1 || !strings.Contains(errText, "belongs to maintenance mode and can not be deleted") {
		t.Errorf("%d %s", code, errText)
	}
}

// clock is what differs from run to run in the transcript of a restore.
var clock = regexp.MustCompile(`[0-9-]{10}T[0-9:.]{15}`)

func TestSnapshotRestore(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	b.run("node 2 snapshot create snap2")
	d.Apply(cluster.Bind{At: apitest.Start, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: cluster.BindOpen, Nodes: []int{2}},
		cluster.Bind{At: apitest.Start, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: cluster.BindSwitch},
		cluster.Bind{At: apitest.Start, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: cluster.BindClose})
	b.run("node 2 snapshot create bound")
	d.Apply(cluster.Bind{At: apitest.Start, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: cluster.BindOpen, Nodes: []int{1}},
		cluster.Bind{At: apitest.Start, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: cluster.BindSwitch},
		cluster.Bind{At: apitest.Start, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: cluster.BindClose})
	before := d.View().Revision
	for _, answer := range []string{"", "n\n"} {
		b.in = answer
		if code, text, errText := b.run("node 2 snapshot restore bound"); code != 1 || !strings.Contains(errText, "node:2 was not touched") || d.View().Revision != before {
			t.Errorf("%q: %d %s %s", answer, code, text, errText)
		}
	}
	b.in = "Y\n"
	b.script(cluster.SnapshotRestore,
		func(s *apitest.Script) { s.Checks(); s.Keep("bound") },
		func(s *apitest.Script) { s.Plan(moves...); s.Start(2) },
		func(s *apitest.Script) { s.Finish(2, done); s.Start(1) },
		func(s *apitest.Script) { s.Finish(1, done); s.Start(3); s.Finish(3, done) },
		func(s *apitest.Script) { s.CompleteRestore(cluster.Proof{Exact: true, Compared: 9}) },
	)
	code, text, errText := b.run("node 2 snapshot restore bound")
	if code != 0 || errText != "" {
		t.Errorf("%d %s", code, errText)
	}
	golden(t, "snapshot_restore", clock.ReplaceAllString(text, "TIME"))
	b.in = ""
	b.script(cluster.SnapshotRestore, func(s *apitest.Script) { s.Checks(); s.Keep("bound"); s.CompleteRestore(cluster.Proof{Exact: true}) })
	if code, text, errText = b.run("-y node 2 snapshot restore bound"); code != 0 || strings.Contains(text, "Proceed") || !strings.HasSuffix(text, "Snapshot restore completed successfully.\n") {
		t.Errorf("-y: %d %s %s", code, text, errText)
	}
}
