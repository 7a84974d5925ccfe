package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestNodeRemove(t *testing.T) {
	d := apitest.Cluster()
	d.Empty(2)
	b := newBench(t, d)
	b.script(cluster.RemoveNode, func(s *apitest.Script) { s.Checks() }, func(s *apitest.Script) { s.Remove() })
	code, text, errText := b.run("node 2 remove wait_for_persistence disabled")
	golden(t, "remove", text)
	if code != 0 || !strings.Contains(errText, "note: 2 nodes vote then, an even number") {
		t.Errorf("%d %s %s", code, text, errText)
	}
	if code, _, errText := b.run("node 2 remove"); code != 1 || !strings.Contains(errText, "there is no node:2") {
		t.Errorf("again: %d %s", code, errText)
	}
}

func TestNodeRemoveDryRun(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	code, text, _ := b.run("node 2 remove dry_run")
	golden(t, "remove_refused", text)
	if code != 1 {
		t.Errorf("%d", code)
	}
}
