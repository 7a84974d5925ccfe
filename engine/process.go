package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// goneFor bounds the wait for a killed process to be gone.
const goneFor = 10 * time.Second

// Process is an engine on this host. It goes on running when the program that
// holds it ends; another one finds it again by [Adopt]. A Process may be used
// from several goroutines.
type Process struct {
	Instance
	Dir   string
	PID   int
	Users Users
	pid   pidfd
}

func newProcess(dir string, r record, held pidfd) *Process {
	return &Process{
		Instance: Instance{Name: r.Name, Address: r.Address, Port: r.Port, AgentPassword: r.Users.Agent},
		Dir:      dir, PID: r.PID, Users: r.Users, pid: held,
	}
}

// Alive reports whether the process is there, be it frozen or busy.
func (p *Process) Alive() bool { return p.pid.alive() }

// Wait returns nil when the process has ended, or ctx's error.
func (p *Process) Wait(ctx context.Context) error { return p.pid.wait(ctx) }

// Observe asks the engine for its state, within ctx or a second. Unlike
// [Instance.Observe] it tells a process that is not there from one that does
// not answer yet or any more, and keeps the mark by which [Saved] tells whether
// its append-only files hold its last copy; what failed about that is the Reason.
// And it keeps the log short.
func (p *Process) Observe(ctx context.Context) Observation {
	o := p.Instance.Observe(ctx)
	if !p.Alive() {
		return Observation{State: Absent, Reason: "process has ended"}
	}
	o.PID = p.PID
	switch {
	case o.State == Absent:
		o.State = Starting
	case o.answered() && o.process != p.PID:
		return Observation{State: Starting, PID: p.PID, Reason: fmt.Sprintf("another process answers on port %d", p.Port)}
	}
	if err := p.note(o); err != nil {
		o.Unsaved, o.Reason = true, err.Error()
	}
	_ = TrimLog(filepath.Join(p.Dir, logName)) // a log that can not be cut is no fault of the engine
	return o
}

// Stop asks the engine to end; a master first lets its replicas catch up. When
// ctx ends it is killed. Stop returns nil once the process is gone.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.pid.signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("instance %s: stop: %w", p.Name, err)
	}
	if p.Wait(ctx) == nil {
		return nil
	}
	return p.Kill()
}

// Kill ends the process at once and returns when it is gone. It is enough for
// a replica that is not wanted any more.
func (p *Process) Kill() error {
	err := p.pid.signal(unix.SIGKILL)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), goneFor)
		defer cancel()
		err = p.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("instance %s: kill: %w", p.Name, err)
	}
	return nil
}

// Close lets go of the process without touching it. The other methods fail
// from then on.
func (p *Process) Close() error { return p.pid.close() }

// Remove deletes the folder once the process is gone; before that it refuses.
func (p *Process) Remove() error {
	if p.Alive() {
		return fmt.Errorf("instance %s: remove: process %d is still running", p.Name, p.PID)
	}
	return removeFolder(p.Dir)
}

// Adopt finds the engine that runs from the folder and reports whether there
// is one. It must be the very process that was started there: same number,
// same start, same configuration file. Whether it answers is left to Observe.
// A folder without an instance, or whose process is gone, is no error; that the process
// can not be looked at is one, as it may be there. So is a damaged record ([ErrDamaged]),
// unless no engine runs from the folder.
func Adopt(dir string) (*Process, bool, error) {
	r, err := loadRecord(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if errors.Is(err, ErrDamaged) {
		if _, _, running, lost := search(dir); !running {
			return nil, false, lost
		}
	}
	if err != nil {
		return nil, false, err
	}
	if r.PID == 0 {
		// The starter died between starting the engine and writing its number.
		var ok bool
		if r.PID, r.Started, ok, err = search(dir); !ok {
			return nil, false, err
		}
		if err := r.save(dir); err != nil {
			return nil, false, err
		}
	}
	held, ok, err := openPID(r.PID, r.Started, dir)
	if !ok {
		return nil, false, err
	}
	return newProcess(dir, r, held), true, nil
}

// Recall is Adopt for an engine whose folder was deleted under it, or whose record is
// damaged: it goes on running, and is recognised by what it was started with. The
// folder is made again with what is needed to find it; the engine's files are not.
func Recall(s Spec) (*Process, bool, error) {
	pid, started, running, err := search(s.Dir)
	if !running {
		return nil, false, err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, false, err
	}
	r := s.record()
	r.PID, r.Started = pid, started
	if err := r.save(s.Dir); err != nil {
		return nil, false, err
	}
	return Adopt(s.Dir)
}

// Remove deletes the folder of an instance that is not running, whatever is
// left of it.
func Remove(dir string) error {
	if err := ended(dir); err != nil {
		return err
	}
	return removeFolder(dir)
}

// Empty removes what is in the folder of an instance that is not running. The folder
// is there all the time.
func Empty(dir string) error {
	if err := ended(dir); err != nil {
		return err
	}
	return emptyFolder(dir)
}

func removeFolder(dir string) error {
	if err := emptyFolder(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// emptyFolder deletes what is in a folder and its record last, by which [Scan] finds
// what is left of it when that fails or stops in between.
func emptyFolder(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		if f.Name() != recordName {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, f.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(dir, recordName))
}

// SetAside renames the folder of an instance that is not running. That there is
// none is no error, and neither is it if something was set aside there before:
// then the folder stays.
func SetAside(dir, to string) error {
	if err := ended(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	if err := os.Rename(dir, to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// ended refuses while a process runs from the folder.
func ended(dir string) error {
	p, running, err := Adopt(dir)
	if running {
		defer func() { _ = p.Close() }()
		return fmt.Errorf("instance %s: process %d is still running", p.Name, p.PID)
	}
	if err != nil {
		// An unreadable record names no process; its engine might still run.
		pid, _, found, err := search(dir)
		if found {
			return fmt.Errorf("folder %s: process %d is still running", dir, pid)
		}
		return err
	}
	return nil
}

// Scan returns the instance folders directly under root, running or not.
func Scan(root string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(root, "*", recordName))
	if err != nil {
		return nil, err
	}
	for i, path := range found {
		found[i] = filepath.Dir(path)
	}
	return found, nil
}
