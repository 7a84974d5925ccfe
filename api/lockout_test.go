package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func try(t *testing.T, h http.Handler, email, password string) cluster.Code {
	t.Helper()
	status, body := as(t, h, basic(email, password), "GET", "/v1/cluster", "")
	if status == http.StatusOK {
		return ""
	}
	if status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
	return code(t, body)
}

func TestLockout(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	root, viewer := apitest.Admin, apitest.Viewer
	if status, body := send(t, h, "PUT", "/v1/cluster/policy", `{"login_lockout_threshold":2,"login_lockout_duration":600,"login_lockout_counter_reset_after":60}`); status != 200 {
		t.Fatal(body)
	}
	fail := func(who string) {
		t.Helper()
		if got := try(t, h, who, "wrong"); got != cluster.CodeUnauthorized {
			t.Fatalf("a wrong password of %s: %q", who, got)
		}
	}
	is := func(who string, want cluster.Code) {
		t.Helper()
		if got := try(t, h, who, apitest.Password); got != want {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
	}
	fail(viewer)
	is(viewer, "") // a good one starts anew
	fail(viewer)
	d.Pass(time.Minute) // and so does time
	fail(viewer)
	is(viewer, "")
	fail(viewer)
	fail(strings.ToUpper(viewer))
	is(viewer, cluster.CodeLoginLocked)
	is(root, "")
	if _, body := send(t, h, "GET", "/v1/users/2", ""); !strings.Contains(body, `"status":"locked"`) {
		t.Error(body)
	}
	fail("nobody@example.com")
	fail("nobody@example.com")
	is("nobody@example.com", cluster.CodeLoginLocked) // who is locked does not tell who exists
	d.Pass(599 * time.Second)
	is(viewer, cluster.CodeLoginLocked)
	d.Pass(time.Second)
	is(viewer, "")

	fail(viewer)
	fail(viewer)
	if status, body := send(t, h, "PUT", "/v1/users/2", `{"password":"another password"}`); status != 200 {
		t.Fatal(body)
	}
	if got := try(t, h, viewer, "another password"); got != "" {
		t.Errorf("after another password was set: %q", got)
	}
	send(t, h, "PUT", "/v1/cluster/policy", `{"login_lockout_threshold":0}`)
	for range 4 {
		fail(viewer)
	}
}

// Passwords are guessed neither by asking for tokens nor with a token.
func TestLockoutEverywhere(t *testing.T) {
	_, h := managed(t)
	send(t, h, "PUT", "/v1/cluster/policy", `{"login_lockout_threshold":2}`)
	status, body := as(t, h, basic(manager, managerPassword), "POST", "/v1/users/authorize", "")
	jwt := "JWT " + accessToken(t, status, body)
	for range 2 {
		as(t, h, jwt, "PUT", "/v1/users/password", `{"old_password":"wrong","new_password":"long enough, too"}`)
	}
	if status, body := as(t, h, "", "POST", "/v1/users/authorize", `{"username":"`+manager+`","password":"`+managerPassword+`"}`); status != 401 || code(t, body) != cluster.CodeLoginLocked {
		t.Errorf("%d %s", status, body)
	}
	if status, body := as(t, h, jwt, "GET", "/v1/users", ""); status != 200 {
		t.Errorf("a lock takes away what was there before it: %d %s", status, body)
	}
}

func TestSettingsOfLockout(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	for body, want := range map[string]int{
		`{"login_lockout_threshold":-1}`: 400, `{"login_lockout_duration":0}`: 400, `{"login_lockout_counter_reset_after":1e9}`: 400,
		`{"login_lockout":1}`: 400, `{"slave_ha":true}`: 400, `{"slave_ha":false,"login_lockout_threshold":1}`: 501, `{"auto_recovery":true}`: 501, `{}`: 400,
		`{"slave_ha":true,"default_shards_placement":"dense","login_lockout_threshold":7}`: 200,
	} {
		if status, answer := send(t, h, "PUT", "/v1/cluster/policy", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	_, all := send(t, h, "GET", "/v1/cluster/policy", "")
	if status, answer := send(t, h, "PUT", "/v1/cluster/policy", all); status != 200 {
		t.Errorf("what GET answers can not be PUT: %d %s", status, answer)
	}
	for body, want := range map[string]int{
		`{"password_min_length":0}`: 400, `{}`: 400, `{"smtp_host":"x"}`: 501, `{"wings":2}`: 400, `{"name":"other","password_min_length":9}`: 501,
	} {
		if status, answer := send(t, h, "PUT", "/v1/cluster", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if status, body := send(t, h, "PUT", "/v1/cluster", `{"client_maint_notifications":false}`); status != 200 || !strings.Contains(body, `"client_maint_notifications":false`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := send(t, h, "PUT", "/v1/cluster?dry_run=true", `{"password_min_length":9}`); status != 200 {
		t.Error(status)
	}
	if _, body := send(t, h, "GET", "/v1/cluster", ""); !strings.Contains(body, `"password_min_length":8`) {
		t.Errorf("a dry run changed something: %s", body)
	}
}
