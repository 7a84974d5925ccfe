package api_test

import (
	"encoding/json"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestIdempotencyKey(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	on := func(key string) api.Queued {
		t.Helper()
		q, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{Idempotency: key})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	off := func(key string) api.Queued {
		t.Helper()
		q, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOff, api.MaintenanceRequest{Idempotency: key})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	complete := func() {
		t.Helper()
		script := d.Begin(2, cluster.MaintenanceOn)
		script.Checks()
		if d.View().Nodes[2].Maintenance == nil {
			script.Snapshot("s")
		} else {
			script.Keep("s")
		}
		script.Close()
		script.Plan()
		script.CompleteOn()
	}
	first := on("patch")
	if again := on("patch"); again.TaskID != first.TaskID || again.Status != "queued" {
		t.Errorf("while it runs: %+v, first %+v", again, first)
	}
	if _, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{Idempotency: "patch", DemoteNode: true}); cluster.CodeOf(err) != cluster.CodeKeyUsed {
		t.Errorf("other options: %v", err)
	}
	if _, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{Idempotency: "other"}); cluster.CodeOf(err) != cluster.CodeActionRunning {
		t.Errorf("another key: %v", err)
	}
	complete()
	if again := on("patch"); again.TaskID != first.TaskID || again.Status != "completed" {
		t.Errorf("when it is done: %+v", again)
	}
	on("disk")
	complete()
	if holds := d.View().Nodes[2].Maintenance.Holds; len(holds) != 2 {
		t.Fatalf("another key is another hold: %+v", holds)
	}

	gone := off("back")
	script := d.Begin(2, cluster.MaintenanceOff)
	script.Checks()
	holds := d.View().Nodes[2].Maintenance.Holds
	d.Apply(cluster.ReleaseHold{At: d.View().Now, Action: gone.TaskID, Hold: holds[1].ID})
	if again := off("back"); again.TaskID != gone.TaskID {
		t.Errorf("a second hold would be released: %+v", again)
	}
	d.Pass(1e9)
	third := on("disk")
	if third.TaskID == first.TaskID {
		t.Error("what was undone is not asked for anew")
	}
	complete()
	if again := off("back"); again.TaskID == gone.TaskID {
		t.Errorf("a way back before the way out: %+v", again)
	}
}

// An empty list is none, also where the request of before comes from the store.
func TestIdempotencyKeyWithAnEmptyList(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	var first, again api.Queued
	_, body := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", `{"idempotency_key":"patch"}`)
	_ = json.Unmarshal([]byte(body), &first)
	status, body := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", `{"idempotency_key":"patch","ignore_check":[],"evict_dbs":[]}`)
	_ = json.Unmarshal([]byte(body), &again)
	if status != 200 || first.TaskID == "" || again.TaskID != first.TaskID {
		t.Errorf("%d %s", status, body)
	}
}

// Of two requests with one key that come at the same moment one takes effect, however soon
// what it asked for is done.
func TestIdempotencyKeyTwiceAtOnce(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	on := func() api.Queued {
		t.Helper()
		q, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{Idempotency: "patch"})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	var first api.Queued
	d.Before = func() {
		first = on()
		script := d.Begin(2, cluster.MaintenanceOn)
		script.Checks()
		script.Snapshot("s")
		script.Close()
		script.Plan()
		script.CompleteOn()
	}
	if second := on(); second.TaskID != first.TaskID || second.Status != "completed" {
		t.Errorf("%+v, first %+v", second, first)
	}
}

func TestIdempotencyKeyFaults(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	for body, want := range map[string]int{`{"idempotency_key":""}`: 400, `{"idempotency_key":7}`: 400} {
		if status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

func TestCancellingIsAStatus(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	q, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d.Begin(2, cluster.MaintenanceOn).Checks()
	if err := c.CancelAction(ctx, q.TaskID); err != nil {
		t.Fatal(err)
	}
	if a, err := c.Action(ctx, q.TaskID); err != nil || a.Status != api.StatusCancelling || a.Over() {
		t.Errorf("%+v, %v", a, err)
	}
	var tasks []api.Task
	if err := c.Do(ctx, "GET", "/v2/actions", nil, &tasks); err != nil || len(tasks) != 1 || tasks[0].Status != "running" || tasks[0].Info.ObjectUID != "2" {
		t.Errorf("%+v, %v", tasks, err)
	}
	var task api.Task
	if err := c.Do(ctx, "GET", "/v2/actions/"+q.TaskID, nil, &task); err != nil || task.ActionUID != q.TaskID {
		t.Errorf("%+v, %v", task, err)
	}
	d.Apply(cluster.FailAction{At: apitest.Start, Action: q.TaskID, Status: cluster.ActionCancelled, Error: cluster.Refuse(cluster.CodeCancelled, "", "cancelled")})
	if err := c.Do(ctx, "GET", "/v2/actions/"+q.TaskID, nil, &task); err != nil || task.Status != "failed" {
		t.Errorf("%+v, %v", task, err)
	}
}
