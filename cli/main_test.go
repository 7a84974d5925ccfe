package cli

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a daemon in memory and a session that talks to it.
type bench struct {
	t      *testing.T
	daemon *apitest.Daemon
	server *api.Server
	socket string
	steps  []func() // one is taken before each look at an action or a bootstrap
	in     string
	env    map[string]string
	colour bool
	ctx    context.Context
}

func newBench(t *testing.T, d *apitest.Daemon) *bench {
	t.Helper()
	b := &bench{t: t, daemon: d, server: api.New(api.Config{Node: d, Log: slog.New(slog.DiscardHandler)}), env: map[string]string{}, ctx: context.Background()}
	b.socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", b.socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: b.stepping(b.server.Local()), ConnContext: api.SocketContext}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return b
}

// stepping lets the world go one step on whenever a session looks.
func (b *bench) stepping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looks := strings.HasPrefix(r.URL.Path, "/v1/actions/") || r.URL.Path == "/v1/bootstrap" || strings.HasPrefix(r.URL.Path, "/v1/bdbs/")
		if looks && r.Method == http.MethodGet && len(b.steps) > 0 {
			step := b.steps[0]
			b.steps = b.steps[1:]
			step()
		}
		h.ServeHTTP(w, r)
	})
}

// run carries out a command line and returns the exit code and what it wrote.
func (b *bench) run(line string) (code int, out, err string) {
	return b.runArgs(strings.Fields(line)...)
}

func (b *bench) runArgs(args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	s := &session{
		ctx: b.ctx, program: "haulout", in: newInput(strings.NewReader(b.in)), out: &stdout, err: &stderr, colour: b.colour,
		env: func(name string) string {
			if v, ok := b.env[name]; ok || name != "HAULOUT_SOCKET" {
				return v
			}
			return b.socket
		},
		poll: time.Millisecond, patience: 50 * time.Millisecond,
		extra: map[string]func([]string) int{"serve": nil, "proxy": nil},
	}
	code = s.run(args)
	return code, stdout.String(), stderr.String()
}

// golden compares text with testdata/name.txt. How far an action is the
// maintenance room computes and tests.
func golden(t *testing.T, name, text string) {
	t.Helper()
	text = varying.ReplaceAllString(text, "*")
	text = percent.ReplaceAllString(text, ": N%")
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs, got:\n%s", name, text)
	}
}

var (
	varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}`)
	percent = regexp.MustCompile(`: [0-9]{1,2}%( \(.*\))?`)
)
