package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// out takes node 2 out of service; what was there stays there.
func out(d *apitest.Daemon) {
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a1", Name: cluster.MaintenanceOn, Node: 2, By: "root", Created: apitest.Start, Reason: "new disk"}})
	s := d.Begin(2, cluster.MaintenanceOn)
	s.Checks()
	s.Snapshot("maintenance_mode_2024-01-11_20-25-37")
	s.Close()
	s.CompleteOn()
}

func TestTables(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for name, line := range map[string]string{
		"status":           "status",
		"status_extra":     "status extra all",
		"status_nodes":     "status nodes",
		"status_databases": "db list",
		"status_endpoints": "status endpoints node 1",
		"status_shards":    "status shards db sessions node node:2",
		"status_node":      "status node 2",
		"status_db":        "status db sessions extra state_machine",
		"status_racks":     "status nodes extra rack_id",
		"status_watchdog":  "status endpoints extra watchdog",
		"status_modules":   "status modules",
		"info_db":          "info db carts",
		"info_proxy":       "info proxy 1",
		"info_cluster":     "info cluster",
		"running_none":     "cluster running_actions",
	} {
		code, text, errText := b.run(line)
		if code != 0 || errText != "" {
			t.Errorf("%s: %d %s", line, code, errText)
		}
		golden(t, name, text)
	}
	out(d)
	d.SetAlive(3, false)
	d.Apply(cluster.NoteDown{At: apitest.Start.Add(-33 * time.Second), Node: 3, Down: true})
	b.colour = true
	for name, line := range map[string]string{
		"status_nodes_out":  "status nodes",
		"status_nodes_held": "status nodes extra maintenance",
		"status_shards_3":   "status shards node 3",
		"info_node_out":     "info node 2",
		"snapshot_list":     "node 2 snapshot list",
	} {
		_, text, _ := b.run(line)
		golden(t, name, text)
	}
	_, text, _ := b.run("status nodes")
	if strings.Count(text, yellow) != 1 || !strings.Contains(text, yellow+"4/0"+"\x1b[0m") {
		t.Errorf("only the SHARDS cell of node 2 is to be yellow:\n%s", text)
	}
}

// cells are those of one column of the table.
func cells(text string, column int) (list []string) {
	text, _, _ = strings.Cut(text, "\nTROUBLE:")
	for _, line := range strings.Split(strings.TrimSpace(text), "\n")[2:] {
		list = append(list, strings.Fields(line)[column])
	}
	return list
}

func TestSort(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for line, want := range map[string]struct {
		column int
		cells  string
	}{
		"status nodes sort SHARDS":                    {0, "node:3 node:2 *node:1"},
		"status nodes sort PROVISIONAL_RAM extra all": {0, "*node:1 node:2 node:3"},
		"status nodes sort ROLE NODE:ID":              {0, "*node:1 node:2 node:3"},
		"status databases sort REPLICATION NAME":      {1, "cache carts sessions"},
		"status endpoints sort NAME":                  {1, "cache carts sessions"},
		"status shards node 1 sort ROLE ID":           {2, "redis:1 redis:7 redis:9 redis:11 redis:6"},
	} {
		code, text, errText := b.run(line)
		if got := strings.Join(cells(text, want.column), " "); code != 0 || got != want.cells {
			t.Errorf("%s: %d %s, got %q", line, code, errText, got)
		}
	}
	out(d)
	b.colour = true
	if _, text, _ := b.run("status nodes sort SHARDS"); !strings.Contains(text, yellow+"4/0") {
		t.Errorf("the colour is to stay with its cell:\n%s", text)
	}
}

func TestIssuesOnly(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	_, text, _ := b.run("status issues_only")
	if strings.Count(text, "\n") != 11 || strings.Contains(text, "db:1") || strings.Contains(text, "node:") {
		t.Errorf("only titles are to be left:\n%s", text)
	}
	if code, _, errText := b.run("status --json issues_only"); code != exitUsage || !strings.Contains(errText, "arrange tables, not JSON") {
		t.Errorf("with --json: %d %s", code, errText)
	}
	d.SetAlive(3, false)
	if _, text, _ := b.run("status nodes issues_only"); strings.Join(cells(text, 0), " ") != "node:3" {
		t.Errorf("got:\n%s", text)
	}
	if _, text, _ := b.run("status shards issues_only"); strings.Join(cells(text, 2), " ") != "redis:4 redis:5" {
		t.Errorf("got:\n%s", text)
	}
}

func TestRunningActions(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a1", Name: cluster.MaintenanceOn, Node: 2, Created: apitest.Start}})
	_, text, _ := b.run("cluster running_actions")
	if want := "Got 1 tasks:\n1) Task: maintenance_on (a1) Node: 2 Status: queued\n"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func TestExecutionState(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a1", Name: cluster.MaintenanceOn, Node: 2, Created: apitest.Start}})
	s := d.Begin(2, cluster.MaintenanceOn)
	s.Checks()
	s.Plan(moves...)
	s.Start(2)
	s.Start(3)
	_, text, _ := b.run("status databases extra state_machine")
	for i, want := range []string{"migrate maintenance_on", "rebind maintenance_on", "N/A N/A"} {
		row := strings.Fields(strings.Split(text, "\n")[i+2])
		if got := strings.Join(row[len(row)-2:], " "); got != want {
			t.Errorf("%s: %q, want %q", row[0], got, want)
		}
	}
}

func TestInfoOfWhatIsNotThere(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for line, want := range map[string]string{"info db nope": "there is no database nope", "info proxy 9": "there is no node:9", "status node 9": "there is no node:9", "status db nope": "there is no database nope"} {
		if code, text, errText := b.run(line); code != exitFailed || text != "" || !strings.Contains(errText, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}

func TestClusterMasterSet(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	for _, node := range []string{"3", "node:3", "3 --json"} {
		if code, text, errText := b.run("cluster master set " + node); code != 0 || !strings.HasPrefix(text, "Node 3 set to be the cluster master node\n") && !json.Valid([]byte(text)) {
			t.Errorf("%s: %d %q %q", node, code, text, errText)
		}
	}
	if _, text, _ := b.run("cluster master"); text != "Node 3 is the cluster master node\n" {
		t.Errorf("got %q", text)
	}
	d.SetAlive(2, false)
	for node, want := range map[string]string{"2": "ERROR: node:2 is down;", "9": "ERROR: there is no node:9;"} {
		if code, text, errText := b.run("cluster master set " + node); code != 1 || text != "" || !strings.HasPrefix(errText, want) {
			t.Errorf("%s: %d %q %q", node, code, text, errText)
		}
	}
}

func TestJSONEverywhere(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for _, line := range []string{
		"status", "status node 1", "status db carts", "status modules", "info db", "info proxy all", "status nodes", "status databases", "status endpoints", "status shards", "info node 1", "info cluster", "cluster master",
		"cluster running_actions", "cluster token", "node 1 snapshot list", "tune node 1 max_listeners 50", "tune cluster slave_ha_grace_period 60", "db list", "version",
	} {
		code, text, errText := b.run(line + " --json")
		if code != 0 || !json.Valid([]byte(text)) || errText != "" {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	code, text, errText := b.run("--json info node 9")
	if code != 1 || text != "" || !strings.Contains(errText, `"error_code":"node_not_found"`) {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0KB", 512: "0.5KB", 2 << 20: "2MB", 2182086: "2.08MB", 5 << 30: "5GB", 15258054656: "14.21GB", 1 << 41: "2TB", -3 << 20: "-3MB",
	} {
		if got := sizeText(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
}
