package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
)

// FuzzEveryBody sends what it makes up to every route that reads a body. What
// does not fit is refused, and never a fault of the server's.
func FuzzEveryBody(f *testing.F) {
	for _, s := range []string{
		"", "{}", "[", "\xff", `{"\u0000":1}`, `{"shard_uids":["1",2],"target_node_uid":"3","preserve_roles":true,"dry_run":false}`,
		`{"shard_uids":[{}],"dead_nodes":[],"immediate":true}`, `{"email":"a@b","password":"long enough","role":"none","role_uids":[6]}`,
		`{"name":"x","management":"none"}`, `{"username":"x@y","password":"p","ttl":1e3}`, `{"old_password":"a","new_password":"b"}`,
		`{"password_min_length":9,"password_complexity":false}`, `{"login_lockout_threshold":1e99}`, `{"node_uid":"99999999999999999999"}`,
		`{"cluster":{"name":"c","nodes":["h"]},"credentials":{"username":"a","password":"b"},"node":{"limits":{"max_listeners":1}}}`,
		`{"name":"x","memory_size":1e9}`, `{"evict_dbs":["db:1"],"for":"1h","until":"2030-01-01T00:00:00Z","idempotency_key":"k"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		d := apitest.Cluster()
		h := server(d).Public()
		for _, pattern := range api.Patterns() {
			method, path, _ := strings.Cut(pattern, " ")
			if method == http.MethodGet || pattern == "POST /v1/join" { // a join is the daemons' own affair
				continue
			}
			for _, action := range []string{"maintenance_on", "maintenance_off", "snapshot_restore", "remove"} {
				at := strings.NewReplacer("{uid}", "2", "{task}", "x", "{name}", "x", "{action}", action).Replace(path)
				if status, answer := send(t, h, method, at, body); status >= 500 && status != http.StatusNotImplemented {
					t.Errorf("%s %s: %d %s", method, at, status, answer)
				}
				if !strings.Contains(path, "{action}") {
					break
				}
			}
		}
	})
}
