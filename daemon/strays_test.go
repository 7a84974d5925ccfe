package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/haulout/haulout/engine"
)

// Whoever takes a removed host for another use is told what still runs on it.
func TestProcessesOfARemovedHostAreNamed(t *testing.T) {
	binary, err := engine.Find("")
	if err != nil {
		t.Fatal(err)
	}
	shards := t.TempDir()
	if told := strays(shards) + strays(filepath.Join(shards, "none")); told != "" {
		t.Error(told)
	}
	p, err := engine.Start(t.Context(), engine.Spec{
		Name: "1.1", Dir: filepath.Join(shards, "1.1"), Binary: binary, Address: "127.0.0.1", Port: 20_000 + os.Getpid()%9_000,
		Users: engine.Users{Agent: "a", Replica: "b", Proxy: "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if told, want := strays(shards), fmt.Sprintf("; processes of it still run, end them first: %d (redis:1.1)", p.PID); told != want {
		t.Errorf("%q, not %q", told, want)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if told := strays(shards); told != "" {
		t.Error(told)
	}
}
