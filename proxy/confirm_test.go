package proxy

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
	"github.com/redis/go-redis/v9"
)

// confirming runs a proxy before a master and its replica, with min_replicas 1.
func confirming(t testing.TB, c Config, engines ...*engine) *rig {
	r := newRig(t, c, engines...)
	r.endpoint().MinReplicas = 1
	r.serveUntil(1 << 62)
	r.apply()
	return r
}

// freeze lets the engine stand still until it is thawed, by the test's end at the latest.
func (e *engine) freeze(t testing.TB) {
	t.Helper()
	if err := e.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func (e *engine) thaw() { _ = e.cmd.Process.Signal(syscall.SIGCONT) }

// promote makes the replica of a master that is gone the new one, as recovery does:
// first the proxy closes the old generation.
func (r *rig) promote(to *engine) {
	r.t.Helper()
	r.endpoint().Ranges[0].Address = ""
	r.apply()
	to.do(r.t, "REPLICAOF", "NO", "ONE")
	giveRights(r.t, to)
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = to.addr
	r.apply()
}

// tally counts up keys, a client for each, and remembers for each what was answered
// last. Errors are part of the game: the client goes on with another connection.
type tally struct {
	stop  context.CancelFunc
	done  sync.WaitGroup
	acked []atomic.Int64
	wrong atomic.Pointer[string]
}

func (r *rig) startTally(n int) *tally {
	ctx, cancel := context.WithCancel(context.Background())
	l := &tally{stop: cancel, acked: make([]atomic.Int64, n)}
	r.t.Cleanup(func() { cancel(); l.done.Wait() })
	for i := range l.acked {
		c := r.redis(2 + i%2)
		l.done.Go(func() { l.count(ctx, c, i) })
	}
	return l
}

func (l *tally) count(ctx context.Context, c *redis.Client, i int) {
	for ctx.Err() == nil {
		got, err := c.Incr(ctx, fmt.Sprintf("tally:%d", i)).Result()
		if err != nil {
			continue
		}
		if before := l.acked[i].Load(); got <= before {
			text := fmt.Sprintf("tally:%d was answered %d and then %d", i, before, got)
			l.wrong.CompareAndSwap(nil, &text)
		}
		l.acked[i].Store(got)
	}
}

func (l *tally) sum() (n int64) {
	for i := range l.acked {
		n += l.acked[i].Load()
	}
	return n
}

func (l *tally) goesOn(t testing.TB) {
	t.Helper()
	before := l.sum()
	eventually(t, "writes are answered", func() bool { return l.sum() > before+200 })
}

// The master is killed under load, again and again, its replica standing still for a
// moment before: what was answered is on the replica that takes over.
func TestConfirmedWritesOutliveTheMaster(t *testing.T) {
	master, replica := pair(t)
	r := confirming(t, Config{ConfirmFor: 300 * time.Millisecond}, master)
	l := r.startTally(16)
	for round := range 12 {
		l.goesOn(t)
		replica.freeze(t)
		before := writesOf(t, master)
		eventually(t, "the master executes more than its replica", func() bool { return writesOf(t, master) > before || round%2 == 0 })
		master.kill()
		acked := make([]int64, len(l.acked))
		for i := range acked {
			acked[i] = l.acked[i].Load()
		}
		replica.thaw()
		r.promote(replica)
		for i, want := range acked {
			if got := number(replica.do(t, "GET", fmt.Sprintf("tally:%d", i)).Str); got < want {
				t.Errorf("round %d: tally:%d was answered %d and is %d", round, i, want, got)
			}
		}
		master = replica
		replica = startEngine(t)
		replica.do(t, "ACL", "SETUSER", "proxy", "off", "-@all")
		replica.replicate(t, master)
	}
	l.goesOn(t)
	if wrong := l.wrong.Load(); wrong != nil {
		t.Error(*wrong)
	}
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func writesOf(t testing.TB, e *engine) int {
	t.Helper()
	return calls(e.do(t, "INFO", "commandstats").Str, "incr")
}

// While the replica stands still writes of every kind end with the error, once
// executed, and reads are answered.
func TestUnconfirmedWrites(t *testing.T) {
	master, replica := pair(t)
	r := confirming(t, Config{ConfirmFor: 50 * time.Millisecond}, master)
	long := strings.Repeat("x", longCommand)
	kinds := []struct {
		name  string
		words [][]string
	}{
		{"a write", [][]string{{"INCR", "n"}}},
		{"a long command", [][]string{{"SET", "long", long}}},
		{"a transaction", [][]string{{"MULTI"}, {"INCR", "n"}, {"EXEC"}}},
		{"a watched transaction", [][]string{{"WATCH", "n"}, {"MULTI"}, {"INCR", "n"}, {"EXEC"}}},
		{"a script", [][]string{{"EVAL", "return redis.call('incr', KEYS[1])", "1", "n"}}},
		{"a call that may block", [][]string{{"BLPOP", "list", "0"}}},
		{"a call that blocks not", [][]string{{"LPOP", "list"}}},
		{"many keys", [][]string{{"MSET", "a", "1", "b", "2"}}},
	}
	master.do(t, "RPUSH", "list", "1", "2", "3", "4")
	for _, version := range []int{2, 3} {
		for _, kind := range kinds {
			c := r.dial(version)
			replica.freeze(t)
			if got := r.last(c, kind.words); got != "-"+errUnconfirmed {
				t.Errorf("%s, with a replica that stands still: %q", kind.name, got)
			}
			if got := r.say(c, "EXISTS list"); got != "1" {
				t.Errorf("a read: %q", got)
			}
			replica.thaw()
			eventually(t, kind.name+" is confirmed", func() bool {
				master.do(t, "RPUSH", "list", "1")
				return !strings.HasPrefix(r.last(c, kind.words), "-")
			})
			c.Close()
		}
	}
	n := number(master.do(t, "GET", "n").Str)
	replica.freeze(t)
	if got := r.say(r.dial(2), "INCR n"); got != "-"+errUnconfirmed {
		t.Errorf("got %q", got)
	}
	if got := number(master.do(t, "GET", "n").Str); got != n+1 {
		t.Errorf("n was %d and is %d: an unconfirmed write is executed once", n, got)
	}
	replica.thaw()
	if s := r.stats(); s.Retried > 0 || s.Counts.Unknown == 0 {
		t.Errorf("retried %d, unknown %d", s.Retried, s.Counts.Unknown)
	}
}

// last says several commands and returns the last reply.
func (r *rig) last(c *resp.Conn, commands [][]string) (reply string) {
	for _, words := range commands {
		reply = render(r.do(c, words...))
	}
	return reply
}

// What a client has sent is answered in order, reads behind an unconfirmed write included.
func TestConfirmationKeepsTheOrder(t *testing.T) {
	master, _ := pair(t)
	r := confirming(t, Config{}, master)
	c := r.dial(2)
	for round := range 50 {
		var want []string
		for i := range 20 {
			key := fmt.Sprintf("k%d", i%3)
			c.Write(resp.AppendCommand(nil, "SET", key, fmt.Sprint(round, i)))
			c.Write(resp.AppendCommand(nil, "GET", key))
			want = append(want, "OK", fmt.Sprint(round, i))
		}
		c.Flush()
		for i, w := range want {
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if v, err := c.ReadValue(); err != nil || v.Str != w {
				t.Fatalf("round %d, reply %d: %v %v, want %s", round, i, v, err, w)
			}
		}
	}
}

// A hand-over in the midst is no failure: the new master has it all.
func TestHandoverConfirms(t *testing.T) {
	for name, told := range map[string]bool{"with a hold": true, "by routes only": false} {
		t.Run(name, func(t *testing.T) {
			from, to := pair(t)
			r := confirming(t, Config{}, from)
			l := r.startLoad(16)
			for generation := int64(2); generation < 8; generation++ {
				if told {
					if _, err := r.client.Hold(r.ctx(), Hold{Range: rangeID(0), Generation: generation, For: 5 * time.Second}); err != nil {
						t.Fatal(err)
					}
				}
				switchMaster(t, from, to)
				r.endpoint().Ranges[0].Generation = generation
				r.endpoint().Ranges[0].Address = to.addr
				if told {
					if err := r.client.Aim(r.ctx(), Aim{Range: rangeID(0), Generation: generation, Address: to.addr}); err != nil {
						t.Fatal(err)
					}
				} else {
					r.apply()
				}
				from, to = to, from
				l.goesOn(t)
				eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
			}
			l.end(t)
		})
	}
}

// pending sends a write that no replica confirms, and returns what becomes of it.
func (r *rig) pending(c *resp.Conn, master, replica *engine) func() string {
	r.t.Helper()
	replica.freeze(r.t)
	before := writesOf(r.t, master)
	reply := r.later(c, "INCR", "n")
	eventually(r.t, "the write is executed", func() bool { return writesOf(r.t, master) > before })
	return reply
}

// A hand-over answers what is held with its reply, any other change of master with
// the error, both at once.
func TestHeldRepliesWhenTheMasterChanges(t *testing.T) {
	master, replica := pair(t)
	other := startEngine(t)
	r := confirming(t, Config{ConfirmFor: time.Hour}, master)
	c := r.dial(2)
	reply := r.pending(c, master, replica)
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = other.addr
	r.apply()
	if got := reply(); got != "1" {
		t.Errorf("handed over: %q", got)
	}
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = master.addr
	r.apply()
	reply = r.pending(c, master, replica)
	r.endpoint().Ranges[0].Address = ""
	r.apply()
	if got := reply(); got != "-"+errUnconfirmed {
		t.Errorf("the master is gone: %q", got)
	}
	replica.thaw()
	r.endpoint().Ranges[0].Address = master.addr
	r.endpoint().Ranges[0].Generation++
	r.apply()
	if got := r.say(c, "INCR n"); got != "3" {
		t.Errorf("the master is there again: %q", got)
	}
}

// Behind the fence nothing is confirmed: another may be master by now.
func TestNothingIsConfirmedBehindTheFence(t *testing.T) {
	master, replica := pair(t)
	r := confirming(t, Config{ConfirmFor: time.Hour}, master)
	r.clock.Store(1000)
	r.serveUntil(2000)
	c := r.dial(2)
	reply := r.pending(c, master, replica)
	r.clock.Store(2000)
	replica.thaw()
	eventually(t, "the replica has it", func() bool {
		return replica.info(t, "replication", "slave_repl_offset") == master.info(t, "replication", "master_repl_offset")
	})
	r.endpoint().Ranges[0].Generation++
	r.endpoint().Ranges[0].Address = replica.addr
	r.apply()
	if got := reply(); got != "-"+errUnconfirmed {
		t.Errorf("got %q", got)
	}
}

// A line that breaks is no failure, as long as it is the same process that is asked again.
func TestQuestionIsAskedAgain(t *testing.T) {
	master, replica := pair(t)
	r := confirming(t, Config{ConfirmFor: time.Hour}, master)
	c := r.dial(2)
	reply := r.pending(c, master, replica)
	eventually(t, "the question is asked", func() bool { return blockedClients(master) == "1" })
	master.do(t, "CLIENT", "KILL", "USER", "proxy")
	replica.thaw()
	if got := reply(); got != "1" {
		t.Errorf("got %q", got)
	}
	// Another process at its address has lost it.
	reply = r.pending(c, master, replica)
	eventually(t, "the next question is asked", func() bool { return blockedClients(master) == "1" })
	master.kill()
	_, port, _ := net.SplitHostPort(master.addr)
	startEngineOn(t, int(number(port)))
	if got := reply(); got != "-"+errUnconfirmed {
		t.Errorf("another process: %q", got)
	}
	replica.thaw()
}

// The parts of a command on several shards are confirmed each by its own.
func TestPartsAreConfirmed(t *testing.T) {
	a, _ := pair(t)
	b, replica := pair(t)
	r := confirming(t, Config{ConfirmFor: 50 * time.Millisecond}, a, b)
	c := r.dial(2)
	words := []string{"MSET"}
	for i := range 10 {
		words = append(words, fmt.Sprint("k", i), "v")
	}
	eventually(t, "both parts are confirmed", func() bool { return r.last(c, [][]string{words}) == "OK" })
	replica.freeze(t)
	if got := r.last(c, [][]string{words}); got != "-"+errUnconfirmed {
		t.Errorf("with one replica frozen: %q", got)
	}
	replica.thaw()
}

// A reply that waits for its replica is older than what is told meanwhile of the keys it
// has read: that comes behind it.
func TestCacheBehindConfirmation(t *testing.T) {
	master, replica := pair(t)
	r := confirming(t, Config{ConfirmFor: 5 * time.Second}, master)
	defer replica.thaw()
	for _, lines := range [][]string{{"MULTI", "INCR a", "GET k", "EXEC"}, {"EVAL redis.call('incr',KEYS[1])return(redis.call('get',KEYS[2])) 2 a k"}} {
		c := r.dial(3)
		master.do(t, "SET", "k", "old")
		r.say(c, "CLIENT TRACKING ON")
		replica.freeze(t)
		before := master.do(t, "GET", "a").Str
		r.send(c, lines...)
		eventually(t, "executed", func() bool { return master.do(t, "GET", "a").Str != before })
		master.do(t, "SET", "k", "new")
		// The engine has told of it when it answers this one.
		master.do(t, "PING")
		replica.thaw()
		if got := r.hear(c, len(lines)+1); got[len(lines)] != "[invalidate [k]]" || !strings.Contains(got[len(lines)-1], "old") {
			t.Errorf("%q: %q", lines, got)
		}
		c.Close()
	}
}
