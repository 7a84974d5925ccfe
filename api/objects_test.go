package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestObjects(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	if status, body := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", `{"reason":"new disk","cause":"hardware"}`); status != http.StatusOK {
		t.Fatal(body)
	}
	script := d.Begin(2, cluster.MaintenanceOn)
	script.Checks()
	script.Snapshot("maintenance_mode_2024-01-11_20-25-37")
	script.Close()
	script.Plan(
		cluster.Move{Kind: cluster.Failover, Shard: 1, Old: 2, Reason: "hand over"},
		cluster.Move{Kind: cluster.Migrate, Shard: 2, From: 2, To: 3, Bytes: 300 << 20, After: []int{1}, Reason: "rebuild the slave"},
		cluster.Move{Kind: cluster.Rebind, Endpoint: cluster.EndpointID{Database: 2, Index: 1}, From: 2, To: 3, Reason: "empty the node"},
	)
	d.Pass(time.Second)
	script.Start(1)
	script.Finish(1, cluster.FinishMove{Status: cluster.MoveDone})
	script.Start(3)
	script.Rebind(3, cluster.EndpointID{Database: 2, Index: 1}, 3, 12, 1)
	script.Finish(3, cluster.FinishMove{Status: cluster.MoveDone})
	d.Pass(time.Second)

	for name, path := range map[string]string{
		"cluster":       "/v1/cluster",
		"nodes":         "/v1/nodes",
		"node":          "/v1/nodes/2",
		"nodes_status":  "/v1/nodes/status",
		"node_status":   "/v1/nodes/2/status",
		"snapshots":     "/v1/nodes/2/snapshots",
		"action":        "/v1/nodes/2/actions/maintenance_on",
		"node_actions":  "/v1/nodes/2/actions",
		"actions":       "/v1/actions",
		"bdb":           "/v1/bdbs/1",
		"bdbs_fields":   "/v1/bdbs?fields=uid,name",
		"bdb_shards":    "/v1/bdbs/2/shards",
		"shard":         "/v1/shards/3",
		"logs":          "/v1/logs?order=desc&limit=4",
		"users":         "/v1/users",
		"no_node":       "/v1/nodes/9",
		"policy":        "/v1/cluster/policy",
		"not_supported": "/v1/cluster/check",
	} {
		_, body := send(t, h, "GET", path, "")
		golden(t, name, body)
		if strings.Contains(body, apitest.DatabaseSecret) || strings.Contains(body, "password_hash") {
			t.Errorf("%s shows a password", path)
		}
	}
	if _, nodes := send(t, h, "GET", "/v1/nodes/actions", ""); !strings.Contains(nodes, `"name":"maintenance_on"`) {
		t.Errorf("/v1/nodes/actions: %s", nodes)
	}
}

// A PUT on an older state changes nothing.
func TestPutOnAState(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	put := func(id string) (int, string) {
		r := httptest.NewRequest("PUT", "/v1/cluster/policy", strings.NewReader(`{"slave_ha_grace_period":30}`))
		r.SetBasicAuth(apitest.Admin, apitest.Password)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(api.StateHeader, id)
		w := httptest.NewRecorder()
		checked(t, h).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	now := d.View().Revision
	if status, body := put(strconv.FormatInt(now, 10)); status != 200 {
		t.Error(body)
	}
	if status, body := put(strconv.FormatInt(now, 10)); status != 409 || code(t, body) != api.CodeWrongState {
		t.Errorf("%d %s", status, body)
	}
	if status, body := put("newest"); status != 400 {
		t.Errorf("%d %s", status, body)
	}
}

func TestStateIDRises(t *testing.T) {
	d := apitest.Cluster()
	_, s := public(t, d, apitest.Admin)
	id := func() string {
		r, _ := http.NewRequest("GET", s.URL+"/v1/cluster", nil)
		r.SetBasicAuth(apitest.Admin, apitest.Password)
		answer, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		read(t, answer.Body)
		return answer.Header.Get("cluster-state-id")
	}
	before := id()
	d.Apply(cluster.DeleteDatabase{At: apitest.Start, Database: 3})
	if after := id(); before == "" || after == before {
		t.Errorf("cluster-state-id went from %q to %q", before, after)
	}
}

// What was reported a while ago is not shown as of now.
func TestShardsSayWhenTheyWereReported(t *testing.T) {
	d := apitest.Cluster()
	at := d.View().Now.Add(-13 * time.Second)
	d.Heard = map[int]time.Time{1: at}
	_, body := send(t, server(d).Public(), "GET", "/v1/shards/1", "")
	var shard api.Shard
	if err := json.Unmarshal([]byte(body), &shard); err != nil || !shard.Reported.Equal(at) {
		t.Errorf("%v %s", err, body)
	}
}
