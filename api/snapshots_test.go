package api_test

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestSnapshotsByHand(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	made, err := c.CreateSnapshot(ctx, 2, "before")
	if err != nil || made.Name != "before" || made.Node != 2 || !made.Created.Equal(apitest.Start) {
		t.Fatalf("%+v, %v", made, err)
	}
	if s := d.View().Snapshots[cluster.SnapshotID{Node: 2, Name: "before"}]; len(s.Shards) != 4 || s.Maintenance {
		t.Errorf("%+v", s)
	}
	if _, err := c.CreateSnapshot(ctx, 2, "before"); cluster.CodeOf(err) != cluster.CodeNameTaken {
		t.Errorf("twice: %v", err)
	}
	if list, err := c.Snapshots(ctx, 2); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if gone, err := c.DeleteSnapshot(ctx, 2, "before"); err != nil || gone.Name != "before" {
		t.Errorf("%+v, %v", gone, err)
	}
	if _, err := c.DeleteSnapshot(ctx, 2, "before"); cluster.CodeOf(err) != cluster.CodeSnapshotNotFound {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestMaintenanceSnapshotsAreProtected(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", "")
	script := d.Begin(2, cluster.MaintenanceOn)
	script.Checks()
	script.Snapshot("maintenance_mode_2024-01-11_20-25-37")
	status, body := send(t, h, "DELETE", "/v1/nodes/2/snapshots/maintenance_mode_2024-01-11_20-25-37", "")
	if status != 403 || code(t, body) != cluster.CodeSnapshotProtected {
		t.Errorf("%d %s", status, body)
	}
}

func TestSnapshotFaults(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/nodes/9/snapshots", `{"name":"x"}`, 404},
		{"POST", "/v1/nodes/2/snapshots", `{}`, 400},
		{"POST", "/v1/nodes/2/snapshots", `{"name":7}`, 400},
		{"POST", "/v1/nodes/2/snapshots", `{"name":"a/b"}`, 400},
		{"POST", "/v1/nodes/2/snapshots", `{"name":"x","data":true}`, 400},
		{"DELETE", "/v1/nodes/9/snapshots/x", "", 404},
		{"DELETE", "/v1/nodes/2/snapshots/x", "", 404},
	} {
		if status, body := send(t, h, c.method, c.path, c.body); status != c.want {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, body)
		}
	}
}

func TestRestoreIsAnAction(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	if _, err := c.CreateSnapshot(ctx, 2, "before"); err != nil {
		t.Fatal(err)
	}
	dry, err := c.DryRun(ctx, 2, cluster.SnapshotRestore, api.MaintenanceRequest{SnapshotName: "before"})
	if err != nil || !dry.EndsWell || dry.Outcome != "node:2 would be restored exactly" {
		t.Errorf("%+v, %v", dry, err)
	}
	dry, err = c.DryRun(ctx, 2, cluster.SnapshotRestore, api.MaintenanceRequest{})
	if err != nil || dry.EndsWell || !strings.Contains(dry.Against[0], "was not named") {
		t.Errorf("without a name: %+v, %v", dry, err)
	}
	if _, err := c.StartMaintenance(ctx, 2, cluster.SnapshotRestore, api.MaintenanceRequest{SnapshotName: "before"}); err != nil {
		t.Fatal(err)
	}
	script := d.Begin(2, cluster.SnapshotRestore)
	script.Checks()
	script.Keep("before")
	script.CompleteRestore(cluster.Proof{Exact: true, Compared: 8})
	a, err := c.NodeAction(ctx, 2, cluster.SnapshotRestore)
	if err != nil || a.Status != "completed" || a.Proof == nil || !a.Proof.Exact || a.Snapshot.Name != "before" {
		t.Errorf("%+v, %v", a, err)
	}
}
