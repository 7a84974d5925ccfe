package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
)

// A member does not start on a full disk, says so, and starts when there is space.
func TestFullDiskIsNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	f := newFleet(t)
	c := f.config(t, 1)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("haulout-test", c.Dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("a small disk can not be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(c.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s, err := Bootstrap(c)
	h := f.run(t, s, err).ready(t)
	lead(t, h).commit(t, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Name: "kept"}}})
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(c.Dir, "ballast")
	occupy(t, ballast)
	s, err = Open(c)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context())
	wantCode(t, err, cluster.CodeDiskFull)
	if !strings.Contains(fmt.Sprint(err), "the disk of "+c.Dir+" has 0 MiB left") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s, err = Open(c)
	if name := f.run(t, s, err).ready(t).Board().Cluster.Name; name != "kept" {
		t.Errorf("the cluster is called %q afterwards", name)
	}
}

// occupy writes a file until the disk is full.
func occupy(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for part := make([]byte, 1<<20); err == nil; {
		_, err = file.Write(part)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// Where etcd ends the process, the last words say what to do.
func TestLastWords(t *testing.T) {
	for want, cause := range map[string]error{
		"the disk of the quorum's data is full":      &os.PathError{Op: "write", Path: "/wal", Err: unix.ENOSPC},
		"the daemon is out of file descriptors":      &os.PathError{Op: "open", Path: "/wal", Err: unix.EMFILE},
		"failed to save Raft hard state and entries": errors.New("something else"),
	} {
		var said strings.Builder
		log, _ := newZap(slog.New(slog.NewTextHandler(io.MultiWriter(&said, t.Output()), nil)))
		func() {
			defer func() {
				p := recover()
				if _, said := p.(*cluster.Error); said == strings.Contains(want, "Raft") {
					t.Errorf("%v: ended with a %T", cause, p)
				}
				if !strings.HasPrefix(fmt.Sprint(p), want) {
					t.Errorf("%v: ended with %v", cause, p)
				}
			}()
			log.Fatal("failed to save Raft hard state and entries", zap.Error(cause))
		}()
		if !strings.Contains(said.String(), want) {
			t.Errorf("%v: the log says %s", cause, said.String())
		}
	}
}
