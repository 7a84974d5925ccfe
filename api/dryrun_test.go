package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestDryRunTouchesNothing(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	before := d.View().Revision
	for path, body := range map[string]string{
		"/v1/nodes/2/actions/maintenance_on?dry_run=true": "",
		"/v1/nodes/2/actions/maintenance_on":              `{"dry_run":true}`,
	} {
		status, answer := send(t, h, "POST", path, body)
		var dry api.DryRun
		if err := json.Unmarshal([]byte(answer), &dry); err != nil || status != http.StatusOK {
			t.Fatal(status, answer)
		}
		if !dry.DryRun || !dry.EndsWell || len(dry.Moves) == 0 || dry.Moves[0].Reason == "" || len(dry.Checks) < 5 || dry.Outcome != "node:2 would be safe to shut down" {
			t.Errorf("%s %s: %s", path, body, answer)
		}
	}
	_, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on?dry_run=true", "")
	golden(t, "dry_run", answer)
	if d.View().Revision != before {
		t.Error("a dry run changed the board")
	}
}

func TestDryRunNamesTheChecksThatRefuse(t *testing.T) {
	d := apitest.Cluster()
	d.SetAlive(3, false)
	c, _ := public(t, d, apitest.Admin)
	dry, err := c.DryRun(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{})
	if err != nil || dry.EndsWell {
		t.Fatalf("%+v, %v", dry, err)
	}
	for _, check := range dry.Checks {
		if check.Name == "quorum" && (check.Passed || check.ErrorCode != "quorum_would_be_lost" || check.ErrorHint == "") {
			t.Errorf("%+v", check)
		}
	}
	if !strings.HasSuffix(dry.Outcome, "would be refused, and nothing be touched") {
		t.Error(dry.Outcome)
	}
}

func TestDryRunIsAskedForInWords(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	if _, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on?dry_run", ""); !strings.Contains(answer, `"dry_run":true`) {
		t.Errorf("the bare name: %s", answer)
	}
	for query, want := range map[string]int{"?dry_run=yes": 400, "?dry_run": 200, "?dry_run=true&wet_run=true": 501, "?dry_run=false": 200} {
		if status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on"+query, ""); status != want {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
}

// Parameters that can not be read are not taken for none: one of them may be dry_run.
func TestUnreadableParametersTouchNothing(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	for _, query := range []string{"?dry_run=true;x=1", "?dry_run;", "?dry_run=%zz", "?%zz=1"} {
		if status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on"+query, ""); status != 400 || code(t, answer) != cluster.CodeBadRequest {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
	if n := len(d.View().Actions); n != 0 {
		t.Errorf("%d actions were begun", n)
	}
}
