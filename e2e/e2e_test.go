package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // the library tells of every new address
	os.Exit(m.Run())
}

// silent is a log of nothing.
type silent struct{}

// Printf implements the library's interface.
func (silent) Printf(context.Context, string, ...any) {}

// The demo, with less data and on other addresses, so that both can run at once.
func TestStory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	hosts := &Hosts{Binary: build(t), Folder: shortTempDir(t), Network: "127.0.1."}
	t.Cleanup(func() {
		if err := hosts.Down(); err != nil {
			t.Error(err)
		}
		if left, err := Processes(hosts.Folder, hosts.Binary); err != nil || len(left) > 0 || !isGone(hosts.Folder) {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	var said strings.Builder
	s := Story{Cluster: &Cluster{Hosts: hosts, Out: io.MultiWriter(&said, lines{t})}, Fill: 24 << 20, Min: 8 << 20}
	r, err := s.Run(ctx)
	if err != nil {
		for n := 1; n <= Nodes; n++ {
			t.Logf("the end of the log of node %d\n%s", n, hosts.LogTail(n, 30))
		}
		t.Fatal(err)
	}
	if !r.Good() {
		t.Errorf("%+v", r)
	}
	if r.EvacuatedBytes == 0 || r.ConnectionsMoved == 0 || r.OnSeconds == 0 || r.OffSeconds == 0 || r.LongestPause == 0 || r.ControlLongest == 0 {
		t.Errorf("a figure is missing: %+v", r)
	}
	for _, want := range []string{
		`created snapshot NodeSnapshot<name=maintenance_mode_`,
		`node:2 will not accept any more shards`,
		`node:2 +slave .* 0/0 `,
		`Performing maintenance_off action on node:2: 100%`,
	} {
		if !regexp.MustCompile(want).MatchString(said.String()) {
			t.Errorf("nothing like %q was printed", want)
		}
	}
}

// build builds the binary the hosts run.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "haulout")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/haulout").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// shortTempDir returns a folder whose path leaves room for a socket's name.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "haulout-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// lines writes to the test's log.
type lines struct{ t *testing.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}
