package engine

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrPort says that a stranger has the port, ErrEnded that the engine ended
// before it first answered.
var (
	ErrPort  = errors.New("its port is in use")
	ErrEnded = errors.New("engine ended at once")
)

// firstLook bounds how long Start watches for an engine that ends at once.
const firstLook = 2 * time.Second

// Start makes the folder, writes the engine's files and starts it in a session
// of its own, so that it outlives this program. The folder must not exist yet
// or be empty, since an engine would load whatever an earlier one left; with
// Spec.Resume it must hold just that, and is never removed. Start returns
// when the process number is on disk and the engine has answered, or has run
// for a while without; it does not wait for data. An engine that ends at once,
// for example because its port is taken, is an error with its last words, and
// leaves no new folder. If ctx ends meanwhile the process stays.
func Start(ctx context.Context, s Spec) (*Process, error) {
	if err := errors.Join(s.check(), ctx.Err()); err != nil {
		return nil, err
	}
	if err := s.portFree(ctx); err != nil {
		return nil, err
	}
	if err := s.makeFolder(); err != nil {
		return nil, err
	}
	p, err := s.launch()
	if err == nil {
		if err = p.firstLook(ctx); err == nil {
			return p, nil
		}
		_ = p.Close()
	}
	err = fmt.Errorf("instance %s: start: %w", s.Name, err)
	if s.Resume {
		return nil, err
	}
	return nil, errors.Join(err, removeFolder(s.Dir))
}

// portAnswer is how long a connection within the host may take. Who has the port and takes
// none, because too many wait already, leaves it without an answer.
const portAnswer = 500 * time.Millisecond

// portFree gives the plain answer early; the engine itself has the last word.
// It connects, since a listener of our own could be inherited for a moment by
// an engine that is started at the same time, and be in the way.
func (s Spec) portFree(ctx context.Context) error {
	d := net.Dialer{Timeout: portAnswer}
	c, err := d.DialContext(ctx, "tcp", Source{s.Address, s.Port}.String())
	var failed net.Error
	switch silent := errors.As(err, &failed) && failed.Timeout(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		c.Close()
	case !silent:
		return nil
	}
	return fmt.Errorf("instance %s: port %d: %w", s.Name, s.Port, ErrPort)
}

func (s Spec) makeFolder() error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	if err := resumable(s.Dir); s.Resume && err != nil {
		return fmt.Errorf("instance %s: %w", s.Name, err)
	}
	if s.Resume && !Saved(s.Dir) {
		return fmt.Errorf("instance %s: %w, as %s says; take that away to have what was before it", s.Name, ErrUnsaved, filepath.Join(s.Dir, unsavedName))
	}
	if len(left) > 0 && !s.Resume {
		return fmt.Errorf("instance %s: folder %s is not empty", s.Name, s.Dir)
	}
	if err := removeHalfWritten(s.Dir); err != nil {
		return err
	}
	// MkdirAll leaves an existing folder's mode alone.
	return os.Chmod(s.Dir, 0o700)
}

// removeHalfWritten deletes what an engine was writing when it ended: the next one would
// keep it, and the next one's.
func removeHalfWritten(dir string) error {
	var failed error
	for _, pattern := range []string{"temp-*", filepath.Join(aofName, "temp-*")} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		failed = errors.Join(failed, err)
		for _, f := range found {
			failed = errors.Join(failed, os.RemoveAll(f))
		}
	}
	return failed
}

// launch starts the engine. The record is written before, without a number,
// so that whatever happens in between the process can be found.
func (s Spec) launch() (*Process, error) {
	r := s.record()
	err := errors.Join(
		r.save(s.Dir), // first, so that the folder is found, whatever becomes of the rest
		s.markCopy(),
		writeDurably(filepath.Join(s.Dir, configName), []byte(s.configFile())),
		writeDurably(filepath.Join(s.Dir, usersName), []byte(s.usersFile())))
	if err != nil {
		return nil, err
	}
	pid, err := s.spawn()
	if err != nil {
		return nil, err
	}
	// Our child keeps its number until it is waited for, dead or alive.
	held, err := holdPID(pid)
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, reap := syscall.Wait4(pid, nil, 0, nil)
		return nil, errors.Join(err, reap)
	}
	r.PID = pid
	p := newProcess(s.Dir, r, held)
	if r.Started, err = startTicks(pid); err == nil {
		err = r.save(s.Dir)
	}
	if err != nil {
		defer func() { _ = p.Close() }()
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// spawn starts the engine detached, with a bare environment and all it says
// going to its log.
func (s Spec) spawn() (int, error) {
	log, err := os.OpenFile(filepath.Join(s.Dir, logName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	p, err := os.StartProcess(s.Binary.Path, []string{s.Binary.Path, filepath.Join(s.Dir, configName)}, &os.ProcAttr{
		Dir:   s.Dir,
		Env:   []string{"PATH=/usr/bin:/bin", "LC_ALL=C"},
		Files: []*os.File{null, log, log},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, err
	}
	pid := p.Pid
	return pid, p.Release()
}

// firstLook returns an error if the engine ends before it first answers.
func (p *Process) firstLook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	for {
		// A short wait paces the loop and sees the end at once.
		pause, done := context.WithTimeout(ctx, 5*time.Millisecond)
		err := p.Wait(pause)
		done()
		if err == nil {
			return whyEnded(LastWords(p.Dir))
		}
		if ctx.Err() != nil || p.answersWithin(ctx, 200*time.Millisecond) {
			return nil
		}
	}
}

func (p *Process) answersWithin(ctx context.Context, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return p.Observe(ctx).answered()
}

// whyEnded tells a port that somebody took in the last moment from all else.
func whyEnded(words string) error {
	if strings.Contains(words, "Failed listening on port") {
		return fmt.Errorf("%w: %s", ErrPort, words)
	}
	return fmt.Errorf("%w: %s", ErrEnded, words)
}

// LastWords returns what the engine of a folder said last: the cause, where it ended
// itself with a page of its state.
func LastWords(dir string) string {
	f, err := os.Open(filepath.Join(dir, logName))
	if err != nil {
		return "no log"
	}
	defer f.Close()
	last, cause := "no word in its log", ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text := strings.TrimSpace(lines.Text())
		switch {
		case text == "":
			continue
		case strings.Contains(text, "oO0OoO0OoO0Oo"): // a process starts
			cause = ""
		case strings.Contains(text, "Guru Meditation") || strings.Contains(text, "crashed by signal"):
			cause = text
		}
		last = text
	}
	return cmp.Or(cause, last)
}
