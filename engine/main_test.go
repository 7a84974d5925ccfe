package engine

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
	"go.uber.org/goleak"
)

// TestMain lets the test binary stand in for another program: one that starts
// an engine and dies, or one that carries out a hand-over.
func TestMain(m *testing.M) {
	switch os.Getenv("ENGINE_TEST_ROLE") {
	case "starter":
		starterMain()
	case "executor":
		executorMain()
	default:
		flag.Parse()
		flag.Set("test.parallel", "8") // the tests mostly wait
		goleak.VerifyTestMain(m)
	}
}

var testUsers = Users{Agent: "agent-secret", Replica: "replica-secret", Proxy: "proxy-secret"}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func testBinary(t testing.TB) Binary {
	t.Helper()
	b, err := Find("")
	if err != nil {
		t.Skip(err)
	}
	return b
}

// The engines of one test process have a loopback address of their own, so that
// no outgoing connection takes a port that was free a moment ago.
var (
	testAddress = fmt.Sprintf("127.%d.%d.1", 1+os.Getpid()/250%250, 1+os.Getpid()%250)
	lastPort    atomic.Int32
)

func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 20_000 + int(lastPort.Add(1))
		c, err := net.Dial("tcp", Source{testAddress, port}.String())
		if err != nil {
			return port
		}
		c.Close()
	}
}

func testSpec(t testing.TB, name string, source *Process) Spec {
	s := Spec{
		Name: name, Dir: filepath.Join(t.TempDir(), name), Binary: testBinary(t),
		Address: testAddress, Port: freePort(t), Users: testUsers,
	}
	if source != nil {
		from := source.source()
		s.Source = &from
	}
	return s
}

// start runs an engine until the test ends.
func start(t testing.TB, s Spec) *Process {
	t.Helper()
	p, err := Start(bounded(t), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); p.Close() })
	return p
}

// startMaster and startReplica return when the engine is ready.
func startMaster(t testing.TB, name string) *Process {
	t.Helper()
	p := start(t, testSpec(t, name, nil))
	eventually(t, "master is up", func() bool { return p.Observe(bounded(t)).State == Up })
	return p
}

func startReplica(t testing.TB, name string, source *Process) *Process {
	t.Helper()
	p := start(t, testSpec(t, name, source))
	eventually(t, "replica is linked", func() bool {
		return linked(p.Observe(bounded(t))) && slices.Contains(source.Observe(bounded(t)).Feeds(), p.source())
	})
	return p
}

func linked(o Observation) bool { return o.State == Up && o.LinkUp && !o.Syncing }

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// ask sends one command as user agent.
func ask(t testing.TB, i Instance, args ...string) resp.Value {
	t.Helper()
	ctx := bounded(t)
	c, err := i.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Do(ctx, args...)
	if err != nil {
		t.Fatalf("%s: %s: %v", i.Name, strings.Join(args, " "), err)
	}
	return v
}

// asProxy connects as the proxies do.
func asProxy(ctx context.Context, i Instance) (*resp.Conn, error) { return as(ctx, i, "proxy") }

// as connects as proxies do for one of the users of clients.
func as(ctx context.Context, i Instance, user string) (*resp.Conn, error) {
	c, err := resp.Dial(ctx, i.source().String())
	if err != nil {
		return nil, err
	}
	if _, err := c.Do(ctx, "AUTH", user, testUsers.Proxy); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func dialProxy(t testing.TB, i Instance) *resp.Conn {
	t.Helper()
	c, err := asProxy(bounded(t), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// another runs the test binary in a role of TestMain.
func another(t testing.TB, role string, settings ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(settings, "ENGINE_TEST_ROLE="+role)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func starterMain() {
	var port int
	fmt.Sscan(os.Getenv("PORT"), &port)
	b, err := Find("")
	if err == nil {
		_, err = Start(context.Background(), Spec{
			Name: "1.1", Dir: os.Getenv("DIR"), Binary: b, Address: os.Getenv("ADDRESS"), Port: port, Users: testUsers,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
