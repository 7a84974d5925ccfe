package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// as makes a bare request with the header Authorization, or without one.
func as(t *testing.T, h http.Handler, authorization, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	checked(t, h).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func basic(email, password string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(email, password)
	return r.Header.Get("Authorization")
}

const manager, managerPassword = "um@example.com", "long enough"

// managed is a cluster with a user_manager, who is user 3.
func managed(t *testing.T) (*apitest.Daemon, http.Handler) {
	t.Helper()
	d := apitest.Cluster()
	h := server(d).Public()
	status, body := send(t, h, "POST", "/v1/users", `{"email":"`+manager+`","name":"um","password":"`+managerPassword+`","role":"user_manager"}`)
	if status != http.StatusOK {
		t.Fatal(body)
	}
	return d, h
}

func TestUserLife(t *testing.T) {
	d, h := managed(t)
	um := basic(manager, managerPassword)
	status, body := as(t, h, um, "POST", "/v1/users", `{"email":"dev@example.com","password":"first password","role_uids":["4"],"email_alerts":false,"bdbs_email_alerts":[],"auth_method":"regular"}`)
	var made api.User
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusOK || made.UID != 4 || made.Name != "dev@example.com" || made.Role != "db_member" || made.Status != "active" {
		t.Fatalf("%d %s", status, body)
	}
	dev := basic("Dev@example.com", "first password")
	for _, request := range []string{"GET /v1/users/4", "GET /v1/bdbs", "DELETE /v1/bdbs/3"} {
		method, path, _ := strings.Cut(request, " ")
		if status, body := as(t, h, dev, method, path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", request, status, body)
		}
	}
	if status, body := as(t, h, dev, "PUT", "/v1/users/4", `{"name":"Dev","password":"second password"}`); status != http.StatusOK || strings.Contains(body, "password_hash") {
		t.Errorf("its own name and password: %d %s", status, body)
	}
	if status, _ := as(t, h, dev, "GET", "/v1/bdbs", ""); status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", status)
	}
	dev = basic("dev@example.com", "second password")
	for body, want := range map[string]struct {
		status int
		code   cluster.Code
	}{
		`{"role":"db_viewer"}`:           {403, cluster.CodeForbidden},
		`{"email":"x@y"}`:                {403, cluster.CodeForbidden},
		`{"password":"second password"}`: {400, cluster.CodePasswordSame},
		`{"password":"short"}`:           {400, cluster.CodePasswordSimple},
		`{"email_alerts":true}`:          {501, cluster.CodeUnsupported},
		`{"colour":"blue"}`:              {400, cluster.CodeBadRequest},
		`{}`:                             {400, cluster.CodeBadRequest},
	} {
		if status, answer := as(t, h, dev, "PUT", "/v1/users/4", body); status != want.status || code(t, answer) != want.code {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if status, _ := as(t, h, dev, "GET", "/v1/users/1", ""); status != http.StatusForbidden {
		t.Errorf("another user: %d", status)
	}
	if status, body := as(t, h, um, "PUT", "/v1/users/4", `{"role":"none"}`); status != http.StatusOK {
		t.Error(body)
	}
	if status, _ := as(t, h, dev, "GET", "/v1/bdbs", ""); status != http.StatusForbidden {
		t.Errorf("the role none: %d", status)
	}
	if status, body := as(t, h, um, "DELETE", "/v1/users/4", ""); status != http.StatusOK || body != "" {
		t.Error(status, body)
	}
	if status, _ := as(t, h, dev, "GET", "/v1/bdbs", ""); status != http.StatusUnauthorized {
		t.Errorf("a deleted user: %d", status)
	}
	log, _ := d.Log(ctx, time.Time{}, time.Time{}, 0, 0, false)
	if text, _ := json.Marshal(log); strings.Contains(string(text), "second password") || strings.Contains(string(text), "$2a$") {
		t.Errorf("the activity tells a password: %s", text)
	}
}

func TestUserFaults(t *testing.T) {
	_, h := managed(t)
	um, root := basic(manager, managerPassword), basic(apitest.Admin, apitest.Password)
	for name, c := range map[string]struct {
		as, request, body string
		status            int
		code              cluster.Code
	}{
		"everything missing":          {um, "POST /v1/users", `{}`, 400, cluster.CodeBadRequest},
		"no role":                     {um, "POST /v1/users", `{"email":"a@b","password":"long enough"}`, 400, cluster.CodeBadRequest},
		"two roles":                   {um, "POST /v1/users", `{"email":"a@b","password":"long enough","role_uids":[2,3]}`, 501, cluster.CodeUnsupported},
		"roles that differ":           {um, "POST /v1/users", `{"email":"a@b","password":"long enough","role":"none","role_uids":[3]}`, 400, cluster.CodeBadRequest},
		"a strange role":              {um, "POST /v1/users", `{"email":"a@b","password":"long enough","role":"captain"}`, 400, cluster.CodeBadRequest},
		"a short password":            {um, "POST /v1/users", `{"email":"a@b","password":"short","role":"none"}`, 400, cluster.CodePasswordSimple},
		"a long password":             {um, "POST /v1/users", `{"email":"a@b","password":"` + strings.Repeat("x", 73) + `","role":"none"}`, 400, cluster.CodeBadRequest},
		"the e-mail of another":       {um, "POST /v1/users", `{"email":"VIEWER@example.com","password":"long enough","role":"none"}`, 409, cluster.CodeEmailTaken},
		"an admin by a user_manager":  {um, "POST /v1/users", `{"email":"a@b","password":"long enough","role":"admin"}`, 403, cluster.CodeForbidden},
		"its own role to admin":       {um, "PUT /v1/users/3", `{"role":"admin"}`, 403, cluster.CodeForbidden},
		"the password of an admin":    {um, "PUT /v1/users/1", `{"password":"long enough"}`, 403, cluster.CodeForbidden},
		"deleting an admin":           {um, "DELETE /v1/users/1", "", 403, cluster.CodeForbidden},
		"a role made by others":       {um, "POST /v1/roles", `{"name":"x","management":"none"}`, 403, cluster.CodeForbidden},
		"deleting the last admin":     {root, "DELETE /v1/users/1", "", 406, cluster.CodeLastAdmin},
		"demoting the last admin":     {root, "PUT /v1/users/1", `{"role":"cluster_member"}`, 406, cluster.CodeLastAdmin},
		"nobody":                      {root, "PUT /v1/users/99", `{"name":"x"}`, 404, cluster.CodeUserNotFound},
		"nobody deleted":              {root, "DELETE /v1/users/x", "", 404, cluster.CodeUserNotFound},
		"a built-in role":             {root, "PUT /v1/roles/1", `{"name":"Boss"}`, 403, cluster.CodeRoleProtected},
		"a built-in role deleted":     {root, "DELETE /v1/roles/7", "", 403, cluster.CodeRoleProtected},
		"no such role":                {root, "GET /v1/roles/99", "", 404, cluster.CodeRoleNotFound},
		"a role's resources":          {root, "POST /v1/roles", `{"name":"x","management":"none","resources":[{"type":"db","uids":["1"]}]}`, 501, cluster.CodeUnsupported},
		"a role without a management": {root, "POST /v1/roles", `{"name":"x"}`, 400, cluster.CodeBadRequest},
		"nothing to change":           {root, "PUT /v1/roles/1", `{}`, 400, cluster.CodeBadRequest},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		if status, body := as(t, h, c.as, method, path, c.body); status != c.status || code(t, body) != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, c.status, c.code)
		}
	}
}

func TestRoleLife(t *testing.T) {
	_, h := managed(t)
	if status, body := send(t, h, "POST", "/v1/roles", `{"name":"dba","management":"db_member"}`); status != 200 || body != `{"uid":8,"name":"dba","management":"db_member"}`+"\n" {
		t.Fatal(status, body)
	}
	if status, body := send(t, h, "PUT", "/v1/users/2", `{"role_uids":[8]}`); status != 200 || !strings.Contains(body, `"role":"db_member","role_uids":[8]`) {
		t.Fatal(status, body)
	}
	viewer := basic(apitest.Viewer, apitest.Password)
	if status, body := as(t, h, viewer, "DELETE", "/v1/bdbs/3", ""); status != 200 {
		t.Errorf("what the role allows: %d %s", status, body)
	}
	if status, body := send(t, h, "PUT", "/v1/roles/8", `{"management":"none"}`); status != 200 {
		t.Error(body)
	}
	if status, _ := as(t, h, viewer, "GET", "/v1/bdbs", ""); status != 403 {
		t.Errorf("what the role no longer allows: %d", status)
	}
	if status, body := send(t, h, "DELETE", "/v1/roles/8", ""); status != 406 || code(t, body) != cluster.CodeRoleInUse {
		t.Errorf("a role in use: %d %s", status, body)
	}
	send(t, h, "PUT", "/v1/users/2", `{"role":"db_viewer"}`)
	if status, body := send(t, h, "DELETE", "/v1/roles/8", ""); status != 200 {
		t.Error(status, body)
	}
	_, body := send(t, h, "GET", "/v1/roles", "")
	golden(t, "roles", body)
}

func TestOwnPasswords(t *testing.T) {
	d, h := managed(t)
	um := basic(manager, managerPassword)
	change := func(method, body string) (int, cluster.Code) {
		status, answer := as(t, h, um, method, "/v1/users/password", body)
		if status == http.StatusOK {
			return status, ""
		}
		return status, code(t, answer)
	}
	good := func(password string) bool {
		status, _ := as(t, h, basic(manager, password), "GET", "/v1/users/3", "")
		return status == http.StatusOK
	}
	if status, c := change("POST", `{"old_password":"long enough","new_password":"the next one"}`); status != 200 || !good("the next one") || !good("long enough") {
		t.Errorf("adding: %d %s", status, c)
	}
	for name, refused := range map[string]struct {
		method, body string
		status       int
		code         cluster.Code
	}{
		"a third":            {"POST", `{"old_password":"long enough","new_password":"a third one"}`, 406, cluster.CodeTooManyPasswords},
		"the same":           {"PUT", `{"old_password":"long enough","new_password":"the next one"}`, 400, cluster.CodePasswordSame},
		"a wrong one":        {"PUT", `{"old_password":"wrong","new_password":"another one"}`, 403, cluster.CodeNotYours},
		"somebody else's":    {"PUT", `{"username":"admin@example.com","old_password":"long enough","new_password":"another one"}`, 403, cluster.CodeNotYours},
		"no old password":    {"PUT", `{"new_password":"another one"}`, 400, cluster.CodeBadRequest},
		"no new password":    {"PUT", `{"old_password":"long enough"}`, 400, cluster.CodeBadRequest},
		"new with a removal": {"DELETE", `{"old_password":"long enough","new_password":"x"}`, 400, cluster.CodeBadRequest},
	} {
		if status, c := change(refused.method, refused.body); status != refused.status || c != refused.code {
			t.Errorf("%s: %d %s", name, status, c)
		}
	}
	if status, c := change("DELETE", `{"old_password":"the next one"}`); status != 200 || good("the next one") || !good("long enough") {
		t.Errorf("removing: %d %s", status, c)
	}
	if status, c := change("DELETE", `{"old_password":"long enough"}`); status != 406 || c != cluster.CodeLastPassword {
		t.Errorf("the last one: %d %s", status, c)
	}
	if status, c := change("PUT", `{"username":"UM@example.com","old_password":"long enough","new_password":"another one"}`); status != 200 || good("long enough") || !good("another one") {
		t.Errorf("replacing: %d %s", status, c)
	}
	if _, err := socket(t, d).User(ctx, 3); err != nil {
		t.Error(err)
	}
	if err := socket(t, d).Do(ctx, "PUT", "/v1/users/password", api.ChangePassword{Old: "x", New: "long enough"}, nil); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("the operator at the socket has no password: %v", err)
	}
}

func TestPasswordComplexity(t *testing.T) {
	_, h := managed(t)
	if status, body := send(t, h, "PUT", "/v1/cluster", `{"password_complexity":true,"password_min_length":10}`); status != 200 || !strings.Contains(body, `"password_complexity":true`) {
		t.Fatal(status, body)
	}
	for password, good := range map[string]bool{
		"Correct-horse-7": true, "correct-horse-7": false, "CORRECT-HORSE-7": false, "Correct-horse-x": false, "CorrectHorse7": false,
		"Coooorrect-h-7": false, "Viewer-Horse-7": false, "Reweiv-horse-7": false, "Co-horse7": false,
	} {
		text, _ := json.Marshal(map[string]string{"password": password})
		status, body := send(t, h, "PUT", "/v1/users/2", string(text))
		if (status == 200) != good || !good && code(t, body) != cluster.CodePasswordSimple {
			t.Errorf("%s: %d %s", password, status, body)
		}
	}
}

// A user_manager who may not change an admin must not learn an admin's password
// by asking for one after the other, nor one of any other user's.
func TestPasswordsOfOthersAreNotGuessed(t *testing.T) {
	_, h := managed(t)
	um := basic(manager, managerPassword)
	for _, guess := range []string{apitest.Password, "not the password", "x"} {
		status, answer := as(t, h, um, "PUT", "/v1/users/1", `{"password":"`+guess+`"}`)
		if status != http.StatusForbidden || code(t, answer) != cluster.CodeForbidden || strings.Contains(answer, string(cluster.CodePasswordSame)) {
			t.Errorf("%s: %d %s", guess, status, answer)
		}
	}
	for range 2 {
		if status, answer := as(t, h, um, "PUT", "/v1/users/2", `{"password":"the same of another"}`); status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
	}
}

func TestUserFaultsComeAtOnce(t *testing.T) {
	_, h := managed(t)
	um := basic(manager, managerPassword)
	for request, want := range map[string][]string{
		`POST /v1/users {"email":"no e-mail","password":"x","role":"captain","colour":"blue"}`: {
			`"no e-mail" can not be an e-mail`, "role can not be", "no field colour", "fewer than"},
		`POST /v1/users {}`: {"can not be an e-mail", "needs a password", "needs a role"},
		`PUT /v1/users/2 {"email":"` + manager + `","password":"x","role":"captain"}`: {
			"belongs to user 3", "role can not be", "fewer than"},
	} {
		line, body, _ := strings.Cut(request, " {")
		method, path, _ := strings.Cut(line, " ")
		_, answer := as(t, h, um, method, path, "{"+body)
		all := strings.Join(blockers(t, answer), "\n")
		for _, sentence := range want {
			if !strings.Contains(all, sentence) {
				t.Errorf("%s: %q is missing in\n%s", request, sentence, all)
			}
		}
	}
	_, answer := send(t, h, "PUT", "/v1/bdbs/1", `{"proxy_policy":"round","tls_mode":"perhaps","colour":"blue"}`)
	if all := blockers(t, answer); len(all) != 3 {
		t.Errorf("db:1: %q", all)
	}
}
