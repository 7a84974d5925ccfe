package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestObserveBothSides(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	for n := range 10 {
		ask(t, m.Instance, "SET", "k"+strconv.Itoa(n), "v")
	}
	r := startReplica(t, "1.2", m)
	ask(t, m.Instance, "SET", "more", "v")
	eventually(t, "replica has all", func() bool {
		return r.Observe(bounded(t)).Offset == m.Observe(bounded(t)).Offset
	})
	om, or := m.Observe(bounded(t)), r.Observe(bounded(t))
	if om.Role != Master || !om.Serving || om.Keys != 11 || om.SyncFull != 1 || om.UsedMemory == 0 || om.UsedMemoryDataset == 0 {
		t.Errorf("master %+v", om)
	}
	if len(om.Replicas) != 1 || om.Replicas[0].Source != r.source() || om.Replicas[0].State != "online" {
		t.Errorf("master's replicas %+v", om.Replicas)
	}
	if or.Role != Slave || or.Serving || !linked(or) || or.Source != m.source() || or.Keys != 11 || !or.Copied {
		t.Errorf("replica %+v", or)
	}
	if om.ReplID != or.ReplID || om.Offset == 0 || !or.ContinuesFrom(om) {
		t.Errorf("histories differ: master %+v, replica %+v", om, or)
	}
}

func TestContinuesFrom(t *testing.T) {
	source := Observation{ReplID: "b", ReplID2: "a", SecondOffset: 101, BacklogFirst: 51, BacklogBytes: 100}
	for _, c := range []struct {
		id     string
		offset int64
		want   bool
	}{
		{"b", 150, true}, {"b", 151, false}, {"b", 50, true}, {"b", 49, false},
		{"a", 100, true}, {"a", 101, false}, {"c", 100, false},
	} {
		if got := (Observation{ReplID: c.id, Offset: c.offset}).ContinuesFrom(source); got != c.want {
			t.Errorf("%s at %d: %v", c.id, c.offset, got)
		}
	}
	if (Observation{ReplID: "b"}).ContinuesFrom(Observation{ReplID: "b"}) {
		t.Error("continues from a source without a backlog")
	}
}

func TestObserveWithoutAnswer(t *testing.T) {
	t.Parallel()
	spec := testSpec(t, "1.1", nil)
	p := start(t, spec)
	if o := (Instance{Name: "9.9", Address: testAddress, Port: freePort(t), AgentPassword: "x"}).Observe(bounded(t)); o.State != Absent {
		t.Errorf("nobody there: %+v", o)
	}
	// The process is there and does not listen: as right after its start.
	ask(t, p.Instance, "CONFIG", "SET", "port", "0")
	if o := p.Observe(bounded(t)); o.State != Starting || o.PID != p.PID {
		t.Errorf("not listening: %+v", o)
	}
	stranger := testSpec(t, "1.2", nil)
	stranger.Port = spec.Port
	start(t, stranger)
	if o := p.Observe(bounded(t)); o.State != Starting || !strings.Contains(o.Reason, "another process") {
		t.Errorf("a stranger on the port: %+v", o)
	}
}

// A copy is taken from a replica and then continued from the master: neither
// the master nor anybody else makes a second full copy.
func TestSeedFromReplicaThenFollowMaster(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	ask(t, m.Instance, "SET", "a", "1")
	r := startReplica(t, "1.2", m)
	seeded := startReplica(t, "1.3", r)
	ask(t, m.Instance, "SET", "a", "2")
	before := m.Observe(bounded(t))
	eventually(t, "the seeded replica could continue", func() bool {
		return seeded.Observe(bounded(t)).ContinuesFrom(m.Observe(bounded(t)))
	})
	for range 2 { // the second time changes nothing
		if err := seeded.Follow(bounded(t), m.source()); err != nil {
			t.Fatal(err)
		}
	}
	ask(t, m.Instance, "SET", "a", "3")
	eventually(t, "the seeded replica follows the master", func() bool {
		o := seeded.Observe(bounded(t))
		return linked(o) && o.Source == m.source() && o.Offset >= m.Observe(bounded(t)).Offset
	})
	after := m.Observe(bounded(t))
	if after.SyncFull != before.SyncFull || after.SyncPartialOK != before.SyncPartialOK+1 {
		t.Errorf("full copies %d -> %d, continued %d -> %d", before.SyncFull, after.SyncFull, before.SyncPartialOK, after.SyncPartialOK)
	}
}

func TestProxyRights(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	r := startReplica(t, "1.2", m)
	if _, err := asProxy(bounded(t), r.Instance); err == nil {
		t.Error("user proxy can log in on a replica")
	}
	c := dialProxy(t, m.Instance)
	ctx := bounded(t)
	dump := ""
	for _, words := range []string{
		"SET a 1", "GET a", "INFO", "ROLE", "KEYS *", "RPUSH l 2 1", "SORT l", "SORT_RO l", "SELECT 1", "SELECT 0",
		"CLIENT SETNAME x", "CLIENT ID", "HELLO 2", "PING", "PUBLISH c m", "FUNCTION LIST", "SCRIPT FLUSH", "WAIT 0 0",
		"MULTI", "INCR a", "EXEC", "CLIENT UNBLOCK 1", "CLIENT TRACKING ON", "FLUSHDB", "FLUSHALL", "SLOWLOG GET", "SLOWLOG LEN", "SLOWLOG RESET", "SET a 1", "DUMP a",
	} {
		v, err := c.Do(ctx, strings.Fields(words)...)
		if err != nil {
			t.Errorf("%s: %v", words, err)
		}
		dump = v.Str
	}
	if _, err := c.Do(ctx, "RESTORE", "b", "0", dump); err != nil {
		t.Errorf("RESTORE: %v", err)
	}
	for _, words := range []string{
		"CONFIG GET *", "REPLICAOF NO ONE", "ACL LIST", "ACL SETUSER proxy +@all", "SHUTDOWN", "SAVE", "BGSAVE", "MONITOR",
		"MODULE LIST", "CLIENT KILL TYPE normal", "CLIENT PAUSE 1", "CLIENT UNPAUSE", "CLIENT LIST", "CLIENT NO-EVICT ON", "FAILOVER", "PSYNC ? -1", "SYNC", "REPLCONF ACK 1",
		"MIGRATE 127.0.0.1 1 a 0 1", "SWAPDB 0 1", "LATENCY RESET", "CLUSTER RESET", "BGREWRITEAOF",
	} {
		if _, err := c.Do(ctx, strings.Fields(words)...); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s: %v", words, err)
		}
	}
	for _, call := range []string{"'config','get','*'", "'replicaof','no','one'", "'acl','list'", "'client','unblock','1'"} {
		if _, err := c.Do(ctx, "EVAL", "return redis.call("+call+")", "0"); err == nil {
			t.Errorf("script may call %s", call)
		}
	}
}

func TestOtherUsersRights(t *testing.T) {
	m := startMaster(t, "1.1")
	c := dialProxy(t, m.Instance)
	ctx := bounded(t)
	if _, err := c.Do(ctx, "AUTH", "replica", testUsers.Replica); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"GET a", "SET a 1", "CONFIG GET *", "INFO"} {
		if _, err := c.Do(ctx, strings.Fields(words)...); err == nil {
			t.Errorf("user replica may %s", words)
		}
	}
	if _, err := c.Do(ctx, "AUTH", "default", ""); err == nil {
		t.Error("user default can log in")
	}
}

func TestFenceAndAdmit(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	r := startReplica(t, "1.2", m)
	c := dialProxy(t, m.Instance)
	ctx := bounded(t)
	if err := m.Fence(ctx); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"GET a", "SET a 1", "PING"} {
		if _, err := c.Do(ctx, strings.Fields(words)...); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("fenced, %s: %v", words, err)
		}
	}
	if m.Observe(ctx).Serving {
		t.Error("fenced, and said to be serving")
	}
	sealed(t, m, func() error { return m.Admit(ctx) })
	if _, err := c.Do(ctx, "SET", "a", "1"); err != nil {
		t.Errorf("admitted: %v", err)
	}
	if err := m.Fence(ctx); err != nil {
		t.Fatal(err)
	}
	sealed(t, m, func() error { _, err := m.Serve(ctx); return err })
	if _, err := c.Do(ctx, "SET", "a", "2"); err != nil {
		t.Errorf("served: %v", err)
	}
	if err := r.Admit(ctx); err == nil || r.Observe(ctx).Serving {
		t.Errorf("admitted on a replica: %v", err)
	}
}

// sealed checks that what was under way before rights were given is not
// carried out after.
func sealed(t *testing.T, p *Process, give func() error) {
	t.Helper()
	other, err := p.Dial(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := give(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Do(bounded(t), takeRights...); err == nil {
		t.Error("an older connection can still take the rights")
	}
}

func TestServeAfterLoss(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	ask(t, m.Instance, "SET", "a", "1")
	r := startReplica(t, "1.2", m)
	ask(t, m.Instance, "SET", "b", "1")
	eventually(t, "replica has all", func() bool { return r.Observe(bounded(t)).Keys == 2 })
	ctx := bounded(t)
	history := m.Observe(ctx).ReplID
	if err := m.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ServeAfterLoss(ctx, "", strings.Repeat("0", 40), "another"); err == nil {
		t.Error("promoted with data of another history")
	}
	var replID string
	for range 2 { // the second time changes nothing
		p, err := r.ServeAfterLoss(ctx, history)
		if err != nil || p.PrevReplID != history || p.Offset == 0 || replID != "" && p.ReplID != replID {
			t.Fatalf("promotion %+v, %v", p, err)
		}
		replID = p.ReplID
	}
	if o := r.Observe(ctx); o.Role != Master || !o.Serving || o.ReplID != replID {
		t.Errorf("observed %+v", o)
	}
	if v, err := dialProxy(t, r.Instance).Do(ctx, "GET", "a"); err != nil || v.Str != "1" {
		t.Errorf("%v, %v", v, err)
	}
}

// A replica whose data a failed full copy has replaced in part must not be
// taken for a copy, though it still names the old history.
func TestIncompleteCopyIsNotEligible(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	ask(t, m.Instance, "SET", "a", "1")
	r := startReplica(t, "1.2", m)
	ask(t, m.Instance, "SET", "a", "2")
	ctx := bounded(t)
	history := m.Observe(ctx).ReplID
	eventually(t, "replica has all", func() bool { return r.Observe(ctx).Offset == m.Observe(ctx).Offset })
	brokenCopy := fakeSource(t)
	if err := r.Follow(ctx, brokenCopy); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the copy is known to be incomplete", func() bool { o := r.Observe(ctx); return o.State == Up && !o.Copied })
	if o := r.Observe(ctx); o.ReplID != history || o.Offset != 0 {
		t.Errorf("observed %+v", o)
	}
	if _, err := r.ServeAfterLoss(ctx, history, r.Observe(ctx).ReplID); err == nil {
		t.Error("promoted with half of its data")
	}
}

// fakeSource answers every replica with a full copy that it can not load. The
// replica notices after it has deleted what it had.
func fakeSource(t *testing.T) Source {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sendBrokenCopy(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return Source{"127.0.0.1", l.Addr().(*net.TCPAddr).Port}
}

func sendBrokenCopy(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch word := strings.ToUpper(strings.TrimSpace(line)); word {
		case "PING", "AUTH", "REPLCONF":
			io.WriteString(c, "+OK\r\n")
		case "PSYNC":
			dump := "REDIS9999 of a later version"
			fmt.Fprintf(c, "+FULLRESYNC %s 1000\r\n$%d\r\n%s", strings.Repeat("f", 40), len(dump), dump)
			io.Copy(io.Discard, r)
			return
		}
	}
}

func TestFrozenIsUnresponsive(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	unix.Kill(m.PID, unix.SIGSTOP)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if o := m.Instance.Observe(ctx); o.State != Unresponsive {
		t.Errorf("observed %+v", o)
	}
	unix.Kill(m.PID, unix.SIGCONT)
	eventually(t, "it answers again", func() bool { return m.Observe(bounded(t)).State == Up })
}

// A replica that came back is fed at once, which shows when it acknowledges.
func TestReplicasSayHowFarTheyAreWhenAsked(t *testing.T) {
	t.Parallel()
	m, r := pair(t)
	if o := m.Observe(bounded(t)); o.AwaitsAck() {
		t.Errorf("%+v", o.Replicas)
	}
	asked := func() int {
		list := strings.Split(ask(t, r.Instance, "INFO", "commandstats").Str, "cmdstat_replconf:calls=")
		if len(list) < 2 {
			return 0
		}
		n, _ := strconv.Atoi(list[1][:strings.IndexByte(list[1], ',')])
		return n
	}
	before := asked()
	if err := m.AskAcks(bounded(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica was asked", func() bool { return asked() > before })
}
