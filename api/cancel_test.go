package api_test

import (
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestCancelOfAQueuedAction(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	queued, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.EndAction(ctx, 2, cluster.MaintenanceOn); err != nil {
		t.Fatal(err)
	}
	a, err := c.Action(ctx, queued.TaskID)
	if err != nil || a.Status != "cancelled" || a.ErrorCode != "cancelled" || a.ErrorMessage != "maintenance_on was cancelled by "+apitest.Admin {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestCancelOfARunningAction(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", "")
	script := d.Begin(2, cluster.MaintenanceOn)
	script.Checks()
	script.Snapshot("s")
	script.Close()
	for range 2 { // the same request sent twice
		status, body := send(t, h, "DELETE", "/v1/nodes/2/actions/maintenance_on", "")
		golden(t, "cancel", body)
		if status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
	c, _ := public(t, d, apitest.Admin)
	if a, err := c.NodeAction(ctx, 2, cluster.MaintenanceOn); err != nil || a.Status != api.StatusCancelling {
		t.Errorf("%+v, %v", a, err)
	}
	script.EndCancel(cluster.Proof{Exact: true, Compared: 7})
	a, err := c.NodeAction(ctx, 2, cluster.MaintenanceOn)
	if err != nil || a.Status != "cancelled" || a.Proof == nil || !a.Proof.Exact {
		t.Errorf("%+v, %v", a, err)
	}
	if n, err := c.Node(ctx, 2); err != nil || n.Maintenance != nil || !n.AcceptServers {
		t.Errorf("%+v, %v", n, err)
	}
	if err := c.CancelAction(ctx, a.TaskID); err != nil { // its status is forgotten
		t.Error(err)
	}
	if err := c.CancelAction(ctx, a.TaskID); cluster.CodeOf(err) != cluster.CodeActionNotFound {
		t.Errorf("gone: %v", err)
	}
	viewer, _ := public(t, d, apitest.Viewer)
	if err := viewer.CancelAction(ctx, a.TaskID); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("a viewer: %v", err)
	}
}
