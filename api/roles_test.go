package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// Who may use a route, by management.
const (
	everybody  = "admin cluster_member cluster_viewer db_member db_viewer none user_manager"
	allRoles   = "admin cluster_member cluster_viewer db_member db_viewer user_manager"
	logReaders = "admin cluster_member cluster_viewer db_member user_manager"
	builders   = "admin cluster_member db_member"
	managers   = "admin user_manager"
	adminOnly  = "admin"
	credential = "" // no role helps: the credentials are in the request, or nobody's are needed
)

// rights is what the contract says. A route that is not listed fails.
var rights = map[string]string{
	"GET /v1/openapi.json":                    credential,
	"POST /v1/join":                           credential,
	"POST /v1/users/authorize":                credential,
	"GET /v1/jsonschema":                      allRoles,
	"GET /v1/bootstrap":                       allRoles, // in a cluster
	"POST /v1/bootstrap/create_cluster":       "",
	"POST /v1/bootstrap/join_cluster":         "",
	"GET /v1/local/node/master_healthcheck":   allRoles,
	"POST /v1/bootstrap/recover_cluster":      "",
	"POST /v1/local/cluster/backup":           adminOnly,
	"GET /v1/cluster":                         allRoles,
	"PUT /v1/cluster":                         adminOnly,
	"GET /v1/cluster/policy":                  allRoles,
	"PUT /v1/cluster/policy":                  adminOnly,
	"GET /v1/cluster/certificates":            allRoles,
	"PUT /v1/cluster/update_cert":             adminOnly,
	"PUT /v1/bdbs/{uid}":                      builders,
	"POST /v1/cluster/actions/change_master":  adminOnly,
	"POST /v1/cluster/tokens":                 adminOnly,
	"GET /v1/logs":                            logReaders,
	"GET /v4/cluster/health":                  allRoles,
	"GET /v4/db/{uid}/health":                 allRoles,
	"GET /v4/bdb/{uid}/health":                allRoles,
	"GET /v1/users":                           managers,
	"POST /v1/users":                          managers,
	"POST /v1/users/refresh_jwt":              everybody,
	"PUT /v1/users/password":                  everybody,
	"POST /v1/users/password":                 everybody,
	"DELETE /v1/users/password":               everybody,
	"GET /v1/users/{uid}":                     managers, // of others
	"PUT /v1/users/{uid}":                     managers,
	"DELETE /v1/users/{uid}":                  managers,
	"GET /v1/roles":                           managers,
	"POST /v1/roles":                          adminOnly,
	"GET /v1/roles/{uid}":                     managers,
	"PUT /v1/roles/{uid}":                     adminOnly,
	"DELETE /v1/roles/{uid}":                  adminOnly,
	"GET /v1/nodes":                           allRoles,
	"GET /v1/nodes/{uid}":                     allRoles,
	"PUT /v1/nodes/{uid}":                     adminOnly,
	"GET /v1/nodes/status":                    allRoles,
	"GET /v1/nodes/{uid}/status":              allRoles,
	"GET /v1/nodes/{uid}/snapshots":           allRoles,
	"POST /v1/nodes/{uid}/snapshots":          adminOnly,
	"DELETE /v1/nodes/{uid}/snapshots/{name}": adminOnly,
	"GET /v1/nodes/{uid}/explain":             allRoles,
	"GET /v1/shards/{uid}/explain":            allRoles,
	"GET /v1/nodes/{uid}/maintenance/verify":  allRoles,
	"GET /v1/actions":                         allRoles,
	"GET /v1/actions/{task}":                  allRoles,
	"GET /v1/actions/bdb/{uid}":               allRoles,
	"GET /v2/actions":                         allRoles,
	"GET /v2/actions/{task}":                  allRoles,
	"GET /v1/nodes/actions":                   allRoles,
	"GET /v1/nodes/{uid}/actions":             allRoles,
	"GET /v1/nodes/{uid}/actions/{action}":    allRoles,
	"POST /v1/nodes/{uid}/actions/{action}":   adminOnly,
	"DELETE /v1/actions/{task}":               adminOnly,
	"DELETE /v1/nodes/{uid}/actions/{action}": adminOnly,
	"GET /v1/bdbs":                            allRoles,
	"POST /v1/bdbs":                           builders,
	"GET /v1/bdbs/{uid}":                      allRoles,
	"DELETE /v1/bdbs/{uid}":                   builders,
	"GET /v1/bdbs/{uid}/users":                allRoles,
	"PUT /v1/bdbs/{uid}/users/{name}":         builders,
	"DELETE /v1/bdbs/{uid}/users/{name}":      builders,
	"GET /v1/bdbs/{uid}/actions/recover":      allRoles,
	"POST /v1/bdbs/{uid}/actions/recover":     builders,
	"GET /v1/bdbs/{uid}/availability":         allRoles,
	"GET /v1/bdbs/{uid}/shards":               allRoles,
	"GET /v1/shards":                          allRoles,
	"GET /v1/shards/{uid}":                    allRoles,
	"POST /v1/shards/{uid}/actions/failover":  builders,
	"POST /v1/shards/actions/failover":        builders,
	"POST /v1/shards/{uid}/actions/migrate":   builders,
	"POST /v1/shards/actions/migrate":         builders,

	"GET /v1/nodes/{uid}/former_files":           allRoles,
	"DELETE /v1/nodes/{uid}/former_files/{name}": adminOnly,
}

// Every route, asked by every role and by nobody.
func TestRolesOfEveryRoute(t *testing.T) {
	patterns, h := api.Patterns(), server(apitest.Cluster()).Forwarded()
	for pattern := range rights {
		if !slices.Contains(patterns, pattern) {
			t.Errorf("there is no route %s", pattern)
		}
	}
	for _, pattern := range patterns {
		allowed, listed := rights[pattern]
		if !listed {
			t.Errorf("%s: nobody says whose it is", pattern)
			continue
		}
		for _, role := range append(strings.Fields(everybody), "") {
			want := cluster.Code("")
			switch {
			case slices.Contains(strings.Fields(allowed), role) && role != "" || allowed == credential && !strings.Contains(pattern, "bootstrap"):
			case strings.Contains(pattern, "bootstrap/"):
				want = cluster.CodeForbidden // the operator of the node, or the secret
			case role == "":
				want = cluster.CodeUnauthorized
			default:
				want = cluster.CodeForbidden
			}
			if got := asked(t, h, pattern, role); got != want {
				t.Errorf("%s as %q: %q, want %q", pattern, role, got, want)
			}
		}
	}
}

// asked returns the code with which the role is turned away, if it is.
func asked(t *testing.T, h http.Handler, pattern, role string) cluster.Code {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.NewReplacer("/roles/{uid}", "/roles/99", "{uid}", "2", "{action}", "maintenance_on", "{task}", "x", "{name}", "x").Replace(path)
	r := httptest.NewRequest(method, path, nil)
	id := api.Identity{Name: "x", Role: role}
	if role != "" {
		id.User = 1 // a user, but not the one in the path
	}
	id.Stamp(r.Header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 401 && w.Code != 403 || pattern == "POST /v1/join" || pattern == "POST /v1/users/authorize" || strings.HasSuffix(pattern, "refresh_jwt") && role != "" {
		return ""
	}
	return code(t, w.Body.String())
}

// What users may do on their own account, whatever their role.
func TestOwnUserOfEveryRole(t *testing.T) {
	for _, role := range strings.Fields(everybody) {
		d := apitest.Cluster()
		d.SetRole(2, role)
		h, me := server(d).Public(), basic(apitest.Viewer, apitest.Password)
		for _, request := range []string{"GET /v1/users/2", `PUT /v1/users/2 {"name":"Me"}`, `PUT /v1/users/password {"old_password":"correct horse","new_password":"another horse"}`} {
			method, rest, _ := strings.Cut(request, " ")
			path, body, _ := strings.Cut(rest, " ")
			if status, answer := as(t, h, me, method, path, body); status != 200 {
				t.Errorf("%s as %s: %d %s", request, role, status, answer)
			}
		}
	}
}
