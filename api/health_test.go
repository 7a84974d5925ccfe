package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func health(t *testing.T, h http.Handler, path string) api.ClusterHealth {
	t.Helper()
	status, body := send(t, h, "GET", path, "")
	var out api.ClusterHealth
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	return out
}

// A new leader does not call down what it has not heard of yet.
func TestHealthOfTheUnheard(t *testing.T) {
	d := apitest.Cluster()
	d.Silence(1)
	h := server(d).Public()
	out := health(t, h, "/v4/cluster/health")
	if out.Status != "warning" || out.Nodes[0].Status != "warning" || out.Nodes[0].Shards[0].Detailed != "unknown" {
		t.Errorf("%+v", out)
	}
	for _, b := range out.Databases {
		if b.Availability != "up" || b.Status == "down" || b.Replication.Status == "down" {
			t.Errorf("%+v", b)
		}
	}
}

func TestHealth(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	_, body := send(t, h, "GET", "/v4/cluster/health", "")
	golden(t, "health", body)
	if status, body := send(t, h, "GET", "/v1/bdbs/1/availability", ""); status != 200 || body != "" {
		t.Errorf("%d %s", status, body)
	}
	if well := health(t, h, "/v4/cluster/health?issues_only"); well.Status != "ok" || len(well.Nodes)+len(well.Databases) != 0 {
		t.Errorf("%+v", well)
	}

	send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", `{"for":"1h"}`)
	script := d.Begin(2, cluster.MaintenanceOn)
	script.Checks()
	script.Snapshot("s")
	script.Close()
	out := health(t, h, "/v4/cluster/health")
	if n := out.Nodes[1]; !n.InMaintenance || !n.QuorumOnly || n.Status != "active" || out.Status != "ok" {
		t.Errorf("planned work is no fault: %s %+v", out.Status, n)
	}
	d.Pass(2 * time.Hour)
	if out := health(t, h, "/v4/cluster/health"); out.Nodes[1].Status != "warning" || out.Status != "warning" {
		t.Errorf("past its end: %+v", out)
	}

	d.SetAlive(3, false)
	out = health(t, h, "/v4/cluster/health?issues_only=true")
	if out.Status != "error" || len(out.Nodes) != 2 || out.Nodes[1].Status != "down" || out.Nodes[1].Detailed != "down" {
		t.Errorf("%+v", out)
	}
	i := slices.IndexFunc(out.Databases, func(b api.DatabaseHealth) bool { return b.Name == "sessions" })
	if b := out.Databases[i]; b.Status != "down" || b.Availability != "down" || !slices.Contains(b.Errors, "shard_unreachable") || b.Replication.Status != "down" {
		t.Errorf("%+v", b)
	}
	if status, body := send(t, h, "GET", "/v1/bdbs/1/availability", ""); status != 503 || code(t, body) != api.CodeShardUnreachable {
		t.Errorf("%d %s", status, body)
	}
	for path, want := range map[string]int{"/v4/db/1/health": 200, "/v4/bdb/1/health?issues_only": 200, "/v4/db/9/health": 404, "/v4/db/1/health?fields=x": 501} {
		if status, body := send(t, h, "GET", path, ""); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	d.Forward(nil)
	if status, body := send(t, h, "GET", "/v4/cluster/health", ""); status != 503 || code(t, body) != cluster.CodeNoLeader {
		t.Errorf("without a leader: %d %s", status, body)
	}
	if status, body := send(t, h, "GET", "/v1/local/node/master_healthcheck", ""); status != 200 || !strings.Contains(body, "inactive") {
		t.Errorf("%d %s", status, body)
	}
}

// Of a database that waits for an operator nobody is told that it is active.
func TestStatusOfWhatIsLost(t *testing.T) {
	for name, change := range map[string]func(*cluster.SlotRange){
		"lost":      func(r *cluster.SlotRange) { r.Lost, r.LostReason = true, "redis:1 had the only copy and is gone" },
		"unsettled": func(r *cluster.SlotRange) { r.Unsettled = "the hosts have not been heard yet" },
	} {
		d := apitest.Cluster()
		r := d.View().Ranges[d.View().Shards[1].Range]
		change(&r)
		d.Apply(put{r})
		h := server(d).Public()
		if _, body := send(t, h, "GET", "/v1/bdbs/1?fields=status", ""); body != "{\"status\":\"recovery\"}\n" {
			t.Errorf("%s: %s", name, body)
		}
		if _, body := send(t, h, "GET", "/v4/db/1/health", ""); !strings.Contains(body, `"detailed_status":"recovery"`) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// While proxies are told no address for slots, their database is not up, though
// every process runs.
func TestHealthWhileNobodyMayServe(t *testing.T) {
	for name, c := range map[string]struct {
		commands func(v cluster.View) []cluster.Command
		up       bool
	}{
		"as it should be": {func(cluster.View) []cluster.Command { return nil }, true},
		"a planned hand-over": {func(v cluster.View) []cluster.Command {
			return []cluster.Command{cluster.OpenHandover{ID: "h", To: v.Shards[2].Instance}}
		}, true},
		"another takes over": {func(v cluster.View) []cluster.Command {
			return []cluster.Command{cluster.OpenHandover{ID: "h", To: v.Shards[2].Instance, Unplanned: true}}
		}, false},
		"unsettled": {func(v cluster.View) []cluster.Command {
			r := v.Ranges[v.Shards[1].Range]
			r.Unsettled = "the hosts have not been heard yet"
			return []cluster.Command{put{r}}
		}, false},
		"never seen up": {func(v cluster.View) []cluster.Command {
			i := v.Instances[v.Shards[1].Instance]
			i.Started = false
			return []cluster.Command{put{i}}
		}, false},
	} {
		d := apitest.Cluster()
		d.Apply(c.commands(d.View())...)
		h := server(d).Public()
		var got api.DatabaseHealth
		_, body := send(t, h, "GET", "/v4/db/1/health", "")
		if err := json.Unmarshal([]byte(body), &got); err != nil || (got.Availability == "up") != c.up || slices.Contains(got.Errors, "shard_unreachable") == c.up {
			t.Errorf("%s: %v %s", name, err, body)
		}
		if status, body := send(t, h, "GET", "/v1/bdbs/1/availability", ""); (status == 200) != c.up {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}
