package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/e2e/load"
)

const (
	writersPerDatabase = 8
	writesPerSecond    = 900 // of each database; together 2,700
)

// Clients write to all databases, and one of them, the control, to an untouched
// engine beside the cluster.
type Clients struct {
	writers []*load.Writer
	control *load.Writer
	closers []func() error
	stop    context.CancelFunc
	running sync.WaitGroup
}

// StartClients starts writing with a client of each database as connect makes
// them. keys is as in [load.Config]. The control engine runs in the hosts' folder
// and ends with them.
func (c *Cluster) StartClients(ctx context.Context, keys int, connect func(database string) *redis.Client) (*Clients, error) {
	c.say("starting clients: %d writes a second, and a control on an untouched redis-server", len(databases)*writesPerSecond)
	address, err := c.startControl(ctx)
	if err != nil {
		return nil, err
	}
	all := &Clients{}
	config := load.Config{Workers: writersPerDatabase, Rate: writesPerSecond, Keys: keys}
	for _, d := range databases {
		client := connect(d.Name)
		all.closers = append(all.closers, client.Close)
		config.Name = d.Name
		all.writers = append(all.writers, load.New(client, config))
	}
	client := redis.NewClient(&redis.Options{Addr: address})
	all.closers = append(all.closers, client.Close)
	config.Name = "control"
	all.control = load.New(client, config)

	ctx, all.stop = context.WithCancel(ctx)
	for _, w := range append(all.writers[:len(all.writers):len(all.writers)], all.control) {
		all.running.Go(func() { w.Run(ctx) })
	}
	return all, nil
}

// Stop ends the writing, not the connections.
func (all *Clients) Stop() {
	all.stop()
	all.running.Wait()
}

// Close ends everything.
func (all *Clients) Close() {
	all.Stop()
	for _, f := range all.closers {
		_ = f() // the connections may be gone already
	}
}

// Verify reads back every acknowledged write.
func (all *Clients) Verify(ctx context.Context) error {
	for _, w := range all.writers {
		if err := w.Verify(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Figures returns what the databases' clients counted together, and what the
// control did.
func (all *Clients) Figures() (sum, control load.Figures) {
	for _, w := range all.writers {
		sum = sum.Plus(w.Figures())
	}
	return sum, all.control.Figures()
}

// startControl runs an engine that nobody touches.
func (c *Cluster) startControl(ctx context.Context) (address string, err error) {
	binary, err := engineBinary()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(c.Folder, "control")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(binary, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--logfile", filepath.Join(folder, "log"))
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go func() { _ = cmd.Wait() }() // Hosts.Down ends it
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return address, await(ctx, "the control engine listens", 20*time.Second, func(ctx context.Context) (bool, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return false, err
		}
		return true, conn.Close()
	})
}

func engineBinary() (string, error) {
	for _, name := range engineNames {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("neither redis-server nor valkey-server is installed; run scripts/setup")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// KeepWriting writes until ctx ends, over the same few keys again and again,
// and tells every ten seconds how it goes.
func (c *Cluster) KeepWriting(ctx context.Context) error {
	all, err := c.StartClients(ctx, 1000, c.Client)
	if err != nil {
		return err
	}
	defer all.Close()
	for sleep(ctx, 10*time.Second) == nil {
		sum, control := all.Figures()
		c.say("%s: %s; control: longest %s", time.Now().Format(time.TimeOnly), summary(sum), milliseconds(control.Longest.Took))
	}
	return nil
}
