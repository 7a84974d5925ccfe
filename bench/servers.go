package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/resp"
)

// bench is what one row has at hand: a scratch folder, the haulout binary built
// from this tree, and the servers it has started.
type bench struct {
	options
	folder string
	binary string // haulout

	mu      sync.Mutex
	servers []*server
}

// server is a process that was started here.
type server struct {
	name    string
	address string // where clients connect
	bus     string // the port for other nodes of a Redis Cluster
	cmd     *exec.Cmd
	ended   chan struct{}
}

const ready = 20 * time.Second

func newBench(ctx context.Context, o options) (*bench, error) {
	folder, err := os.MkdirTemp("", "haulout-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, folder: folder, binary: filepath.Join(folder, "haulout")}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "github.com/haulout/haulout/cmd/haulout")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build haulout: %w: %s", err, out), b.end())
	}
	return b, allowFiles()
}

// allowFiles raises the limit of open files, for this process and those it
// starts, as far as is allowed.
func allowFiles() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = l.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

// end ends every server and removes the folder.
func (b *bench) end() error {
	b.endServers()
	return os.RemoveAll(b.folder)
}

// endServers ends every server, by its number.
func (b *bench) endServers() {
	b.mu.Lock()
	list := b.servers
	b.servers = nil
	b.mu.Unlock()
	for _, s := range list {
		s.end()
	}
}

// start starts a program, which dies with this one.
func (b *bench) start(name, address string, args ...string) (*server, error) {
	folder, err := os.MkdirTemp(b.folder, name+"-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &server{name: name, address: address, cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{})}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = folder, log, log
	// Not in the terminal's group: a Ctrl-C is for the bench, which ends the rest.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // however it ends
		close(s.ended)
	}()
	b.mu.Lock()
	b.servers = append(b.servers, s)
	b.mu.Unlock()
	return s, nil
}

// serve starts a program and waits until it listens.
func (b *bench) serve(ctx context.Context, name, address string, args ...string) (*server, error) {
	s, err := b.start(name, address, args...)
	if err != nil {
		return nil, err
	}
	return s, s.awaitListening(ctx)
}

func (s *server) awaitListening(ctx context.Context) error {
	err := await(ctx, s.name+" listens", ready, func(ctx context.Context) error {
		select {
		case <-s.ended:
			return errors.New("it has ended")
		default:
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", s.address)
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.cmd.Dir, "log"))
		err = fmt.Errorf("%w\n%s", err, log)
	}
	return err
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.address)
	return port
}

// end kills the server and waits until it is gone.
func (s *server) end() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
}

// cpu returns the processor time that the server has used, all its threads
// together, those that ended included.
func (s *server) cpu() (time.Duration, error) {
	// How the kernel names the clock of another process.
	const schedulerClock = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^s.pid()<<3|schedulerClock), &t)
	return time.Duration(t.Nano()), err
}

// resident returns the bytes of memory that the server has.
func (s *server) resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s: no VmRSS", s.name)
}

// freeAddress returns a loopback address that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ask sends one command on a connection of its own.
func ask(ctx context.Context, address string, args ...string) (resp.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	c, err := resp.Dial(ctx, address)
	if err != nil {
		return resp.Value{}, err
	}
	defer c.Close()
	v, err := c.Do(ctx, args...)
	if err != nil {
		err = fmt.Errorf("%s: %s: %w", address, args[0], err)
	}
	return v, err
}

// info returns a field of an engine's INFO.
func info(ctx context.Context, address, section, field string) (string, error) {
	v, err := ask(ctx, address, "INFO", section)
	return infoField(v.Str, field), err
}

func infoField(text, field string) string {
	for line := range strings.Lines(text) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name == field {
			return value
		}
	}
	return ""
}

// await asks again and again until there is no error, or the deadline passes.
func await(ctx context.Context, what string, within time.Duration, done func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		if sleep(ctx, 5*time.Millisecond) != nil {
			return fmt.Errorf("not within %v: %s: %w", within, what, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
