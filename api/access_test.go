package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func accessToken(t *testing.T, status int, body string) string {
	t.Helper()
	var answer api.AccessToken
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || answer.AccessToken == "" {
		t.Fatalf("%d %s", status, body)
	}
	return answer.AccessToken
}

func TestTokens(t *testing.T) {
	d, h := managed(t)
	um := basic(manager, managerPassword)
	status, body := as(t, h, um, "POST", "/v1/users/authorize", `{"ttl":600}`)
	byHeader := accessToken(t, status, body)
	status, body = as(t, h, "", "POST", "/v1/users/authorize", `{"username":"`+manager+`","password":"`+managerPassword+`"}`)
	byBody := accessToken(t, status, body)

	other := server(d).Public() // another daemon with the same board accepts it
	for name, header := range map[string]string{"JWT": "JWT " + byHeader, "Bearer": "Bearer " + byHeader, "by the body": "jwt " + byBody} {
		if status, body := as(t, other, header, "GET", "/v1/users", ""); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _ := as(t, h, "JWT "+byHeader, "POST", "/v1/bdbs", `{}`); status != 403 {
		t.Errorf("a token gives more than its role: %d", status)
	}
	d.Pass(301 * time.Second)
	if status, _ := as(t, h, "JWT "+byBody, "GET", "/v1/users", ""); status != 401 {
		t.Errorf("an expired token: %d", status)
	}
	status, body = as(t, h, "JWT "+byHeader, "POST", "/v1/users/refresh_jwt", `{"ttl":86400}`)
	refreshed := accessToken(t, status, body)
	d.Pass(3600 * time.Second)
	if status, body := as(t, h, "JWT "+refreshed, "GET", "/v1/users", ""); status != 200 {
		t.Errorf("a refreshed token: %d %s", status, body)
	}
	if status, body := as(t, h, "JWT "+refreshed, "PUT", "/v1/users/3", `{"password":"a thief's own"}`); status != 403 || code(t, body) != cluster.CodeNotYours {
		t.Errorf("a new password by a token: %d %s", status, body)
	}
	if status, body := as(t, h, um, "PUT", "/v1/users/3", `{"password":"another password"}`); status != 200 {
		t.Fatal(body)
	}
	if status, _ := as(t, h, "JWT "+refreshed, "GET", "/v1/users", ""); status != 401 {
		t.Errorf("a token of a password that is gone: %d", status)
	}
}

// A token ends with the password that got it, not with a second one.
func TestTokenOutlivesARotation(t *testing.T) {
	_, h := managed(t)
	um := basic(manager, managerPassword)
	status, body := as(t, h, um, "POST", "/v1/users/authorize", "")
	old := accessToken(t, status, body)
	if status, body := as(t, h, um, "POST", "/v1/users/password", `{"old_password":"`+managerPassword+`","new_password":"the next one"}`); status != 200 {
		t.Fatal(body)
	}
	if status, _ := as(t, h, "JWT "+old, "GET", "/v1/users", ""); status != 200 {
		t.Errorf("while both are good: %d", status)
	}
	if status, body := as(t, h, basic(manager, "the next one"), "DELETE", "/v1/users/password", `{"old_password":"`+managerPassword+`"}`); status != 200 {
		t.Fatal(body)
	}
	if status, _ := as(t, h, "JWT "+old, "GET", "/v1/users", ""); status != 401 {
		t.Errorf("after the rotation: %d", status)
	}
}

func TestForgedTokens(t *testing.T) {
	d, h := managed(t)
	status, body := as(t, h, basic(manager, managerPassword), "POST", "/v1/users/authorize", "")
	good := accessToken(t, status, body)
	parts := strings.Split(good, ".")
	var claims jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(good, &claims); err != nil {
		t.Fatal(err)
	}
	claims["sub"] = "1"
	elevated, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("guessed"))
	unsigned, _ := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	delete(claims, "exp")
	endless, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(apitest.AuthorityKey))
	for name, forged := range map[string]string{
		"empty": "", "words": "a.b.c", "another key": elevated, "no signature": unsigned, "without end": endless,
		"signature cut": parts[0] + "." + parts[1] + ".", "payload of another": parts[0] + "." + strings.Split(elevated, ".")[1] + "." + parts[2],
	} {
		status, body := as(t, h, "JWT "+forged, "GET", "/v1/cluster", "")
		if status != 401 || code(t, body) != cluster.CodeUnauthorized {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	d.Apply(cluster.DeleteUser{At: apitest.Start, User: 3})
	if status, _ := as(t, h, "JWT "+good, "GET", "/v1/cluster", ""); status != 401 {
		t.Errorf("of a user who is gone: %d", status)
	}
}

func TestAuthorizeFaults(t *testing.T) {
	_, h := managed(t)
	um := basic(manager, managerPassword)
	for name, c := range map[string]struct {
		as, path, body string
		status         int
	}{
		"nothing":              {"", "/v1/users/authorize", "", 401},
		"a wrong password":     {"", "/v1/users/authorize", `{"username":"` + manager + `","password":"x"}`, 401},
		"half of it":           {"", "/v1/users/authorize", `{"username":"` + manager + `"}`, 400},
		"too long":             {um, "/v1/users/authorize", `{"ttl":86401}`, 400},
		"too short":            {um, "/v1/users/authorize", `{"ttl":0}`, 400},
		"refresh of no token":  {um, "/v1/users/refresh_jwt", "", 401},
		"refresh without both": {"", "/v1/users/refresh_jwt", "", 401},
	} {
		if status, body := as(t, h, c.as, "POST", c.path, c.body); status != c.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func FuzzToken(f *testing.F) {
	d := apitest.Cluster()
	h := server(d).Public()
	f.Add("JWT a.b.c")
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.")
	f.Add("Token x.y.z")
	f.Add("Basic x")
	f.Fuzz(func(t *testing.T, header string) {
		if status, body := as(t, h, header, "GET", "/v1/cluster", ""); status != 401 {
			t.Errorf("%d %s", status, body)
		}
	})
}
