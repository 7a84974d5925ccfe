package proxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
	"golang.org/x/sys/unix"
)

// faulty listens like an engine and lets the proxy in; behave then has the
// connection and the first command behind the greeting.
func faulty(t *testing.T, behave func(c net.Conn, command []string)) *engine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				c := resp.NewConn(conn)
				for {
					command, err := c.ReadCommand()
					if err != nil {
						return
					}
					switch command[0] {
					case "HELLO":
						io.WriteString(conn, "%0\r\n")
					case "INFO", "PING":
						io.WriteString(conn, "+PONG\r\n")
					default:
						behave(conn, command)
					}
				}
			}()
		}
	}()
	return &engine{t: t, addr: l.Addr().String()}
}

// An engine that dies in the middle of a reply leaves its client nothing but a
// closed connection; others are told, or served again.
func TestEngineDiesInMidReply(t *testing.T) {
	broken := false
	e := faulty(t, func(c net.Conn, command []string) {
		if command[1] == "half" && !broken {
			broken = true
			io.WriteString(c, "$1000000\r\n"+strings.Repeat("x", 100_000))
			c.Close()
			return
		}
		fmt.Fprintf(c, "$%d\r\n%s\r\n", len(command[1]), command[1])
	})
	r := startProxy(t, e)
	half, other := r.dial(2), r.dial(2)
	half.Write(resp.AppendCommand(nil, "GET", "half"))
	half.Flush()
	half.SetDeadline(time.Now().Add(10 * time.Second))
	if v, err := half.ReadValue(); err == nil {
		t.Errorf("half a reply was made whole: %d bytes", len(v.Str))
	}
	if got := r.say(other, "GET whole"); got != "whole" {
		t.Errorf("got %s", got)
	}
}

// An engine that does not answer holds up nobody on other shards, and once it
// is gone its writers are told that the outcome is not known.
func TestEngineHangs(t *testing.T) {
	hung, well := startEngine(t), startEngine(t)
	r := startProxy(t, hung, well)
	c, other := r.dial(2), r.dial(2)
	r.steps(c, [][2]string{{"SET b 1", "OK"}, {"SET foo 1", "OK"}}...) // on the first shard, on the second
	hung.cmd.Process.Signal(syscall.SIGSTOP)
	reply := r.later(c, "INCR", "b")
	for range 50 {
		if got := r.say(other, "GET foo"); got != "1" {
			t.Fatal(got)
		}
	}
	hung.kill()
	if got := reply(); got != "-"+errOutcome {
		t.Errorf("got %s", got)
	}
	if n := r.stats().Counts.Unknown; n != 1 {
		t.Errorf("%d unknown outcomes counted", n)
	}
}

// Errors of the proxy's own are counted by reason, and patience is a setting.
func TestTroublesAreCounted(t *testing.T) {
	r := newRig(t, Config{Patience: 20 * time.Millisecond, FencePatience: 20 * time.Millisecond, MaxInput: 1 << 20}, startEngine(t))
	r.serveUntil(1 << 62)
	address := r.endpoint().Ranges[0].Address
	r.endpoint().Ranges[0].Address = ""
	r.apply()
	c := r.dial(2)
	r.steps(c, [][2]string{{"GET k", "-" + errNoMaster}, {"BLPOP q 0", "-" + errReach}}...)
	r.endpoint().Ranges[0].Address = address
	r.endpoint().Ranges[0].Generation++
	r.apply()
	r.serveUntil(0)
	r.steps(c, [2]string{"GET k", "-" + errContact})
	r.steps(r.dial(2), [2]string{"BLPOP q 0", "-" + errContact})
	r.serveUntil(1 << 62)
	long := r.dial(2)
	long.Write([]byte("*2\r\n$3\r\nGET\r\n$9000000\r\n" + strings.Repeat("x", 3<<20)))
	long.Flush()
	bad := r.dial(2)
	bad.Write([]byte("*x\r\n"))
	bad.Flush()
	eventually(t, "all is counted", func() bool {
		n := r.stats().Counts
		return n.NoMaster == 1 && n.Unreachable == 1 && n.NoContact == 2 && n.LongInput == 1 && n.Malformed == 1
	})
}

const crowdAt = "HAULOUT_TEST_CROWD" // in the environment: where a crowd is wanted

// Ten thousand clients at once are served. They come from a process of their
// own, since both ends would need twice as many descriptors.
func TestTenThousandClients(t *testing.T) {
	const clients = 10_000
	if addr := os.Getenv(crowdAt); addr != "" {
		crowd(t, addr, clients)
		return
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < clients*5/4 { // an eighth is not for clients
		t.Skipf("%d descriptors are too few: %v", limit.Cur, err)
	}
	r := startProxy(t, startEngine(t))
	cmd := exec.Command(os.Args[0], "-test.run", "^TestTenThousandClients$")
	cmd.Env = append(os.Environ(), crowdAt+"="+r.addr())
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	leave, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	eventually(t, "all are there and served twice", func() bool { return r.stats().Commands >= 4*clients })
	if n := r.stats().Connections; n != clients {
		t.Errorf("%d connections", n)
	}
	leave.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said.String())
	}
}

// crowd opens connections, uses each twice and stays until told to leave.
func crowd(t *testing.T, addr string, clients int) {
	hello := resp.AppendCommand(resp.AppendCommand(nil, "AUTH", clientSecret), "GET", "none")
	const want = "+OK\r\n$-1\r\n"
	conns := make([]net.Conn, clients)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		conns[i] = c
	}
	defer io.Copy(io.Discard, os.Stdin)
	for range 2 {
		for _, c := range conns {
			c.Write(hello)
		}
		got := make([]byte, len(want))
		for i, c := range conns {
			if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
				t.Fatalf("client %d: %q, %v", i, got, err)
			}
		}
	}
}

// What waits for a turn, because more of a pipeline is under way, is not held until that
// has come.
func TestReplyBeforeOneThatHangs(t *testing.T) {
	hung, well := startEngine(t), startEngine(t)
	r := startProxy(t, hung, well)
	c := r.dial(2)
	r.steps(c, [][2]string{{"SET b 1", "OK"}, {"SET foo 1", "OK"}}...)
	hung.cmd.Process.Signal(syscall.SIGSTOP)
	r.send(c, "GET foo", "GET b", "GET foo")
	r.answers(c, "1")
	hung.cmd.Process.Signal(syscall.SIGCONT)
	r.answers(c, "1", "1")
}
