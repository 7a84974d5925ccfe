package cli

import (
	"os"
	"path/filepath"
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
	code, text, errText := b.run("cluster recover masters redis:4")
	if code != 0 || errText != "" || text != "redis:4 becomes master; what other copies of its slots have besides is given up.\nOK\n" {
		t.Errorf("a master is named: %d %q %q", code, text, errText)
	}
	d.Forward(nil)
	code, text, errText = b.run("cluster recover dry_run lost_nodes 2 node:3")
	if code != 0 || errText != "" || !strings.HasSuffix(text, "Lost for good, be sure that they are off: node:2, node:3\n") {
		t.Errorf("dry run: %d %q %q", code, text, errText)
	}
	if d.Bootstrap().State == api.BootstrapRecovering {
		t.Error("the dry run began")
	}
	b.steps = []func(){func() {}, func() { d.FinishBootstrap(nil) }}
	code, text, errText = b.run("cluster recover filename /f")
	if code != 0 || errText != "" || !strings.Contains(text, "from the backup /f") || !strings.Contains(text, "\nNote: old passwords are good again.\n") || !strings.HasSuffix(text, "Initiating cluster recovery... ok\n") {
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
	for _, line := range []string{"status nodes", "status databases", "status endpoints", "status shards", "status node 1", "status db db:1", "info node 1", "info db",
		"info cluster", "db list", "verify balance", "cluster running_actions", "node 1 snapshot list", "recover list", "db user list carts",
		"cluster certificate show ca"} {
		code, text, errText := b.run(line)
		if code != 1 || text == "" || strings.Count(errText, "STALE: node:1 saw it last") != 1 {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
		if code, _, errText := b.run("--json " + line); code != 1 || !strings.Contains(errText, `"error_code":"no_quorum"`) {
			t.Errorf("--json %s: %d %q", line, code, errText)
		}
	}
	if code, text, _ = b.run("--json status"); code != 1 || !strings.Contains(text, `"no_quorum": {`) {
		t.Errorf("json: %d %q", code, text)
	}
}

// No command takes what was seen last for how things stand.
func TestNothingSucceedsWithoutQuorum(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"<node>": "1", "<node|all>": "all", "<shard>": "1", "<shard>...": "1", "<db>": "carts", "<endpoint>": "2:1", "<name>": "n", "<user>": "default", "<task>": "t1",
		"<email>": "admin@example.com", "<file>": file, "<size>": "100MB", "<address>...": "127.0.0.2", "safe|returned": "safe",
	}
	more := map[string]string{
		"node <node> maintenance_mode wait": "timeout 1ms", "migrate": "shard 1", "bind endpoint <endpoint>": "policy single", "bind db <db> endpoint <endpoint>": "policy single",
		"tune db <db>": "tls_mode disabled", "tune node <node|all>": "max_listeners 9", "tune cluster": "slave_ha_grace_period 9",
		"cluster create": "password_file " + file, "cluster join": "token t", "cluster reset_password <email>": "password_file " + file,
	}
	for _, c := range commands() {
		values["<certificate>"] = map[bool]string{true: "ca", false: "proxy"}[c.looks]
		head := strings.Join(c.head, " ")
		if c.offline || head == "cluster recover" || head == "cluster backup" || head == "status modules" { // they need none
			continue
		}
		line := append([]string{"-y"}, c.head...)
		for _, o := range c.options {
			if o.needed {
				line = append(line, o.name, o.value)
			}
		}
		for i, word := range line {
			if value, ok := values[word]; ok {
				line[i] = value
			}
		}
		d := apitest.Cluster()
		d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "t1", Name: cluster.MaintenanceOn, Node: 3, Created: d.View().Now}})
		d.Forward(nil)
		d.LoseQuorum(cluster.Refuse(cluster.CodeNoQuorum, "start them", "two of three are gone"))
		code, text, errText := newBench(t, d).runArgs(append(line, strings.Fields(more[head])...)...)
		if code != exitFailed || errText == "" {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}
