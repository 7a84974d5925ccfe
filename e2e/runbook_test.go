package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What operators have in their runbooks, typed against real daemons and engines
// while clients write. Each transcript ends with everything where it was.
func TestRunbook(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	c, clients := underLoad(ctx, t, "127.0.9.")
	rladmin := filepath.Join(c.Folder, "rladmin") // by this name it is the same tool
	if err := os.Symlink(c.Binary, rladmin); err != nil {
		t.Fatal(err)
	}
	before, err := c.Placement(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range transcripts(t) {
		ok := t.Run(name, func(t *testing.T) {
			for _, e := range readTranscript(t, name) {
				if fault := e.difference(c.play(ctx, e)); fault != "" {
					t.Error(fault)
				}
			}
			after, err := c.Placement(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range before.Differences(after) {
				t.Error(d)
			}
		})
		if !ok {
			break // the next begins where this one should have ended
		}
		if err := clients.goOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("clients: %s", summary(f))
	if f.Acknowledged == 0 || f.Lost > 0 || f.Errors > 0 || f.Duplicated > 0 {
		t.Errorf("%d of %d acknowledged writes are lost, %d doubled, %d errors", f.Lost, f.Acknowledged, f.Duplicated, f.Errors)
	}
}

func transcripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "runbook", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	return names
}

// play types the command and returns what was printed, on both streams. To pull
// the plug of a host and to put it in again are commands, too.
func (c *Cluster) play(ctx context.Context, e exchange) string {
	switch e.words[0] {
	case "poweroff":
		return complaint(c.Kill(e.node))
	case "poweron":
		return complaint(c.Start(ctx, e.node))
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Folder, e.words[0]), e.words[1:]...)
	cmd.Env = append(os.Environ(), "HAULOUT_SOCKET="+c.Socket(e.node))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("%s(exit code %d)\n", &said, exit.ExitCode())
	}
	return said.String() + complaint(err)
}

func complaint(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "\n"
}
