package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func server(d *apitest.Daemon) *api.Server {
	return api.New(api.Config{Node: d, Log: slog.New(slog.DiscardHandler)})
}

// public serves the daemon over TLS and returns a client of the user's.
func public(t *testing.T, d *apitest.Daemon, email string) (*api.Client, *httptest.Server) {
	t.Helper()
	s := httptest.NewTLSServer(checked(t, server(d).Public()))
	t.Cleanup(s.Close)
	return client(t, s, api.Login{Email: email, Password: apitest.Password}), s
}

func client(t *testing.T, s *httptest.Server, login api.Login) *api.Client {
	t.Helper()
	c, err := api.NewClient(s.URL, login, s.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// send makes a bare request as the admin and returns status and body.
func send(t *testing.T, h http.Handler, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewBufferString(body))
	r.SetBasicAuth(apitest.Admin, apitest.Password)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	checked(t, h).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func code(t *testing.T, body string) cluster.Code {
	t.Helper()
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("no error body: %s", body)
	}
	if e.Message != e.Description || e.Description == "" {
		t.Errorf("message and description differ or are empty: %s", body)
	}
	return e.Code
}

var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}`)

// computed is what the maintenance room computes: tested there.
var computed = regexp.MustCompile(`("progress"|"seconds_left"|"waiting_for"|"shutdown_blockers"): ([-0-9.]+|"[^"]*"|\[[^]]*\])`)

// golden compares indented JSON with testdata/name.json; ids made at random are starred.
func golden(t *testing.T, name, body string) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(body), "", "  "); err != nil {
		t.Fatalf("%s: %v: %s", name, err, body)
	}
	got := varying.ReplaceAllString(pretty.String(), "*")
	got = computed.ReplaceAllString(got, `$1: "*"`)
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs, got:\n%s", name, got)
	}
}

func read(t *testing.T, body io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var ctx = context.Background()
