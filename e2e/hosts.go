package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/haulout/haulout/e2e/lan"
)

// Hosts are some hosts on one machine. Host n has the address and the folder
// of that number. Safe for concurrent use as long as each host is.
type Hosts struct {
	Binary  string // the haulout binary; an absolute path
	Folder  string // where the hosts' folders are; an absolute path
	Network string // the addresses' first three numbers: "127.0.0."
	// LAN, if there is one, is where the hosts are, instead of on loopback
	// addresses. The folder's sockets are reached from everywhere.
	LAN *lan.LAN
}

const (
	startDeadline = 60 * time.Second
	killDeadline  = 20 * time.Second
)

// Address is the host's IP.
func (h *Hosts) Address(n int) string { return fmt.Sprintf("%s%d", h.Network, n) }

// Data is the host's data folder.
func (h *Hosts) Data(n int) string { return filepath.Join(h.Folder, fmt.Sprintf("node%d", n)) }

// Socket is where the host's daemon listens for its own operator.
func (h *Hosts) Socket(n int) string { return filepath.Join(h.Data(n), "haulout.sock") }

// Log is where the host's daemon writes to.
func (h *Hosts) Log(n int) string { return filepath.Join(h.Folder, fmt.Sprintf("node%d.log", n)) }

// Start starts the host's daemon, detached from this process, and waits until
// it answers on its socket.
func (h *Hosts) Start(ctx context.Context, n int) error {
	if err := os.MkdirAll(h.Data(n), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(h.Log(n), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(h.Binary, "serve", "--data", h.Data(n), "--address", h.Address(n))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = h.Folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C here is none there
	if err := h.startOn(n, cmd); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return h.awaitSocket(ctx, n, ended)
}

func (h *Hosts) startOn(n int, cmd *exec.Cmd) error {
	if h.LAN != nil {
		return h.LAN.Start(n, cmd)
	}
	return cmd.Start()
}

// dial is how clients reach the hosts; nil is the ordinary way.
func (h *Hosts) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	if h.LAN != nil {
		return h.LAN.DialFrom(0)
	}
	return nil
}

func (h *Hosts) awaitSocket(ctx context.Context, n int, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(ctx, h.Socket(n)) {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("host %d: the daemon ended before it answered: %v\n%s", n, err, h.LogTail(n, 10))
		case <-ctx.Done():
			return fmt.Errorf("host %d: the daemon does not answer on %s: %w\n%s", n, h.Socket(n), ctx.Err(), h.LogTail(n, 10))
		case <-tick.C:
		}
	}
}

func answers(ctx context.Context, socket string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// KillDaemon ends the host's daemon with kill -9 and leaves its proxy and
// engines alone.
func (h *Hosts) KillDaemon(n int) error {
	return endAll(func() ([]Process, error) {
		all, err := h.Processes(n)
		return slices.DeleteFunc(all, func(p Process) bool { return !slices.Contains(p.Args, "serve") }), err
	})
}

// Kill ends every process of the host with kill -9, as a power cut would: the
// daemon first, so that it sees nothing of the others' end.
func (h *Hosts) Kill(n int) error {
	if err := h.KillDaemon(n); err != nil {
		return err
	}
	return endAll(func() ([]Process, error) { return h.Processes(n) })
}

// Processes returns what runs on the host.
func (h *Hosts) Processes(n int) ([]Process, error) { return Processes(h.Data(n), h.Binary) }

// Down ends every process of every host, and what this program itself left
// running in the folder, and removes the folder.
func (h *Hosts) Down() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = endAll(func() ([]Process, error) { return Processes(h.Folder, h.Binary, self) })
	return errors.Join(err, os.RemoveAll(h.Folder))
}

// CLI runs the haulout command as host n's operator. What it prints goes to out
// as it comes; the error repeats what it complained of.
func (h *Hosts) CLI(ctx context.Context, out io.Writer, n int, words ...string) error {
	return h.run(ctx, out, out, n, words)
}

// Ask runs the haulout command as host n's operator and returns what it
// answered.
func (h *Hosts) Ask(ctx context.Context, n int, words ...string) (string, error) {
	var answer bytes.Buffer
	err := h.run(ctx, &answer, io.Discard, n, words)
	return answer.String(), err
}

func (h *Hosts) run(ctx context.Context, out, complaints io.Writer, n int, words []string) error {
	cmd := exec.CommandContext(ctx, h.Binary, append([]string{"--socket", h.Socket(n)}, words...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, io.MultiWriter(&said, complaints)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("haulout %s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(said.String()))
	}
	return nil
}

// LogTail returns the last lines of the host's log.
func (h *Hosts) LogTail(n, lines int) string {
	b, err := os.ReadFile(h.Log(n))
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
