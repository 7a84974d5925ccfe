package cli

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// What went wrong elsewhere, under the name it has there.

// A task without any progress yet crashed the list of what runs.
func TestRS171806(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a1", Name: cluster.MigrateShards, Node: 2, Created: apitest.Start}})
	for _, line := range []string{"cluster running_actions", "cluster running_actions --json", "status extra all", "explain node 2"} {
		if code, text, errText := b.run(line); code != exitDone || text == "" || errText != "" {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}

// An action was said to run after it had ended.
func TestRS166122(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Apply(cluster.EnqueueAction{Action: cluster.Action{ID: "a1", Name: cluster.MaintenanceOn, Node: 2, Created: apitest.Start}})
	d.Apply(cluster.FailAction{At: apitest.Start, Action: "a1", Status: cluster.ActionCancelled, Error: cluster.Refuse(cluster.CodeCancelled, "", "no longer wanted")})
	if _, text, _ := b.run("cluster running_actions"); text != "Got 0 tasks:\n" {
		t.Errorf("got %q", text)
	}
	if _, text, _ := b.run("status databases extra state_machine"); strings.Contains(text, "maintenance_on") {
		t.Errorf("got\n%s", text)
	}
}

// The command line and REST disagreed on what a node is.
func TestRS132087(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.SetAlive(3, false)
	var rest struct {
		Nodes    []api.NodeObject       `json:"nodes"`
		Statuses map[int]api.NodeStatus `json:"nodes_status"`
	}
	_, text, _ := b.run("status nodes --json")
	if err := json.Unmarshal([]byte(text), &rest); err != nil {
		t.Fatal(err)
	}
	_, table, _ := b.run("status nodes")
	for i, row := range strings.Split(strings.TrimSpace(table), "\n")[2:] {
		words := strings.Fields(row)
		shown, status := words[len(words)-1], rest.Nodes[i].Status
		if rest.Statuses[i+1].NodeStatus != status || (shown == "OK") != (status == "active") || shown != "OK" && shown != strings.ToUpper(status) {
			t.Errorf("node:%d is %s in the table, %s and %s in REST", i+1, shown, status, rest.Statuses[i+1].NodeStatus)
		}
	}
}

// STATUS and WATCHDOG_STATUS were swapped: the one is how well the shard is, the
// other whether its process answers.
func TestRS146525(t *testing.T) {
	p := picture{Shards: []api.Shard{{UID: 1, Status: "active", DetailedStatus: "ok", Slots: "0-16383", Sync: &api.ShardSync{Status: "in_progress"}}}}
	table := p.shards(words{})
	row := map[string]string{}
	for i, column := range table.columns {
		row[column] = table.rows[0][i]
	}
	if row["STATUS"] != "SYNCING" || row["WATCHDOG_STATUS"] != "OK" {
		t.Errorf("STATUS %s, WATCHDOG_STATUS %s", row["STATUS"], row["WATCHDOG_STATUS"])
	}
}

// Shards of a database that was gone were still shown.
func TestRS117388(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Apply(cluster.DeleteDatabase{At: apitest.Start, Database: 1}, cluster.ForgetDatabase{At: apitest.Start, Database: 1})
	if _, text, _ := b.run("status extra all"); strings.Contains(text, "db:1 ") || strings.Contains(text, "sessions") {
		t.Errorf("got\n%s", text)
	}
}

// The memory was missing from extra all.
func TestRS160546(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	_, text, _ := b.run("status nodes extra all")
	for _, column := range []string{"FREE_RAM", "PROVISIONAL_RAM", "OVERBOOKING_DEPTH"} {
		if !strings.Contains(text, column) {
			t.Errorf("%s is missing:\n%s", column, text)
		}
	}
	if strings.Count(text, "2GB/4GB") != 3 {
		t.Errorf("got\n%s", text)
	}
}

// What a node has free is not known before it has reported; "0KB" read as if nothing
// were left on a node that has just come back.
func TestFreeMemoryBeforeTheFirstReport(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Silence(2)
	_, text, _ := b.run("status nodes")
	if strings.Contains(text, " 0KB/4GB") || !regexp.MustCompile(`(?m)^node:2 .* -/4GB .* OK$`).MatchString(text) {
		t.Errorf("got\n%s", text)
	}
}

// The provisional memory was 0 on a node with as many shards as it may have; it
// is 0 on closed nodes only.
func TestRS162290(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	limit := 4
	d.Apply(cluster.TuneNode{At: apitest.Start, Node: 2, MaxShards: &limit})
	if _, text, _ := b.run("status node 2"); !strings.Contains(text, "4/4") || !strings.Contains(text, "3.41GB/4GB") {
		t.Errorf("at its limit:\n%s", text)
	}
	out(d)
	if _, text, _ := b.run("status node 2"); !strings.Contains(text, "4/0") || !strings.Contains(text, "0KB/0KB") {
		t.Errorf("out of service:\n%s", text)
	}
}

// The provisional memory was wrong: it is what the node offers without what its
// shards may grow to.
func TestRS31477(t *testing.T) {
	d := apitest.Cluster()
	v := d.View()
	for id, n := range v.Nodes {
		free := n.TotalMemory
		for _, i := range v.InstancesOn(id) {
			free -= v.Databases[i.Range.Database].ProcessMemory()
		}
		_, text, _ := newBench(t, d).run("status nodes")
		if want := sizeText(free) + "/" + sizeText(n.TotalMemory); !strings.Contains(strings.Split(text, "\n")[id+1], want) {
			t.Errorf("node:%d is to have %s:\n%s", id, want, text)
		}
	}
}

// Two masters, or none, were shown for the same slots while roles changed.
func TestRS167864(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	id := cluster.RangeID{Database: 2}
	slave := d.View().Shards[10].Instance
	d.Apply(cluster.OpenHandover{At: apitest.Start, ID: "h1", To: slave})
	for _, moved := range []bool{false, true} {
		if _, text, _ := b.run("status shards db carts"); strings.Count(text, "master") != 1 || strings.Count(text, "slave") != 1 {
			t.Errorf("got\n%s", text)
		}
		if !moved {
			d.Apply(cluster.CloseHandover{At: apitest.Start, Range: id, ID: "h1", Moved: true})
		}
	}
}

// The second change of the cluster master failed.
func TestRS50865(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for _, node := range []string{"3", "2", "3", "1"} {
		if code, text, errText := b.run("cluster master set " + node); code != exitDone || text != "Node "+node+" set to be the cluster master node\n" {
			t.Errorf("%s: %d %q %q", node, code, text, errText)
		}
	}
}
