package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a process as /proc shows it.
type Process struct {
	PID  int
	Name string   // of the program, at most 15 letters
	Args []string // as the process shows itself
}

func (p Process) String() string { return fmt.Sprintf("%d (%s)", p.PID, strings.Join(p.Args, " ")) }

// engineNames are the programs besides the given ones that hosts run.
var engineNames = []string{"redis-server", "valkey-server"}

// Processes returns the processes that run one of the programs or an engine
// and belong to the folder: they were started with its path, work in it, or
// have a file in it open. A shell or an editor in the folder is not among them.
func Processes(folder string, programs ...string) ([]Process, error) {
	for _, p := range programs {
		if file, err := filepath.EvalSymlinks(p); err == nil && file != p {
			programs = append(programs, file) // what /proc shows
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var list []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, ok := look(pid); ok && ours(p, programs) && belongs(p, folder) {
			list = append(list, p)
		}
	}
	return list, nil
}

// look reads what /proc says of a process. It is not there if it has ended,
// though nobody may have asked for its status yet.
func look(pid int) (Process, bool) {
	stat, err := os.ReadFile(procPath(pid, "stat"))
	_, rest, found := bytes.Cut(stat, []byte(") "))
	if err != nil || !found || len(rest) == 0 || rest[0] == 'Z' || rest[0] == 'X' {
		return Process{}, false
	}
	comm, err := os.ReadFile(procPath(pid, "comm"))
	if err != nil {
		return Process{}, false
	}
	line, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return Process{}, false
	}
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	return Process{PID: pid, Name: strings.TrimSpace(string(comm)), Args: args}, true
}

func procPath(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// ours reports whether the program is one that hosts run.
func ours(p Process, programs []string) bool {
	program, _ := os.Readlink(procPath(p.PID, "exe"))
	program = strings.TrimSuffix(program, " (deleted)") // built anew meanwhile
	return slices.Contains(programs, program) || slices.Contains(engineNames, p.Name)
}

func belongs(p Process, folder string) bool {
	if slices.ContainsFunc(p.Args, func(a string) bool { return mentions(a, folder) }) {
		return true
	}
	if cwd, err := os.Readlink(procPath(p.PID, "cwd")); err == nil && inside(cwd, folder) {
		return true
	}
	files, _ := filepath.Glob(procPath(p.PID, "fd/*"))
	return slices.ContainsFunc(files, func(f string) bool {
		target, err := os.Readlink(f)
		return err == nil && inside(target, folder)
	})
}

// inside reports whether the path is the folder or below it.
func inside(path, folder string) bool {
	path = strings.TrimSuffix(path, " (deleted)")
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// mentions reports whether an argument names the folder or something below it.
func mentions(arg, folder string) bool {
	_, rest, found := strings.Cut(arg, folder)
	return found && (rest == "" || rest[0] == '/')
}

// Ended reports whether nothing of the process is left. One that was killed looks
// like a zombie while its threads still hold its files and locks.
func Ended(pid int) bool {
	stat, err := os.ReadFile(procPath(pid, "stat"))
	_, rest, found := bytes.Cut(stat, []byte(") "))
	if err != nil || !found || len(rest) == 0 {
		return true
	}
	threads, _ := filepath.Glob(procPath(pid, "task/*"))
	return (rest[0] == 'Z' || rest[0] == 'X') && len(threads) <= 1
}

// endAll kills what find finds until it finds nothing, because a process may have
// started another one meanwhile, and waits until nothing is left of what it killed.
func endAll(find func() ([]Process, error)) error {
	deadline := time.Now().Add(killDeadline)
	var killed []Process
	for {
		list, err := find()
		if err != nil {
			return err
		}
		killed = slices.DeleteFunc(killed, func(p Process) bool { return Ended(p.PID) })
		if len(list)+len(killed) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("these processes do not end: %v", append(list, killed...))
		}
		for _, p := range list {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill %v: %w", p, err)
			}
		}
		killed = append(killed, list...)
		time.Sleep(10 * time.Millisecond)
	}
}

// Connections returns how many TCP connections are established at the address
// and port, from the point of view of the one who listens there.
func Connections(address string, port int) (int, error) {
	// Not /proc/net: that is the first thread's, which hosts in namespaces may have taken along.
	table, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		return 0, err
	}
	want := fmt.Sprintf("%s:%04X", hexAddress(address), port)
	n := 0
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == want && f[3] == "01" {
			n++
		}
	}
	return n, nil
}

// hexAddress writes an IPv4 address as /proc/net/tcp does: backwards.
func hexAddress(address string) string {
	var b []byte
	for part := range strings.SplitSeq(address, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return address
		}
		b = append(b, byte(n))
	}
	slices.Reverse(b)
	return fmt.Sprintf("%X", b)
}
