package e2e

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// copied puts a program under a name into a folder of its own: programs know
// each other by their files.
func copied(t *testing.T, program, name string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return to
}

// run starts a process in dir and ends it with the test.
func run(t *testing.T, dir, program string, args ...string) int {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-gone })
	return cmd.Process.Pid
}

func pids(t *testing.T, folder, binary string) []int {
	t.Helper()
	list, err := Processes(folder, binary)
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, p := range list {
		all = append(all, p.PID)
	}
	slices.Sort(all)
	return all
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestKillEndsAHostAndNothingElse(t *testing.T) {
	h := &Hosts{Binary: copied(t, "sleep", "haulout"), Folder: t.TempDir(), Network: "127.0.0."}
	engine := copied(t, "sleep", "redis-server")
	for n := range 13 {
		if err := os.MkdirAll(h.Data(n), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mine := []int{
		run(t, h.Data(1), h.Binary, "600"), // works there
		run(t, h.Data(1), engine, "600"),
		run(t, "/", copied(t, "tail", "valkey-server"), "-f", "/dev/null", h.Data(1)), // names it
	}
	others := []int{
		run(t, h.Data(1), "/bin/sleep", "600"), // somebody's shell
		run(t, h.Data(2), h.Binary, "600"),     // another host
		run(t, h.Data(12), engine, "600"),      // whose name begins alike
		run(t, "/", engine, "600"),             // another engine
	}
	slices.Sort(mine)
	eventually(t, "the host's processes show", func() bool { return slices.Equal(pids(t, h.Data(1), h.Binary), mine) })
	if err := h.Kill(1); err != nil {
		t.Fatal(err)
	}
	if left := pids(t, h.Data(1), h.Binary); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	for _, pid := range others {
		if _, alive := look(pid); !alive {
			t.Errorf("process %d was killed too", pid)
		}
	}
	if err := h.Down(); err != nil {
		t.Fatal(err)
	}
	if left := pids(t, h.Folder, h.Binary); len(left) > 0 || !isGone(h.Folder) {
		t.Errorf("left: %v", left)
	}
	for _, pid := range []int{others[0], others[3]} {
		if _, alive := look(pid); !alive {
			t.Errorf("process %d was killed too", pid)
		}
	}
}

func TestConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for want := range 3 {
		if n, err := Connections("127.0.0.2", port); err != nil || n != want {
			t.Fatalf("got %d, %v; want %d", n, err, want)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
