package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFind(t *testing.T) {
	b := testBinary(t)
	if !filepath.IsAbs(b.Path) || b.Version < "7" || b.Flavour != Redis && b.Flavour != Valkey {
		t.Errorf("found %+v", b)
	}
	if _, err := Find("no-such-engine"); err == nil {
		t.Error("found a program that does not exist")
	}
	if _, err := Find("true"); err == nil {
		t.Error("took true for an engine")
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]Binary{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc": {"/x/redis-server", Redis, "7.0.15"},
		"Valkey server v=8.1.0 sha=00000000:0 bits=64":         {"/x/redis-server", Valkey, "8.1.0"},
		"Redis server v=6.2.7 sha=00000000:0":                  {},
		"hello":                                                {},
	} {
		got, err := parseVersion("/x/redis-server", text)
		if got != want || (err != nil) != (want == Binary{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestStartServesAndStops(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	spec.MaxMemory, spec.Eviction, spec.AOF = 100<<20, "allkeys-lru", true
	spec.Events = "AnKEm"
	p := start(t, spec)
	o := p.Observe(bounded(t))
	if o.State != Up || o.Role != Master || !o.Serving || o.PID != p.PID || o.RunID == "" {
		t.Errorf("observed %+v", o)
	}
	if o.Flavour != spec.Binary.Flavour || o.Version != spec.Binary.Version {
		t.Errorf("it says %s %s, its program %s %s", o.Flavour, o.Version, spec.Binary.Flavour, spec.Binary.Version)
	}
	if got := ask(t, p.Instance, "CONFIG", "GET", "maxmemory").Strings()[1]; got != strconv.Itoa(100<<20+Backlog) {
		t.Errorf("maxmemory %s", got)
	}
	if got := ask(t, p.Instance, "CONFIG", "GET", "notify-keyspace-events").Strings()[1]; got != "AKEm" { // it does not name n
		t.Errorf("notify-keyspace-events %s", got)
	}
	if _, err := dialProxy(t, p.Instance).Do(bounded(t), "SET", "a", "1"); err != nil {
		t.Error(err)
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, configName: 0o600, usersName: 0o600, recordName: 0o600, logName: 0o600} {
		if s, err := os.Stat(filepath.Join(spec.Dir, name)); err != nil || s.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, s.Mode(), err)
		}
	}
	if args, _ := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cmdline"); strings.Contains(string(args), "secret") {
		t.Errorf("a password in the arguments: %q", args)
	}
	if err := p.Remove(); err == nil {
		t.Error("removed under a running process")
	}
	if err := p.Stop(bounded(t)); err != nil || p.Alive() {
		t.Errorf("stop: %v", err)
	}
	if o := p.Observe(bounded(t)); o.State != Absent {
		t.Errorf("observed %+v after the stop", o)
	}
	if err := p.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(spec.Dir); !os.IsNotExist(err) {
		t.Errorf("folder is still there: %v", err)
	}
}

func TestEngineIsDetached(t *testing.T) {
	p := startMaster(t, "1.1")
	own, _ := unix.Getsid(0)
	if sid, err := unix.Getsid(p.PID); err != nil || sid == own || sid != p.PID {
		t.Errorf("session %d, ours %d: %v", sid, own, err)
	}
}

func TestStartRefuses(t *testing.T) {
	good := testSpec(t, "1.1", nil)
	for name, change := range map[string]func(*Spec){
		"relative folder": func(s *Spec) { s.Dir = "here" },
		"host name":       func(s *Spec) { s.Address = "localhost" },
		"no password":     func(s *Spec) { s.Users.Proxy = "" },
		"same password":   func(s *Spec) { s.Users.Proxy = s.Users.Agent },
		"quote":           func(s *Spec) { s.Users.Replica = "a\"\nrequirepass x" },
		"no program":      func(s *Spec) { s.Binary.Path = "" },
		"missing program": func(s *Spec) { s.Binary.Path = "/no/such/engine" },
	} {
		bad := good
		change(&bad)
		if _, err := Start(bounded(t), bad); err == nil {
			t.Errorf("%s: started", name)
		}
	}
	if _, err := os.Stat(good.Dir); !os.IsNotExist(err) {
		t.Errorf("a failed start left its folder: %v", err)
	}
}

func TestStartOnTakenPort(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	l, err := net.Listen("tcp", Source{spec.Address, spec.Port}.String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Start(bounded(t), spec); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("error %v", err)
	}
	// The engine itself says it too, when the port is taken in between.
	if err := spec.makeFolder(); err != nil {
		t.Fatal(err)
	}
	p, err := spec.launch()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.firstLook(bounded(t)); err == nil || !errors.Is(err, ErrPort) || !strings.Contains(err.Error(), "listening") {
		t.Errorf("error %v", err)
	}
	noZombie(t, p.PID)
}

// A stranger that hangs takes no connections any more, and has the port all the same.
func TestStartOnThePortOfAStrangerThatHangs(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	at := unix.SockaddrInet4{Port: spec.Port, Addr: [4]byte(net.ParseIP(spec.Address).To4())}
	if err := errors.Join(unix.Bind(fd, &at), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.DialTimeout("tcp", Source{spec.Address, spec.Port}.String(), 100*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if _, err := Start(bounded(t), spec); !errors.Is(err, ErrPort) {
		t.Errorf("error %v", err)
	}
}

func TestStartReportsLastWords(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	spec.Eviction = "sometimes"
	_, err := Start(bounded(t), spec)
	if err == nil || !strings.Contains(err.Error(), "must be one of") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(spec.Dir); !os.IsNotExist(err) {
		t.Errorf("a failed start left its folder: %v", err)
	}
}

func TestStartRefusesUsedFolder(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	p := start(t, spec)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(bounded(t), spec); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v", err)
	}
	if err := Remove(spec.Dir); err != nil {
		t.Fatal(err)
	}
	start(t, spec)
}

func TestKilledEngineLeavesNoZombie(t *testing.T) {
	p := startMaster(t, "1.1")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	noZombie(t, p.PID)
	if err := p.Kill(); err != nil {
		t.Errorf("killing what is gone: %v", err)
	}
}

func noZombie(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("process %d: %v", pid, err)
	}
}

func TestWaitSeesTheEnd(t *testing.T) {
	p := startMaster(t, "1.1")
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := p.Wait(short); err != context.DeadlineExceeded {
		t.Errorf("wait: %v", err)
	}
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- p.Wait(bounded(t)) }()
	}
	unix.Kill(p.PID, unix.SIGKILL)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestStopKillsFrozen(t *testing.T) {
	p := startMaster(t, "1.1")
	unix.Kill(p.PID, unix.SIGSTOP)
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if o := p.Observe(short); o.State != Unresponsive {
		t.Errorf("observed %+v", o)
	}
	if err := p.Stop(short); err != nil || p.Alive() {
		t.Errorf("stop: %v", err)
	}
}

func TestAdoptAfterStarterDied(t *testing.T) {
	dir, port := filepath.Join(t.TempDir(), "1.1"), freePort(t)
	starter := another(t, "starter", "DIR="+dir, "ADDRESS="+testAddress, "PORT="+strconv.Itoa(port))
	if err := starter.Run(); err != nil {
		t.Fatal(err)
	}
	p := adopt(t, dir)
	if o := p.Observe(bounded(t)); o.State != Up || o.Role != Master {
		t.Errorf("observed %+v", o)
	}
	found, err := Scan(filepath.Dir(dir))
	if err != nil || len(found) != 1 || found[0] != dir {
		t.Errorf("scan: %v, %v", found, err)
	}
	if err := Remove(dir); err == nil {
		t.Error("removed under a running process")
	}
	if err := p.Stop(bounded(t)); err != nil {
		t.Error(err)
	}
	if _, running, err := Adopt(dir); running || err != nil {
		t.Errorf("adopted a stopped engine: %v", err)
	}
}

func adopt(t *testing.T, dir string) *Process {
	t.Helper()
	p, running, err := Adopt(dir)
	if err != nil || !running {
		t.Fatalf("not adopted: %v", err)
	}
	t.Cleanup(func() { p.Kill(); p.Close() })
	return p
}

func TestAdoptWhenNumberWasNotWritten(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	p := start(t, spec)
	if err := spec.record().save(spec.Dir); err != nil {
		t.Fatal(err)
	}
	if q := adopt(t, spec.Dir); q.PID != p.PID {
		t.Errorf("adopted %d instead of %d", q.PID, p.PID)
	}
	r, err := loadRecord(spec.Dir)
	if err != nil || r.PID != p.PID {
		t.Errorf("record %d, %v", r.PID, err)
	}
}

// A number that belongs to another process by now is neither adopted nor
// killed, whether only the number was reused or the folder is another one.
func TestStrangersAreLeftAlone(t *testing.T) {
	p := startMaster(t, "1.1")
	r, err := loadRecord(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	older := r
	older.Started--
	other := filepath.Join(t.TempDir(), "other")
	for dir, rec := range map[string]record{p.Dir: older, other: r} {
		os.MkdirAll(dir, 0o700)
		if err := rec.save(dir); err != nil {
			t.Fatal(err)
		}
		if _, running, err := Adopt(dir); running || err != nil {
			t.Errorf("%s: adopted a stranger: %v", dir, err)
		}
	}
	if err := Remove(other); err != nil || !p.Alive() {
		t.Errorf("remove: %v, alive %v", err, p.Alive())
	}
}

func TestAdoptDamagedRecord(t *testing.T) {
	p := startMaster(t, "1.1")
	if err := os.WriteFile(filepath.Join(p.Dir, recordName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Adopt(p.Dir); err == nil {
		t.Error("no error")
	}
	if err := Remove(p.Dir); err == nil || !p.Alive() {
		t.Error("removed under a running process")
	}
	if _, running, err := Adopt(filepath.Join(t.TempDir(), "none")); running || err != nil {
		t.Errorf("no folder: %v, %v", running, err)
	}
}

func TestInstanceKeepsItsPasswordToItself(t *testing.T) {
	i := Instance{Name: "1.1", Address: testAddress, Port: freePort(t), AgentPassword: "agent-secret"}
	data, err := json.Marshal(i)
	if err != nil || strings.Contains(string(data)+i.String(), "secret") {
		t.Errorf("%s, %v", data, err)
	}
	if _, err := i.Dial(bounded(t)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("dial: %v", err)
	}
	p := startMaster(t, "1.2")
	i.Port, i.AgentPassword = p.Port, "wrong-secret"
	if o := i.Observe(bounded(t)); o.State != Unresponsive || strings.Contains(o.Reason, "secret") {
		t.Errorf("observed %+v", o)
	}
}

func TestRecallWhenTheFolderIsGone(t *testing.T) {
	spec := testSpec(t, "1.1", nil)
	p := start(t, spec)
	if err := os.RemoveAll(spec.Dir); err != nil {
		t.Fatal(err)
	}
	if _, running, err := Adopt(spec.Dir); running || err != nil {
		t.Fatalf("adopted from a folder that is gone: %v", err)
	}
	again, running, err := Recall(spec)
	if !running || err != nil || again.PID != p.PID {
		t.Fatalf("recalled %+v %v %v", again, running, err)
	}
	if o := again.Observe(bounded(t)); o.State != Up || o.Role != Master {
		t.Errorf("%+v", o)
	}
	if err := again.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, running, err := Recall(spec); running || err != nil {
		t.Errorf("recalled a process that is gone: %v", err)
	}
}
