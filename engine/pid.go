package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pidfd holds one process: a signal through it can never reach another one
// that was given the same number later.
type pidfd struct{ file *os.File }

// openPID takes hold of the process if it is the one that was started at that
// time from that folder, and is not dead. Checking after taking hold makes the
// answer true of what is held. An error says that it could not be looked at.
func openPID(pid int, started uint64, dir string) (pidfd, bool, error) {
	p, err := holdPID(pid)
	switch {
	case errors.Is(err, unix.EINVAL): // what older kernels say of the number of a thread
		return pidfd{}, false, nil
	case err != nil:
		return pidfd{}, false, unlessGone(err)
	}
	ticks, err := startTicks(pid)
	same := err == nil && ticks == started
	if same {
		same, err = runsFrom(pid, dir)
	}
	if same && p.alive() {
		return p, true, nil
	}
	_ = p.close()
	return pidfd{}, false, unlessGone(err)
}

// unlessGone is nil for an error that says that there is no such process.
func unlessGone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// holdPID takes hold of whatever process has the number now.
func holdPID(pid int) (pidfd, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return pidfd{}, err
	}
	return pidfd{newPidfdFile(fd)}, nil
}

func newPidfdFile(fd int) *os.File {
	// Only a non-blocking file is given to the runtime's poller. Setting it
	// cannot fail on an open descriptor.
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "pidfd")
}

func (p pidfd) close() error { return p.file.Close() }

// with calls f with the descriptor unless it was closed.
func (p pidfd) with(f func(fd int) error) error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return err
	}
	return result
}

// alive reports whether the process is still there. A dead child is reaped.
func (p pidfd) alive() bool {
	ended := true
	err := p.with(func(fd int) error { ended = hasEnded(fd); return nil })
	return err == nil && !ended
}

// hasEnded asks without waiting, and reaps the process if it is our child.
func hasEnded(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	if err != nil || n == 0 {
		return false
	}
	// Somebody else's child is reaped by its own parent: ECHILD is fine.
	_ = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG, nil)
	return true
}

// signal returns nil also if the process is already gone.
func (p pidfd) signal(s unix.Signal) error {
	err := p.with(func(fd int) error { return unix.PidfdSendSignal(fd, s, nil, 0) })
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// wait returns nil when the process is gone, or ctx's error. Each wait has its
// own descriptor, so that several may wait for different times.
func (p pidfd) wait(ctx context.Context) error {
	var own *os.File
	err := p.with(func(fd int) error {
		n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			own = newPidfdFile(n)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer own.Close()
	stop := context.AfterFunc(ctx, func() { _ = own.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := own.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool { return hasEnded(int(fd)) })
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// startTicks returns when the process was started, in clock ticks since boot.
// A dead one that nobody has waited for still has an answer.
func startTicks(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in brackets, which may contain anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: unreadable state", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// runsFrom reports whether the process is an engine started on the folder's
// configuration.
func runsFrom(pid int, dir string) (bool, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(string(data), "\x00")
	return len(args) > 1 && args[1] == filepath.Join(dir, configName), err
}

// search finds the engine of a folder among all processes; that there is none is said
// only if all could be looked at. What is kept from us is another user's, not ours.
func search(dir string) (pid int, started uint64, ok bool, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, 0, false, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		ours, err := runsFrom(pid, dir)
		if ours {
			started, err = startTicks(pid)
		}
		switch {
		case unlessGone(err) != nil && !errors.Is(err, os.ErrPermission):
			return 0, 0, false, err
		case ours && err == nil:
			return pid, started, true, nil
		}
	}
	return 0, 0, false, nil
}
