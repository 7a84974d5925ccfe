package api_test

import (
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
)

func TestVerify(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	_, body := send(t, h, "GET", "/v1/nodes/2/maintenance/verify", "")
	golden(t, "verify", body)
	if status, body := send(t, h, "GET", "/v1/nodes/9/maintenance/verify", ""); status != 404 {
		t.Errorf("%d %s", status, body)
	}
	c, _ := public(t, d, apitest.Viewer)
	if v, err := c.Verify(ctx, 2); err != nil || v.Safe || v.InMaintenance {
		t.Errorf("a viewer: %+v, %v", v, err)
	}
	d.Forward(nil)
	if status, body := send(t, h, "GET", "/v1/nodes/2/maintenance/verify", ""); status != 503 {
		t.Errorf("without a leader: %d %s", status, body)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]string{"90s": "1m30s", "2h": "2h0m0s", "3d": "72h0m0s", "1h30m": "1h30m0s", "0s": "", "-1h": "", "5": "", "d": "", "-3d": "", "99999999d": "", "1d12h": ""} {
		d, err := api.ParseDuration(text)
		if (err != nil) != (want == "") || err == nil && d.String() != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
}
