package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
	"github.com/redis/go-redis/v9"
)

// load is a set of clients, each of which counts a key of its own upwards. A
// reply that is not exactly the last one plus one means that a write was lost or
// executed twice.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	writes atomic.Int64
	mu     sync.Mutex
	errs   []error
}

// startLoad runs n clients without retries.
func (r *rig) startLoad(n int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	r.t.Cleanup(func() { l.cancel(); l.done.Wait() })
	for i := range n {
		c := r.redis(2 + i%2)
		if len(r.endpoint().Users) > 0 && i%3 > 0 {
			c = r.redisAs("app", 2+i%2)
		}
		l.done.Go(func() { l.count(ctx, c, fmt.Sprintf("counter:%d", i)) })
	}
	eventually(r.t, "load runs", func() bool { return l.writes.Load() > 200 })
	return l
}

func (l *load) count(ctx context.Context, c *redis.Client, key string) {
	for want := int64(1); ctx.Err() == nil; want++ {
		got, err := c.Incr(ctx, key).Result()
		if err == nil && got != want {
			err = fmt.Errorf("%s: got %d, want %d", key, got, want)
		}
		if err == nil && want%3 == 0 {
			err = l.read(ctx, c, key, want)
		}
		if errors.Is(err, io.ErrShortWrite) {
			// Only while go-redis hands a connection over: it lets two write on it.
			l.count(ctx, c, key+"+")
			return
		}
		if err != nil {
			if ctx.Err() == nil {
				l.mu.Lock()
				l.errs = append(l.errs, err)
				l.mu.Unlock()
			}
			return
		}
		l.writes.Add(1)
	}
}

func (l *load) read(ctx context.Context, c *redis.Client, key string, want int64) error {
	got, err := c.Get(ctx, key).Int64()
	if err == nil && got != want {
		return fmt.Errorf("%s: read %d, want %d", key, got, want)
	}
	return err
}

// goesOn waits until the load has made progress.
func (l *load) goesOn(t testing.TB) {
	t.Helper()
	before := l.writes.Load()
	eventually(t, "load goes on", func() bool { return l.writes.Load() > before+200 || l.failed() })
}

func (l *load) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.errs) > 0
}

// end stops the load and fails the test if a client saw an error.
func (l *load) end(t testing.TB) {
	t.Helper()
	l.cancel()
	l.done.Wait()
	for _, err := range l.errs {
		t.Error(err)
	}
}

// switchMaster hands a range over from one engine to the other as the executor
// does: pause, equal offsets, demote with the proxy's rights, promote.
func switchMaster(t testing.TB, from, to *engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	old, err := from.dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if _, err := old.Do(ctx, "CLIENT", "PAUSE", "3000", "WRITE"); err != nil {
		t.Fatal(err)
	}
	reach(t, to, from.info(t, "replication", "master_repl_offset"))
	host, port, _ := net.SplitHostPort(to.addr)
	commands := [][]string{{"MULTI"}, {"INFO", "replication"}, {"REPLICAOF", host, port}, {"ACL", "SETUSER", "proxy", "off", "-@all"}}
	for name := range from.users {
		commands = append(commands, []string{"ACL", "SETUSER", name, "off", "-@all"})
	}
	values, err := old.Pipeline(ctx, append(commands, []string{"CLIENT", "UNPAUSE"}, []string{"EXEC"})...)
	if err != nil || values[len(values)-1].IsError() {
		t.Fatal(values, err)
	}
	reach(t, to, infoField(values[len(values)-1].Array[0].Str, "master_repl_offset"))
	to.do(t, "REPLICAOF", "NO", "ONE")
	to.users = from.users
	giveRights(t, to)
}

// handOver makes another engine the master, under a hold every other time, and waits until
// the former one follows it.
func (r *rig) handOver(from, to *engine, generation int64) {
	r.t.Helper()
	if generation%2 == 0 {
		r.client.Hold(r.ctx(), Hold{rangeID(0), generation, 5 * time.Second})
	}
	switchMaster(r.t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), generation, to.addr})
	eventually(r.t, "old master linked", func() bool { return from.info(r.t, "replication", "master_link_status") == "up" })
}

func giveRights(t testing.TB, e *engine) {
	t.Helper()
	e.do(t, append([]string{"ACL", "SETUSER", "proxy", "on"}, proxyRuleWords...)...)
	for name, rules := range e.users {
		e.allow(t, name, rules)
	}
}

// allow makes a user of clients, as the agents do.
func (e *engine) allow(t testing.TB, name, rules string) {
	t.Helper()
	if e.users == nil {
		e.users = map[string]string{}
	}
	e.users[name] = rules
	e.do(t, append([]string{"ACL", "SETUSER", name, "reset", "on", ">" + proxySecret}, strings.Fields("&__haulout:* "+rules+" -@admin -@dangerous")...)...)
}

// reach waits until a replica has everything up to an offset.
func reach(t testing.TB, replica *engine, offset string) {
	t.Helper()
	want, _ := strconv.ParseInt(offset, 10, 64)
	eventually(t, "replica has reached "+offset, func() bool {
		got, _ := strconv.ParseInt(replica.info(t, "replication", "slave_repl_offset"), 10, 64)
		return got >= want
	})
}

// pair starts a master and a linked replica, on which the proxy has no rights.
func pair(t testing.TB) (master, replica *engine) {
	master, replica = startEngine(t), startEngine(t)
	replica.do(t, "ACL", "SETUSER", "proxy", "off", "-@all")
	replica.replicate(t, master)
	return master, replica
}

func TestHandoverWithHold(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	l := r.startLoad(16)
	for generation := int64(2); generation < 8; generation++ {
		drained, err := r.client.Hold(r.ctx(), Hold{Range: rangeID(0), Generation: generation, For: 5 * time.Second})
		if err != nil || !drained {
			t.Fatalf("hold: drained %v, %v", drained, err)
		}
		switchMaster(t, from, to)
		if err := r.client.Aim(r.ctx(), Aim{Range: rangeID(0), Generation: generation, Address: to.addr}); err != nil {
			t.Fatal(err)
		}
		from, to = to, from
		l.goesOn(t)
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
	}
	l.end(t)
	if s := r.stats(); s.Held == 0 || s.Retried > 0 {
		t.Errorf("held %d, retried %d", s.Held, s.Retried)
	}
}

// Without a hold and an aim the proxy finds out by the old master's refusals,
// and sends again when the routes say where.
func TestHandoverByRoutesOnly(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	l := r.startLoad(16)
	for range 4 {
		switchMaster(t, from, to)
		r.endpoint().Ranges[0].Generation++
		r.endpoint().Ranges[0].Address = to.addr
		r.apply()
		from, to = to, from
		l.goesOn(t)
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
	}
	l.end(t)
	if s := r.stats(); s.Retried == 0 {
		t.Error("nothing was sent again")
	}
}

// A pipelining client's commands stay in order through a hand-over.
func TestHandoverKeepsPipelinesInOrder(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c := r.dial(2)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- pipeline(r, c, stop) }()
	l := r.startLoad(4)
	switchMaster(t, from, to)
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = to.addr
	r.apply()
	l.goesOn(t)
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.end(t)
}

// pipeline sends batches in which each command's reply depends on the one before.
func pipeline(r *rig, c *resp.Conn, stop chan struct{}) error {
	for n := int64(0); ; {
		select {
		case <-stop:
			return nil
		default:
		}
		cmds := make([][]string, 100)
		for i := range cmds {
			cmds[i] = []string{[]string{"INCR", "GET"}[i%2], "chain"}
		}
		values, err := c.Pipeline(r.ctx(), cmds...)
		if err != nil {
			return err
		}
		for i, v := range values {
			n += int64(1 - i%2)
			if v.Text() != strconv.FormatInt(n, 10) {
				return fmt.Errorf("command %d: got %s, want %d", i, render(v), n)
			}
		}
	}
}

// A hand-over that is taken back: the rights come back on the same master.
func TestHandoverTakenBack(t *testing.T) {
	from, _ := pair(t)
	r := startProxy(t, from)
	l := r.startLoad(8)
	for range 3 {
		from.do(t, "ACL", "SETUSER", "proxy", "off", "-@all")
		giveRights(t, from)
		l.goesOn(t)
	}
	l.end(t)
}

func TestHoldEnds(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	for name, end := range map[string]func(){
		"by release": func() { r.client.Release(r.ctx(), Release{rangeID(0), 9}) },
		"by itself":  func() {},
		"by routes": func() {
			r.endpoint().Ranges[0].Generation = 9
			r.apply()
		},
	} {
		length := time.Minute
		if name == "by itself" {
			length = 30 * time.Millisecond
		}
		r.endpoint().Ranges[0].Generation++
		r.apply()
		generation := r.endpoint().Ranges[0].Generation
		if generation < 9 {
			generation = 9
		} else {
			generation++
			end = func() { r.client.Release(r.ctx(), Release{rangeID(0), generation}) }
		}
		if drained, err := r.client.Hold(r.ctx(), Hold{rangeID(0), generation, length}); err != nil || !drained {
			t.Fatalf("%s: drained %v, %v", name, drained, err)
		}
		c.Write(resp.AppendCommand(nil, "INCR", "n"))
		c.Flush()
		eventually(t, "command is held", func() bool { return r.stats().Held > 0 })
		end()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if v, err := c.ReadValue(); err != nil || v.IsError() {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestStaleOrdersAreIgnored(t *testing.T) {
	old, now := startEngine(t), startEngine(t)
	r := startProxy(t, now)
	c := r.dial(2)
	r.do(c, "SET", "who", "now")
	old.do(t, "SET", "who", "old")
	r.endpoint().Ranges[0].Generation = 5
	r.apply()
	r.endpoint().Ranges[0] = RangeRoute{ID: rangeID(0), Last: 16383, Generation: 4, Address: old.addr}
	r.apply()
	r.client.Aim(r.ctx(), Aim{rangeID(0), 5, old.addr})
	if got := r.say(c, "GET who"); got != "now" {
		t.Errorf("served by %s", got)
	}
	if _, err := r.client.Hold(r.ctx(), Hold{rangeID(0), 5, time.Second}); err == nil {
		t.Error("hold for a generation that is over was taken")
	}
	r.routes.Revision = 0
	if err := r.client.Apply(r.ctx(), r.routes); err == nil {
		t.Error("older revision was taken")
	}
}

// An endpoint that has just left, or not come yet, has nothing to be held or aimed.
func TestOrdersForRangesOfOthers(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	if drained, err := r.client.Hold(r.ctx(), Hold{rangeID(9), 2, time.Second}); err != nil || !drained {
		t.Errorf("hold: drained %v, %v", drained, err)
	}
	if err := r.client.Aim(r.ctx(), Aim{rangeID(9), 2, e.addr}); err != nil {
		t.Errorf("aim: %v", err)
	}
	if err := r.client.Aim(r.ctx(), Aim{rangeID(9), 2, "nowhere"}); err == nil {
		t.Error("an aim at no address was taken")
	}
}

func TestLostShard(t *testing.T) {
	r := startProxy(t, startEngine(t))
	r.endpoint().Ranges[0].Address, r.endpoint().Ranges[0].Lost = "", true
	r.apply()
	if got := r.say(r.dial(2), "GET k"); got != "-"+errLost {
		t.Errorf("got %q", got)
	}
}

// An engine that dies leaves writes of unknown outcome, which are told, and
// everything else waits for its successor.
func TestKilledEngine(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	port, _ := strconv.Atoi(e.addr[len("127.0.0.1:"):])
	c := r.dial(2)
	r.do(c, "SET", "k", "v")
	e.do(t, "CLIENT", "PAUSE", "60000", "ALL")
	c.Write(resp.AppendCommand(resp.AppendCommand(nil, "INCR", "n"), "GET", "k"))
	c.Flush()
	eventually(t, "commands sent", func() bool { return r.stats().Commands >= 4 })
	e.kill()
	startEngineOn(t, port).do(t, "SET", "k", "new")
	c.SetDeadline(time.Now().Add(15 * time.Second))
	for _, want := range []string{"-" + errOutcome, "new"} {
		if v, err := c.ReadValue(); err != nil || !slices.Contains([]string{want, "nil"}, render(v)) {
			t.Errorf("got %s, %v; want %s", render(v), err, want)
		}
	}
}

// A command that the engine will never execute for the proxy gets its refusal,
// and holds up nobody for long.
func TestForeverForbidden(t *testing.T) {
	e := startEngine(t)
	e.do(t, "ACL", "SETUSER", "proxy", "-getex")
	r := startProxy(t, e)
	l := r.startLoad(4)
	c := r.dial(2)
	start := time.Now()
	if v := r.do(c, "GETEX", "k"); !v.IsError() || v.Str[:7] != "NOPERM " {
		t.Errorf("got %s", render(v))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	l.goesOn(t)
	l.end(t)
}

// Values that take many writes are whole in the end, whatever happens on the way.
func TestHandoverOfBigValues(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	stop, done := make(chan struct{}), make(chan error, 4)
	for i := range cap(done) {
		c := r.dial(2 + i%2)
		go func() { done <- bigWrites(r, c, "big"+strconv.Itoa(i), stop) }()
	}
	l := r.startLoad(4)
	for generation := int64(2); generation < 8; generation++ {
		if generation%2 == 0 {
			r.client.Hold(r.ctx(), Hold{rangeID(0), generation, 200 * time.Millisecond})
		}
		switchMaster(t, from, to)
		r.endpoint().Ranges[0].Generation, r.endpoint().Ranges[0].Address = generation, to.addr
		r.apply()
		l.goesOn(t)
		from, to = to, from
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
	}
	close(stop)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	l.end(t)
}

// bigWrites appends a megabyte at a time, so that the length tells of any
// command lost or executed twice.
func bigWrites(r *rig, c *resp.Conn, key string, stop chan struct{}) error {
	chunk := strings.Repeat("x", 1<<20)
	for n := 1; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		values, err := c.Pipeline(r.ctx(), []string{"APPEND", key, chunk}, []string{"STRLEN", key})
		if err != nil {
			return err
		}
		for _, v := range values {
			if v.Int != int64(n)<<20 {
				return fmt.Errorf("%s: got %s, want %d", key, render(v), n<<20)
			}
		}
		if n == 10 {
			n = 0
			if _, err := c.Do(r.ctx(), "DEL", key); err != nil {
				return err
			}
		}
	}
}

// An engine that breaks connections at random: what is not known to have been
// executed is told, and no reply goes to the wrong command.
func TestBrokenConnections(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	stop, done := make(chan struct{}), make(chan error, 8)
	for i := range cap(done) {
		c := r.dial(2 + i%2)
		go func() { done <- tolerant(r, c, "t"+strconv.Itoa(i), stop) }()
	}
	for range 30 {
		e.do(t, "CLIENT", "KILL", "USER", "proxy", "SKIPME", "yes")
		before := r.stats().Commands
		eventually(t, "commands go on", func() bool { return r.stats().Commands > before+100 || len(done) > 0 })
	}
	close(stop)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// tolerant counts upwards; after an unknown outcome either number is right.
func tolerant(r *rig, c *resp.Conn, key string, stop chan struct{}) error {
	for n := int64(0); ; {
		select {
		case <-stop:
			return nil
		default:
		}
		values, err := c.Pipeline(r.ctx(), []string{"INCR", key}, []string{"GET", key}, []string{"ECHO", key})
		if err != nil {
			return err
		}
		if incr := values[0]; incr.IsError() && incr.Str != errOutcome || !incr.IsError() && incr.Int != n+1 {
			return fmt.Errorf("%s: INCR behind %d: %s", key, n, render(incr))
		}
		got, _ := strconv.ParseInt(values[1].Str, 10, 64)
		if got != n+1 && !(values[0].IsError() && got == n) || values[2].Str != key {
			return fmt.Errorf("%s: GET behind %d: %s %s", key, n, render(values[1]), render(values[2]))
		}
		n = got
	}
}
