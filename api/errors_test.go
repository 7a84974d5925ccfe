package api_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// Every code of the cluster room has its status in the table.
func TestEveryCodeHasAStatus(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../cluster/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !api.Listed(cluster.Code(text)) {
			t.Errorf("%s is not in the table", text)
		}
		return true
	})
	if found < 40 {
		t.Errorf("only %d codes were found", found)
	}
}

func TestErrorsReachTheClient(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	start := func() error {
		_, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{})
		return err
	}

	d.Refuse = cluster.Refusals{
		cluster.Refuse(cluster.CodeQuorumWouldBeLost, "bring node:3 back", "no majority"),
		cluster.Refuse(cluster.CodeInsufficientResources, "", "no space"),
	}
	var all cluster.Refusals
	if err := start(); !errors.As(err, &all) || len(all) != 2 || all[0].Hint != "bring node:3 back" || all[1].Code != cluster.CodeInsufficientResources {
		t.Errorf("blockers became %v", err)
	}

	d.Refuse = errors.New("the password is hunter2")
	err := start()
	if cluster.CodeOf(err) != cluster.CodeInternal || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "request") {
		t.Errorf("an internal error became %v", err)
	}

	d.Refuse = context.DeadlineExceeded
	if err := start(); cluster.CodeOf(err) != cluster.CodeDeadline {
		t.Errorf("a deadline became %v", err)
	}
}

func TestNoRoute(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	for request, want := range map[string]struct {
		status int
		code   cluster.Code
	}{
		"GET /":                                     {404, api.CodeNotFound},
		"GET /v1/nonsense":                          {404, api.CodeNotFound},
		"GET /v1/bdbs/1/nonsense":                   {404, api.CodeNotFound},
		"PATCH /v1/nodes":                           {405, api.CodeMethodNotAllowed},
		"POST /v1/nodes":                            {405, api.CodeMethodNotAllowed},
		"DELETE /v1/shards/1":                       {405, api.CodeMethodNotAllowed},
		"PUT /v1/bdbs/1":                            {400, cluster.CodeBadRequest},
		"POST /v1/cluster":                          {405, api.CodeMethodNotAllowed},
		"PUT /v1/users":                             {405, api.CodeMethodNotAllowed},
		"GET /v1/users/authorize":                   {404, cluster.CodeUserNotFound},
		"GET /v1/roles/99":                          {404, cluster.CodeRoleNotFound},
		"GET /v1/nodes/":                            {404, api.CodeNotFound},
		"GET //v1/nodes":                            {404, api.CodeNotFound},
		"GET /v1/../v1/nodes":                       {404, api.CodeNotFound},
		"GET /v1/license":                           {501, cluster.CodeUnsupported},
		"POST /v1/crdbs":                            {501, cluster.CodeUnsupported},
		"GET /v1/modules":                           {501, cluster.CodeUnsupported},
		"GET /v1/ldap_mappings/1":                   {501, cluster.CodeUnsupported},
		"GET /v1/redis_acls":                        {501, cluster.CodeUnsupported},
		"GET /v1/jsonschema?object=boat":            {406, api.CodeNoSchema},
		"GET /v1/proxies":                           {501, cluster.CodeUnsupported},
		"GET /v1/nodes/alerts/1/x":                  {501, cluster.CodeUnsupported},
		"GET /v1/nodes/alerts":                      {501, cluster.CodeUnsupported},
		"GET /v1/nodes/stats":                       {501, cluster.CodeUnsupported},
		"GET /v1/bdbs/alerts":                       {501, cluster.CodeUnsupported},
		"GET /v1/shards/stats":                      {501, cluster.CodeUnsupported},
		"GET /v4/cluster/certificates":              {501, cluster.CodeUnsupported},
		"POST /v1/shards/3/actions/rebuild":         {501, cluster.CodeUnsupported},
		"POST /v1/nodes/1/actions/explode":          {404, cluster.CodeActionNotFound},
		"POST /v1/nodes/9/actions/maintenance_on":   {404, cluster.CodeNodeNotFound},
		"GET /v1/nodes/one":                         {404, cluster.CodeNodeNotFound},
		"GET /v1/nodes/1/actions/maintenance_on":    {404, cluster.CodeActionNotFound},
		"DELETE /v1/nodes/1/actions/maintenance_on": {404, cluster.CodeActionNotFound},
		"GET /v1/actions/nope":                      {404, cluster.CodeActionNotFound},
		"GET /v1/shards/99":                         {404, cluster.CodeShardNotFound},
		"GET /v1/bdbs/99":                           {404, cluster.CodeDatabaseNotFound},
		"GET /v1/bdbs/99/shards":                    {404, cluster.CodeDatabaseNotFound},
		"GET /v1/bdbs?fields=password":              {400, cluster.CodeBadRequest},
		"GET /v1/bdbs?extended=true":                {501, cluster.CodeUnsupported},
		"DELETE /v1/bdbs/1?dry_run":                 {501, cluster.CodeUnsupported},
		"GET /v1/logs?stime=yesterday":              {400, cluster.CodeBadRequest},
		"GET /v1/logs?limit=-1":                     {400, cluster.CodeBadRequest},
		"GET /v1/logs?order=upward":                 {400, cluster.CodeBadRequest},
	} {
		method, path, _ := strings.Cut(request, " ")
		status, body := send(t, h, method, path, "")
		if got := code(t, body); status != want.status || got != want.code {
			t.Errorf("%s: %d %s, want %d %s", request, status, got, want.status, want.code)
		}
	}
}

func TestOversizedBody(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	status, body := send(t, h, "POST", "/v1/bdbs", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`)
	if status != http.StatusRequestEntityTooLarge || code(t, body) != cluster.CodeTooLarge {
		t.Errorf("%d %s", status, body)
	}
	follower := apitest.Cluster()
	follower.Forward(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the leader was asked") }))
	status, body = send(t, server(follower).Public(), "POST", "/v1/bdbs", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`)
	if status != http.StatusRequestEntityTooLarge || code(t, body) != cluster.CodeTooLarge {
		t.Errorf("a follower: %d %s", status, body)
	}
}
