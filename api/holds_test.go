package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestHoldsHaveAnEnd(t *testing.T) {
	for body, want := range map[string]time.Time{
		`{"for":"2h","cause":"patching"}`:       apitest.Start.Add(2 * time.Hour),
		`{"until":"2024-01-12T08:00:00+02:00"}`: time.Date(2024, 1, 12, 6, 0, 0, 0, time.UTC),
	} {
		d := apitest.Cluster()
		h := server(d).Public()
		if status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", body); status != 200 {
			t.Fatal(answer)
		}
		script := d.Begin(2, cluster.MaintenanceOn)
		script.Checks()
		script.Snapshot("s")
		script.Close()
		hold := func() api.Hold {
			_, answer := send(t, h, "GET", "/v1/nodes/2", "")
			var n api.NodeObject
			if err := json.Unmarshal([]byte(answer), &n); err != nil || n.Maintenance == nil || len(n.Maintenance.Holds) != 1 {
				t.Fatal(answer)
			}
			return n.Maintenance.Holds[0]
		}
		if got := hold(); !got.Until.Equal(want) || got.Overdue {
			t.Errorf("%s: %+v", body, got)
		}
		d.Pass(24 * time.Hour)
		if got := hold(); !got.Overdue {
			t.Errorf("%s: a day later %+v", body, got)
		}
	}
}

func TestWhatHasNoEffectIsExplained(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	for _, query := range []string{"?dry_run=true", ""} {
		_, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on"+query, `{"evict_active_active_replica":true}`)
		if !strings.Contains(answer, `"notes":["evict_active_active_replica has no effect: there are no Active-Active databases here"]`) {
			t.Errorf("%q: %s", query, answer)
		}
	}
}

// A number may be the id of one database and the name of another.
func TestEvictedDatabasesAreNamedClearly(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	if _, err := c.CreateDatabase(ctx, api.CreateDatabase{Name: "2", MemorySize: 100 << 20}); err != nil {
		t.Fatal(err)
	}
	_, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{EvictDatabases: []string{"2"}})
	if cluster.CodeOf(err) != cluster.CodeBadRequest || !strings.Contains(err.Error(), "write db:2 or db:4") {
		t.Errorf("%v", err)
	}
}
