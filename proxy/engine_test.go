package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

const (
	agentSecret = "agent-secret"
	proxySecret = "proxy-secret"
	proxyRights = "~* &* +@all -@admin -@dangerous +info +keys +flushall +flushdb +sort +sort_ro +restore +slowlog|get +slowlog|len +slowlog|reset +client|unblock"
)

var proxyRuleWords = strings.Fields(proxyRights)

// engine is a real redis-server as the agents run it.
type engine struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
	// users are those of clients besides proxy, with their rules.
	users map[string]string
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func startEngine(t testing.TB) *engine {
	return startEngineOn(t, freePort(t))
}

func startEngineOn(t testing.TB, port int) *engine {
	t.Helper()
	dir := t.TempDir()
	acl := fmt.Sprintf("user default off\nuser agent on >%s ~* &* +@all\nuser proxy on >%s %s\n", agentSecret, proxySecret, proxyRights)
	if err := os.WriteFile(filepath.Join(dir, "users.acl"), []byte(acl), 0o600); err != nil {
		t.Fatal(err)
	}
	e := &engine{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	e.t, _ = t.(*testing.T)
	e.cmd = exec.Command("redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir,
		"--aclfile", filepath.Join(dir, "users.acl"), "--masteruser", "agent", "--masterauth", agentSecret,
		"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb",
		"--replica-serve-stale-data", "no", "--client-output-buffer-limit", "replica 0 0 0")
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.kill)
	eventually(t, "engine answers", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c, err := e.dial(ctx)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return e
}

// dial connects as the agent.
func (e *engine) dial(ctx context.Context) (*resp.Conn, error) {
	c, err := resp.Dial(ctx, e.addr)
	if err != nil {
		return nil, err
	}
	if _, err := c.Do(ctx, "AUTH", "agent", agentSecret); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (e *engine) kill() {
	e.cmd.Process.Kill()
	e.cmd.Wait()
}

// do runs one command as the agent.
func (e *engine) do(t testing.TB, args ...string) resp.Value {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := e.dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Do(ctx, args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return v
}

// info returns one field of INFO.
func (e *engine) info(t testing.TB, section, field string) string {
	t.Helper()
	return infoField(e.do(t, "INFO", section).Str, field)
}

func infoField(info, field string) string {
	for line := range strings.Lines(info) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name == field {
			return value
		}
	}
	return ""
}

// calls returns how often an engine executed a command, from its commandstats.
func calls(stats, name string) int {
	_, rest, _ := strings.Cut(infoField(stats, "cmdstat_"+name), "calls=")
	count, _, _ := strings.Cut(rest, ",")
	n, _ := strconv.Atoi(count)
	return n
}

func (e *engine) replicate(t testing.TB, from *engine) {
	t.Helper()
	host, port, _ := net.SplitHostPort(from.addr)
	e.do(t, "REPLICAOF", host, port)
	eventually(t, "replica linked", func() bool { return e.info(t, "replication", "master_link_status") == "up" })
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
