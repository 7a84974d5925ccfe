package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestClusterRecover(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	if code, _, errText := b.run("cluster recover"); code != 1 || !strings.Contains(errText, "the quorum of cluster") {
		t.Errorf("while the quorum stands: %d %q", code, errText)
	}
	d.Forward(nil)
	code, text, errText := b.run("cluster recover dry_run lost_nodes 2 node:3")
	if code != 0 || errText != "" || !strings.HasSuffix(text, "Lost for good, be sure that they are off: node:2, node:3\n") {
		t.Errorf("dry run: %d %q %q", code, text, errText)
	}
	if d.Bootstrap().State == api.BootstrapRecovering {
		t.Error("the dry run began")
	}
	b.steps = []func(){func() {}, func() { d.FinishBootstrap(nil) }}
	code, text, errText = b.run("cluster recover filename /f")
	if code != 0 || errText != "" || !strings.Contains(text, "from the backup /f") || !strings.HasSuffix(text, "Initiating cluster recovery... ok\n") {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

func TestClusterBackup(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	code, text, errText := b.run("cluster backup")
	if code != 0 || text != "Cluster state saved to /var/lib/haulout/backups/state.db (1MB)\n" || !strings.Contains(errText, "sealing.key") {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

func TestStatusWithoutQuorum(t *testing.T) {
	d := apitest.Cluster()
	d.Forward(nil)
	d.LoseQuorum(cluster.Refuse(cluster.CodeNoQuorum, "start them", "two of three are gone"))
	b := newBench(t, d)
	code, text, errText := b.run("status")
	if code != 1 || !strings.HasPrefix(text, "CLUSTER NODES:") || !strings.HasPrefix(errText, "ERROR: two of three are gone; start them\nWhat follows is STALE") {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if code, text, _ = b.run("--json status"); code != 1 || !strings.Contains(text, `"no_quorum": {`) {
		t.Errorf("json: %d %q", code, text)
	}
}
