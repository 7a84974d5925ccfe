package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// writing starts a rewrite of the engine's append-only files that takes long, and
// returns the process that does it.
func writing(t *testing.T, p *Process) (child int) {
	t.Helper()
	for n := range 50 {
		ask(t, p.Instance, "SET", fmt.Sprint("key", n), strings.Repeat("x", 1000))
	}
	ask(t, p.Instance, "CONFIG", "SET", "rdb-key-save-delay", "300000")
	ask(t, p.Instance, "BGREWRITEAOF")
	eventually(t, "the rewrite is under way", func() bool {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
		child, _ = strconv.Atoi(strings.TrimSpace(string(list)))
		return child > 0
	})
	return child
}

// A process that ends while it writes its files anew leaves half of them behind,
// each time, and the next one would never remove them.
func TestResumeLeavesNothingHalfWrittenBehind(t *testing.T) {
	s := testSpec(t, "1.1", nil)
	s.AOF = true
	p := start(t, s)
	child := writing(t, p)
	half := func() (found []string) {
		for _, pattern := range []string{"temp-*", aofName + "/temp-*"} {
			list, _ := filepath.Glob(filepath.Join(s.Dir, pattern))
			found = append(found, list...)
		}
		return found
	}
	eventually(t, "a file half written", func() bool { return len(half()) > 0 })
	if err := errors.Join(unix.Kill(child, unix.SIGSTOP), p.Kill()); err != nil {
		t.Fatal(err)
	}
	unix.Kill(child, unix.SIGKILL)
	if len(half()) == 0 {
		t.Fatal("nothing is left half written")
	}
	s.Resume = true
	again := start(t, s)
	eventually(t, "the data is back", func() bool { o := again.Observe(bounded(t)); return o.State == Up && o.Keys == 50 })
	if left := half(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func smallDisk(t *testing.T, dir string, size string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("haulout-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small disk can not be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// A removal that fails half-way is found again, also by another daemon.
func TestWhatIsNotRemovedIsFoundAgain(t *testing.T) {
	s := testSpec(t, "1.1", nil)
	s.AOF = true
	p := start(t, s)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	smallDisk(t, filepath.Join(s.Dir, aofName), "1m") // what something is mounted on can not be removed
	if err := Remove(s.Dir); err == nil {
		t.Fatal("removed")
	}
	if found, err := Scan(filepath.Dir(s.Dir)); err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
}

// A folder that is emptied stays the same one: what goes by its being there, goes by it
// all the time.
func TestEmptyLeavesTheFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"log", recordName, "appendonlydir/base"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Empty(dir); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.Stat(dir)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("another folder: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}
