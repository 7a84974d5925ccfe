package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestFailover(t *testing.T) {
	const many = "/v1/shards/actions/failover"
	d := apitest.Cluster()
	h := server(d).Public()
	var started []cluster.Action
	d.Started = func(a cluster.Action) { started = append(started, a) }
	for _, c := range []struct {
		path, body string
		status     int
		code       cluster.Code
	}{
		{"/v1/shards/2/actions/failover", "", 400, cluster.CodeShardIsSlave},
		{"/v1/shards/99/actions/failover", "", 404, cluster.CodeShardNotFound},
		{"/v1/shards/11/actions/failover", "", 409, cluster.CodeNotInSync}, // has no replica
		{"/v1/shards/1/actions/failover", `{"redis_version_upgrade":"7"}`, 501, cluster.CodeUnsupported},
		{"/v1/shards/2/actions/failover?dry_run", "", 400, cluster.CodeShardIsSlave},
		{"/v1/shards/1/actions/failover?dry_run=perhaps", "", 400, cluster.CodeBadRequest},
		{"/v1/shards/1/actions/failover", `{"shard_uids":["1"]}`, 400, cluster.CodeBadRequest},
		{many, `{}`, 404, api.CodeShardsRequired},
		{many, `{"shard_uids":[]}`, 404, api.CodeShardsRequired},
		{many, `{"shard_uids":"1"}`, 400, cluster.CodeBadRequest},
		{many, `{"shard_uids":["one"]}`, 400, cluster.CodeBadRequest},
		{many, `{"shard_uids":["1","99"]}`, 404, cluster.CodeShardNotFound},
		{many, `{"shard_uids":["1","9"]}`, 400, cluster.CodeShardsDiffer},
	} {
		if status, body := send(t, h, "POST", c.path, c.body); status != c.status || code(t, body) != c.code {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
	for path, body := range map[string]string{"/v1/shards/1/actions/failover?dry_run": "", many: `{"shard_uids":["1"],"dry_run":true}`} {
		if status, answer := send(t, h, "POST", path, body); status != 200 || answer != `{"description":"Failover is possible; nothing was triggered"}`+"\n" {
			t.Errorf("%s %s: %d %s", path, body, status, answer)
		}
	}
	if len(started) > 0 {
		t.Fatalf("started %+v", started)
	}
	status, body := send(t, h, "POST", many, `{"shard_uids":["1",3,"1"],"dead_nodes":[],"force_rebind":false}`)
	if status != http.StatusOK || !strings.Contains(body, `"description":"Failover was triggered"`) {
		t.Errorf("%d %s", status, body)
	}
	if len(started) != 1 || started[0].Database != 1 || len(started[0].Options.Shards) != 2 {
		t.Fatalf("started %+v", started)
	}
	if _, body := send(t, h, "GET", "/v1/actions/"+started[0].ID, ""); !strings.Contains(body, `"name":"shard_failover","bdb_uid":"1","status":"queued"`) {
		t.Errorf("the action: %s", body)
	}
	if status, body := send(t, h, "POST", "/v1/shards/5/actions/failover", ""); status != http.StatusConflict || code(t, body) != cluster.CodeBusy {
		t.Errorf("a second one: %d %s", status, body)
	}
	if status, body := send(t, h, "POST", "/v1/shards/9/actions/failover", ""); status != http.StatusOK {
		t.Errorf("one of another database: %d %s", status, body)
	}
	viewer, _ := public(t, d, apitest.Viewer)
	if _, err := viewer.FailOver(ctx, []int{5}); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("a viewer: %v", err)
	}
}
