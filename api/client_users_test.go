package api_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestDatabaseUsers(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	ok := func(method, path, body string) string {
		t.Helper()
		status, answer := send(t, h, method, path, body)
		if status != http.StatusOK {
			t.Fatalf("%s %s %s: %d %s", method, path, body, status, answer)
		}
		return answer
	}
	user := func(text string) (u api.DatabaseUser) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	u := user(ok("PUT", "/v1/bdbs/1/users/app", `{"rules":"~app:*  +@read","password":"the first"}`))
	if want := (api.DatabaseUser{Name: "app", Rules: "~app:* +@read", Passwords: 1, Login: "enabled", Status: "active"}); u != want {
		t.Errorf("%+v", u)
	}
	kept, _ := d.View().Secrets[1].ClientUser("app")
	if first := fmt.Sprintf("%x", sha256.Sum256([]byte("the first"))); !slices.Equal(kept.Hashes, []string{first}) || !slices.Equal(kept.Keeps, []string{"info"}) || !slices.Equal(kept.Lacks, []string{"multi"}) {
		t.Errorf("kept: %+v", kept)
	}
	if u := user(ok("PUT", "/v1/bdbs/1/users/app", `{"further_password":"the second","login":"disabled"}`)); u.Passwords != 2 || u.Login != "disabled" || u.Rules != "~app:* +@read" {
		t.Errorf("%+v", u)
	}
	if u := user(ok("PUT", "/v1/bdbs/1/users/app", `{"password":"the second"}`)); u.Passwords != 1 || u.NoPass {
		t.Errorf("%+v", u)
	}
	if u := user(ok("PUT", "/v1/bdbs/1/users/app", `{"nopass":true,"login":"enabled"}`)); u.Passwords != 0 || !u.NoPass {
		t.Errorf("%+v", u)
	}
	ok("PUT", "/v1/bdbs/1/users/default", `{"login":"disabled"}`)
	list := ok("GET", "/v1/bdbs/1/users", "")
	golden(t, "bdb_users", list)
	for _, secret := range append([]string{"the first", "the second", apitest.DatabaseSecret, "hash"}, kept.Hashes...) {
		if strings.Contains(list, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	if s := d.View().Secrets[1]; !s.NoDefault {
		t.Error("the default user is not disabled")
	}
	ok("DELETE", "/v1/bdbs/1/users/app", "")
	if len(d.View().Secrets[1].Users) > 0 {
		t.Error("the user is still there")
	}
}

func TestDatabaseUserRefusals(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	if status, body := send(t, h, "PUT", "/v1/bdbs/1/users/app", `{"rules":"+@all","password":"one"}`); status != http.StatusOK {
		t.Fatal(body)
	}
	before := d.View().Revision
	for request, want := range map[string]struct {
		status int
		code   cluster.Code
		says   string
	}{
		`new {"rules":"+@read"}`:                              {400, cluster.CodeBadRequest, "has no password"},
		`new {"nopass":true}`:                                 {400, cluster.CodeBadRequest, "has no rules"},
		`new {"rules":"+nosuchcommand","nopass":true}`:        {406, cluster.CodeInvalidRules, "+nosuchcommand"},
		`new {"rules":"on >geheim","nopass":true}`:            {406, cluster.CodeInvalidRules, "hold a password"},
		`new {"rules":"+@all (+get ~x)","nopass":true}`:       {406, cluster.CodeInvalidRules, "selectors"},
		`new {"rules":"skip-sanitize-payload","nopass":true}`: {406, cluster.CodeInvalidRules, "not offered"},
		`agent {"rules":"+@all","nopass":true}`:               {409, cluster.CodeNameTaken, "used by the cluster itself"},
		`a:b {"rules":"+@all","nopass":true}`:                 {400, cluster.CodeBadRequest, "can not be the name"},
		`app {}`:                                              {400, cluster.CodeBadRequest, "nothing to change"},
		`app {"password":""}`:                                 {400, cluster.CodeBadRequest, "the password can not be used"},
		`app {"password":"x","nopass":true}`:                  {400, cluster.CodeBadRequest, "contradict"},
		`app {"login":"maybe"}`:                               {400, cluster.CodeBadRequest, "login can not be"},
		`app {"further_password":"one"}`:                      {400, cluster.CodePasswordSame, "already"},
		`app {"hashes":["x"]}`:                                {400, cluster.CodeBadRequest, "there is no field hashes"},
		`default {"rules":"+@read"}`:                          {400, cluster.CodeBadRequest, "only that can be changed"},
	} {
		name, body, _ := strings.Cut(request, " ")
		status, answer := send(t, h, "PUT", "/v1/bdbs/1/users/"+name, body)
		if status != want.status || code(t, answer) != want.code || !strings.Contains(answer, want.says) || strings.Contains(answer, "geheim") {
			t.Errorf("%s: %d %s", request, status, answer)
		}
	}
	for _, path := range []string{"/v1/bdbs/1/users/nobody", "/v1/bdbs/1/users/default", "/v1/bdbs/9/users/app"} {
		if status, answer := send(t, h, "DELETE", path, ""); status < 400 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if now := d.View().Revision; now != before {
		t.Errorf("revision %d became %d", before, now)
	}
}
