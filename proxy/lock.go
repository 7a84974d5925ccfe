package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
)

// A proxy holds the lock beside its socket for as long as it lives, frozen or
// not. So a lock that is free proves that no proxy can send anything any more,
// and one that is held names the process.

func lockPath(socket string) string { return socket + ".lock" }

// takeLock makes this process the proxy of the socket, or refuses.
func takeLock(socket string) (*os.File, error) {
	f, err := os.OpenFile(lockPath(socket), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("proxy: lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		return nil, cluster.Refuse(cluster.CodePortUnavailable, "end it first", "proxy: process %d already serves %s", holder(f), socket)
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		defer f.Close()
		return nil, fmt.Errorf("proxy: lock: %w", err)
	}
	return f, nil
}

// endOrphaned ends a proxy whose lock was deleted or replaced under it, with its
// folder: no daemon reaches it any more, and its ports are wanted. It waits until
// its right to serve is over, though nobody can prolong that.
func endOrphaned(ctx context.Context, end func(), lock *os.File, s *settings) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		own, err := lock.Stat()
		there, gone := os.Stat(lock.Name())
		replaced := errors.Is(gone, os.ErrNotExist) || err == nil && gone == nil && !os.SameFile(own, there)
		if replaced && s.clock() >= s.fence.last() {
			s.log.Warn("the folder of this proxy is gone: it ends")
			end()
			return
		}
	}
}

// Alive reports whether a proxy process lives behind the socket, be it frozen,
// and its number; 0 while that is not known yet. What can not be found out
// counts as alive.
func Alive(socket string) (pid int, alive bool) {
	f, err := os.Open(lockPath(socket))
	if errors.Is(err, os.ErrNotExist) {
		return 0, false
	}
	if err != nil {
		return 0, true
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return 0, false
	}
	return holder(f), true
}

// End kills the proxy process behind the socket. It does nothing if there is
// none; the lock names only processes that hold it.
func End(socket string) error {
	pid, alive := Alive(socket)
	if !alive || pid == 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("proxy: process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	// Held by number now: if the lock still names it, it is the proxy.
	if again, alive := Alive(socket); !alive || again != pid {
		return nil
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}

func holder(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}
