package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// behindClients is the nice value of work that no command waits for: a tenth of
// a processor is left to it where the rest is wanted.
const behindClients = 10

// Yield lets the host's clients go first where processors are short: what the
// engine forked to be copied from or to save, and the engine itself while it is
// being filled by a copy, run at a lower priority. It is as any other again
// once the copy is complete, before anybody may count on it. Without the right to
// go back nothing is changed.
func (p *Process) Yield(o Observation) error {
	if !mayGoBack() || !o.answered() || !p.Alive() {
		return nil
	}
	want := 0
	if o.Role == Slave && !o.Copied {
		want = behindClients
	}
	err := setNice(p.PID, want)
	for _, child := range children(p.PID) {
		err = errors.Join(err, setNice(child, behindClients))
	}
	return err
}

// mayGoBack reports whether this program may raise a priority that it lowered.
var mayGoBack = sync.OnceValue(func() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NICE, &limit) == nil && limit.Cur >= 20 {
		return true
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_NICE) != 0
})

// setNice sets the nice value of all threads of a process. One that has ended is
// no error.
func setNice(pid, want int) error {
	if now, err := nice(pid); err != nil || now == want {
		return ignoreGone(err)
	}
	tasks, err := os.ReadDir(taskDir(pid))
	if err != nil {
		return ignoreGone(err)
	}
	// The first thread, by which the others are judged the next time, comes last.
	for i := len(tasks) - 1; i >= 0; i-- {
		id, err := strconv.Atoi(tasks[i].Name())
		if err != nil {
			continue
		}
		if err := ignoreGone(unix.Setpriority(unix.PRIO_PROCESS, id, want)); err != nil {
			return fmt.Errorf("nice value of process %d: %w", pid, err)
		}
	}
	return nil
}

// nice is the nice value of a process' first thread. The kernel answers 20 less it.
func nice(pid int) (int, error) {
	got, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	return 20 - got, err
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func taskDir(pid int) string { return filepath.Join("/proc", strconv.Itoa(pid), "task") }

// children returns what the first thread of a process, which alone forks in an
// engine, has forked; none where the kernel does not tell.
func children(pid int) []int {
	text, err := os.ReadFile(filepath.Join(taskDir(pid), strconv.Itoa(pid), "children"))
	if err != nil {
		return nil
	}
	var list []int
	for _, f := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(f); err == nil {
			list = append(list, child)
		}
	}
	return list
}
