package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestRemoveNode(t *testing.T) {
	d := apitest.Cluster()
	d.Empty(3)
	h := server(d).Public()
	status, body := send(t, h, "POST", "/v1/nodes/3/actions/remove?dry_run=true", "{}")
	if status != http.StatusOK || !strings.Contains(body, "node:3 would be removed from the cluster") {
		t.Errorf("%d %s", status, body)
	}
	status, body = send(t, h, "POST", "/v1/nodes/3/actions/remove", `{"wait_for_persistence":true}`)
	if status != http.StatusOK || !strings.Contains(body, `"queued"`) || !strings.Contains(body, "wait_for_persistence has no effect") || !strings.Contains(body, "2 nodes vote then") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := send(t, h, "POST", "/v1/nodes/3/actions/remove", "{}"); status != http.StatusConflict || code(t, body) != cluster.CodeActionRunning {
		t.Errorf("a second time: %d %s", status, body)
	}
	c, _ := public(t, d, apitest.Admin)
	a, err := c.NodeAction(ctx, 3, "remove")
	if err != nil || a.Name != "remove_node" || a.Status != "queued" {
		t.Errorf("%+v, %v", a, err)
	}
	script := d.Begin(3, cluster.RemoveNode)
	script.Checks()
	script.Remove()
	if a, err = c.Action(ctx, a.TaskID); err != nil || a.Status != "completed" || a.Progress != 100 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := c.Node(ctx, 3); cluster.CodeOf(err) != cluster.CodeNodeNotFound {
		t.Errorf("the node is gone: %v", err)
	}
	if _, err := c.StartMaintenance(ctx, 3, cluster.MaintenanceOn, api.MaintenanceRequest{}); cluster.CodeOf(err) != cluster.CodeNodeNotFound {
		t.Errorf("the node is gone: %v", err)
	}
}

func TestRemoveNodeIsAnAdminsAlone(t *testing.T) {
	d := apitest.Cluster()
	viewer, _ := public(t, d, apitest.Viewer)
	if _, err := viewer.StartMaintenance(ctx, 3, cluster.RemoveNode, api.MaintenanceRequest{}); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Error(err)
	}
}

func TestRemoveNodeTakesNoOptionsOfOthers(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	status, body := send(t, h, "POST", "/v1/nodes/3/actions/remove", `{"snapshot_name":"a","wait_for_persistence":"yes"}`)
	if status != http.StatusBadRequest {
		t.Errorf("%d %s", status, body)
	}
}
