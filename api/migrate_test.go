package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestMigrate(t *testing.T) {
	const one, many = "/v1/shards/11/actions/migrate", "/v1/shards/actions/migrate"
	d := apitest.Cluster()
	h := server(d).Public()
	var started []cluster.Action
	d.Started = func(a cluster.Action) { started = append(started, a) }
	for _, c := range []struct {
		path, body string
		status     int
		code       cluster.Code
	}{
		{one, `{}`, 400, cluster.CodeBadRequest},
		{one, `{"target_node_uid":"two"}`, 400, cluster.CodeBadRequest},
		{one, `{"target_node_uid":9}`, 404, cluster.CodeNodeNotFound},
		{one, `{"target_node_uid":2,"override_rack_policy":1}`, 400, cluster.CodeBadRequest},
		{one, `{"target_node_uid":2,"max_concurrent_actions":0}`, 400, cluster.CodeBadRequest},
		{one, `{"target_node_uid":2,"max_concurrent_bdb_migrations":0}`, 400, cluster.CodeBadRequest},
		{"/v1/shards/1/actions/migrate?dry_run", `{"target_node_uid":2}`, 406, cluster.CodeInsufficientResources},
		{"/v1/shards/99/actions/migrate", `{"target_node_uid":2}`, 404, cluster.CodeShardNotFound},
		{"/v1/shards/1/actions/migrate", `{"target_node_uid":2}`, 406, cluster.CodeInsufficientResources}, // its partner is there
		{many, `{"target_node_uid":2}`, 404, api.CodeShardsRequired},
		{many, `{"target_node_uid":2,"shard_uids":["99"]}`, 404, cluster.CodeShardNotFound},
	} {
		if status, body := send(t, h, "POST", c.path, c.body); status != c.status || code(t, body) != c.code {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
	if status, body := send(t, h, "POST", one, `{"target_node_uid":3,"dry_run":true,"max_concurrent_bdb_migrations":2}`); status != 200 || len(started) > 0 || strings.Contains(body, "action_uid") {
		t.Errorf("dry: %d %s, started %+v", status, body, started)
	}
	status, body := send(t, h, "POST", many, `{"shard_uids":["11","9"],"target_node_uid":3,"preserve_roles":true,"override_rack_policy":true,"max_concurrent_actions":3}`)
	if status != http.StatusOK || !strings.Contains(body, `"description":"Migrate was triggered"`) {
		t.Errorf("%d %s", status, body)
	}
	if len(started) != 1 || started[0].Node != 3 || len(started[0].Options.Shards) != 2 || !started[0].Options.PreserveRoles || !started[0].Options.OverrideRack || started[0].Options.MaxConcurrent != 3 {
		t.Fatalf("started %+v", started)
	}
	if status, body := send(t, h, "POST", one, `{"target_node_uid":3}`); status != http.StatusConflict {
		t.Errorf("a second one: %d %s", status, body)
	}
}
