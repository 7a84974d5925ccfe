package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/e2e/lan"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // the library tells of every connection that fails
	os.Exit(m.Run())
}

// silence is a log of nothing.
type silence struct{}

// Printf implements the library's interface.
func (silence) Printf(context.Context, string, ...any) {}

// lab returns the binary and a folder for hosts in namespaces, or skips.
func lab(t *testing.T) (binary, folder string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	l, err := lan.New(1)
	if err != nil {
		t.Skipf("needs root, network namespaces and /dev/net/tun: %v", err)
	}
	l.Close()
	binary = filepath.Join(t.TempDir(), "haulout")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/haulout").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if folder, err = os.MkdirTemp("", "haulout-e2e-"); err != nil { // short: it holds sockets
		t.Fatal(err)
	}
	return binary, folder
}

// lines writes to the test's log.
type lines struct{ t *testing.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// A little of make chaos, another one each time. The seed is in the log.
func TestChaos(t *testing.T) {
	binary, folder := lab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	c := Chaos{Binary: binary, Folder: folder, Out: lines{t}, Seed: uint64(rand.Uint32())}
	t.Logf("seed %d", c.Seed)
	r, err := c.Run(ctx, 45*time.Second)
	if err != nil || !r.Good() {
		t.Errorf("%+v\n%v", r, err)
	}
}

// A little of make crashmatrix, other cells each time. The seed is in the log.
func TestCrashMatrix(t *testing.T) {
	binary, folder := lab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	m := Matrix{Binary: binary, Folder: folder, Out: lines{t}, Seed: uint64(rand.Uint32()), Sample: 40 * time.Second}
	t.Logf("seed %d", m.Seed)
	r, err := m.Run(ctx)
	if err != nil || !r.Good() {
		t.Errorf("%+v\n%v", r, err)
	}
}

// A round follows from the seed and its number alone.
func TestSeedTellsTheRounds(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(4) {
		for number := range 50 {
			r := roundOf(seed, number)
			if again := roundOf(seed, number); fmt.Sprint(again) != fmt.Sprint(r) {
				t.Errorf("%v and %v", r, again)
			}
			if r.Node == r.Other || r.Node < 1 || r.Other < 1 || r.Node > 3 || r.Other > 3 {
				t.Errorf("%v", r)
			}
			seen[r.Operation.name], seen[r.Fault.name] = true, true
		}
	}
	if len(seen) != len(operations)+len(faults) {
		t.Errorf("only %d of %d operations and faults come up", len(seen), len(operations)+len(faults))
	}
}

// Nobody is signalled by a number that is of no process.
func TestSignalNobody(t *testing.T) {
	if err := signal([]int{0}, 0); err == nil {
		t.Error("the whole group would have got it")
	}
}
