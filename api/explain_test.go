package api_test

import (
	"net/http"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestExplain(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	for name, path := range map[string]string{"explain_shard": "/v1/shards/7/explain", "explain_node": "/v1/nodes/3/explain"} {
		status, body := send(t, h, "GET", path, "")
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		golden(t, name, body)
	}
	for path, want := range map[string]cluster.Code{"/v1/shards/99/explain": cluster.CodeShardNotFound, "/v1/nodes/9/explain": cluster.CodeNodeNotFound} {
		if status, body := send(t, h, "GET", path, ""); status != http.StatusNotFound || code(t, body) != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
