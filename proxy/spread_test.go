package proxy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/haulout/haulout/resp"
)

func startEngines(t testing.TB, n int) []*engine {
	var list []*engine
	for range n {
		list = append(list, startEngine(t))
	}
	return list
}

// steps sends one command after the other and compares the replies.
func (r *rig) steps(c *resp.Conn, steps ...[2]string) {
	r.t.Helper()
	for _, s := range steps {
		if got := r.say(c, s[0]); got != s[1] {
			r.t.Errorf("%s: got %q, want %q", s[0], got, s[1])
		}
	}
}

func TestSplitCommands(t *testing.T) {
	engines := startEngines(t, 3)
	r := startProxy(t, engines...)
	for _, version := range []int{2, 3} {
		r.steps(r.dial(version), [][2]string{
			{"FLUSHALL", "OK"},
			{"MSET a 1 b 2 c 3 d 4 e 5", "OK"},
			{"MGET e x a d c b a", "[5 nil 1 4 3 2 1]"},
			{"EXISTS a b c x a", "4"},
			{"TOUCH a b", "2"},
			{"DBSIZE", "5"},
		}...)
		for _, e := range engines {
			if e.do(t, "DBSIZE").Int == 0 {
				t.Error("a shard got no key")
			}
		}
		r.steps(r.dial(version), [][2]string{
			{"DEL a b x", "2"},
			{"UNLINK c d", "2"},
			{"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"},
			{"MSETNX a 1 b 2 c 3", "-CROSSSLOT Keys in request don't hash to the same slot"},
			{"MSET {t}a 1 {t}b 2", "OK"},
			{"SINTER a b", "-CROSSSLOT Keys in request don't hash to the same slot"},
			{"RPUSH l 1", "1"},
			{"MGET l e", "[nil 5]"},
			{"RENAME {t}a {t}c", "OK"},
		}...)
	}
}

func TestKeylessCommands(t *testing.T) {
	r := startProxy(t, startEngines(t, 3)...)
	c := r.dial(2)
	var want []string
	for i := range 50 {
		key := "k" + strconv.Itoa(i)
		r.do(c, "SET", key, "v")
		want = append(want, key)
	}
	got := r.do(c, "KEYS", "*").Strings()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("KEYS: %v", got)
	}
	if k := r.do(c, "RANDOMKEY").Str; !slices.Contains(want, k) {
		t.Errorf("RANDOMKEY: %q", k)
	}
	sha := r.do(c, "SCRIPT", "LOAD", "return redis.call('get', KEYS[1])").Str
	for _, key := range want[:10] {
		if got := r.say(c, "EVALSHA "+sha+" 1 "+key); got != "v" {
			t.Errorf("EVALSHA on %s: %s", key, got)
		}
	}
	r.steps(c, [][2]string{
		{"SCRIPT EXISTS " + sha + " 00", "[1 0]"},
		{"SCRIPT FLUSH", "OK"},
		{"SCRIPT EXISTS " + sha, "[0]"},
		{"ROLE", "[master 0 []]"},
		{"FLUSHDB", "OK"},
		{"DBSIZE", "0"},
		{"RANDOMKEY", "nil"},
	}...)
	if info := r.say(c, "INFO server"); !strings.Contains(info, "redis_version") {
		t.Errorf("INFO: %s", info)
	}
}

// What was slow at any shard is told of as one engine would: the newest first, no more
// than were asked for, each with a number of its own.
func TestSlowLog(t *testing.T) {
	for _, shards := range []int{1, 3} {
		engines := startEngines(t, shards)
		for _, e := range engines {
			e.do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
		}
		r := startProxy(t, engines...)
		c := r.dial(3)
		r.say(c, "SLOWLOG RESET")
		for i := range 40 {
			r.do(c, "SET", "k"+strconv.Itoa(i), "v")
		}
		if n := r.do(c, "SLOWLOG", "LEN").Int; n < 40 {
			t.Errorf("%d shards: %d entries after 40 commands", shards, n)
		}
		for words, most := range map[string]int{"SLOWLOG GET": 10, "SLOWLOG GET 25": 25, "SLOWLOG GET 0": 0} {
			if got := r.do(c, strings.Fields(words)...).Array; len(got) != most {
				t.Errorf("%d shards: %s: %d entries", shards, words, len(got))
			}
		}
		seen, keys, before := map[int64]bool{}, map[string]bool{}, int64(math.MaxInt64)
		for _, e := range r.do(c, "SLOWLOG", "GET", "-1").Array {
			if id, at := e.Array[0].Int, e.Array[1].Int; len(e.Array) != 6 || seen[id] || at > before {
				t.Errorf("%d shards: entry %v after one of %d", shards, e, before)
			} else {
				seen[id], before = true, at
			}
			if words := e.Array[3].Strings(); len(words) == 3 && words[0] == "SET" {
				keys[words[1]] = true
			}
		}
		if len(keys) != 40 {
			t.Errorf("%d shards: %d of 40 commands in the log", shards, len(keys))
		}
		if got := r.say(c, "SLOWLOG GET -2"); got != "-ERR count should be greater than or equal to -1" {
			t.Errorf("%d shards: %s", shards, got)
		}
	}
}

func TestScanIsComplete(t *testing.T) {
	for _, shards := range []int{1, 3} {
		r := startProxy(t, startEngines(t, shards)...)
		c := r.dial(3)
		fill(t, r, c, 3000)
		if seen := scanAll(t, r, c, func(int) {}); len(seen) != 3000 {
			t.Errorf("%d shards: %d of 3000 keys seen", shards, len(seen))
		}
	}
}

// A scan that meets a hand-over starts the shard anew: the new master has its
// keys in another order.
func TestScanThroughHandover(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, startEngine(t), from)
	c := r.dial(2)
	fill(t, r, c, 3000)
	seen := scanAll(t, r, c, func(round int) {
		if round != 40 {
			return
		}
		switchMaster(t, from, to)
		if err := r.client.Aim(r.ctx(), Aim{rangeID(1), 2, to.addr}); err != nil {
			t.Fatal(err)
		}
	})
	if len(seen) != 3000 {
		t.Errorf("%d of 3000 keys seen", len(seen))
	}
}

func fill(t testing.TB, r *rig, c *resp.Conn, n int) {
	t.Helper()
	var cmds [][]string
	for i := range n {
		cmds = append(cmds, []string{"SET", fmt.Sprintf("key:%d", i), "v"})
	}
	if _, err := c.Pipeline(r.ctx(), cmds...); err != nil {
		t.Fatal(err)
	}
}

func scanAll(t testing.TB, r *rig, c *resp.Conn, between func(round int)) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	cursor := "0"
	for round := 0; round < 5000; round++ {
		v := r.do(c, "SCAN", cursor, "COUNT", "50")
		if v.IsError() {
			t.Fatal(v.Str)
		}
		for _, k := range v.Array[1].Strings() {
			seen[k] = true
		}
		if cursor = v.Array[0].Str; cursor == "0" {
			return seen
		}
		between(round)
	}
	t.Fatal("the scan does not end")
	return nil
}

func TestTransactions(t *testing.T) {
	r := startProxy(t, startEngines(t, 3)...)
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		r.steps(c, [][2]string{
			{"FLUSHALL", "OK"},
			{"EXEC", "-ERR EXEC without MULTI"}, {"DISCARD", "-ERR DISCARD without MULTI"},
			{"MULTI", "OK"}, {"EXEC", "[]"},
			{"MULTI", "OK"}, {"INCR n", "QUEUED"}, {"PING", "QUEUED"}, {"INCR n", "QUEUED"}, {"GET n", "QUEUED"},
			{"EXEC", "[1 PONG 2 2]"},
			{"MULTI", "OK"}, {"INCR n", "QUEUED"}, {"DISCARD", "OK"}, {"GET n", "2"},
			{"MULTI", "OK"}, {"SET a 1", "QUEUED"}, {"SET b 2", "-" + errCrossSlot}, {"EXEC", "-" + errExecAborted}, {"GET a", "nil"},
			{"MULTI", "OK"}, {"MULTI", "-ERR MULTI calls can not be nested"}, {"GET", "-ERR wrong number of arguments for 'get' command"},
			{"EXEC", "-" + errExecAborted},
			{"MULTI", "OK"}, {"NOSUCH x", "QUEUED"},
			{"EXEC", "-EXECABORT Transaction discarded because of: ERR unknown command 'NOSUCH', with args beginning with: 'x' "},
			{"MULTI", "OK"}, {"SET s x", "QUEUED"}, {"INCR s", "QUEUED"}, {"BLPOP {s}l 0", "QUEUED"},
			{"EXEC", "[OK -ERR value is not an integer or out of range nil]"},
			{"GET s", "x"},
		}...)
	}
}

// Transactions survive a hand-over that the proxy only hears of by refusals.
func TestTransactionsThroughHandover(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	stop, done := make(chan struct{}), make(chan error, 8)
	for i := range cap(done) {
		c := r.dial(2)
		go func() { done <- transactions(r, c, "t"+strconv.Itoa(i), stop) }()
	}
	l := r.startLoad(4)
	for range 3 {
		switchMaster(t, from, to)
		r.endpoint().Ranges[0].Generation++
		r.endpoint().Ranges[0].Address = to.addr
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

func transactions(r *rig, c *resp.Conn, key string, stop chan struct{}) error {
	for n := int64(1); ; n += 2 {
		select {
		case <-stop:
			return nil
		default:
		}
		values, err := c.Pipeline(r.ctx(), []string{"MULTI"}, []string{"INCR", key}, []string{"INCR", key}, []string{"EXEC"})
		if err != nil {
			return err
		}
		if got, want := render(values[3]), fmt.Sprintf("[%d %d]", n, n+1); got != want {
			return fmt.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

// A master that comes back on its address has its keys in another order, though
// nothing of the route has changed.
func TestScanThroughRestart(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	c := r.dial(2)
	fill(t, r, c, 3000)
	port, _ := strconv.Atoi(e.addr[len("127.0.0.1:"):])
	seen := scanAll(t, r, c, func(round int) {
		if round == 30 {
			e.kill()
			startEngineOn(t, port)
			fill(t, r, r.dial(2), 3000)
		}
	})
	if len(seen) != 3000 {
		t.Errorf("%d of 3000 keys seen", len(seen))
	}
}

func TestInfoOfAllShards(t *testing.T) {
	r := startProxy(t, startEngines(t, 3)...)
	c := r.dial(3)
	fill(t, r, c, 90)
	info := r.do(c, "INFO")
	if info.Kind != resp.KindVerbatim || !strings.HasPrefix(info.Str, "# Server\r\n") {
		t.Errorf("got %c %.20q", info.Kind, info.Str)
	}
	if got := infoField(info.Str, "db0"); !strings.HasPrefix(got, "keys=90,expires=0,") {
		t.Errorf("keyspace: %q", got)
	}
	for _, line := range []string{"MEMORY STATS", "FUNCTION STATS"} {
		if got := r.say(c, line); !strings.HasSuffix(got, "is not offered for databases of several shards") {
			t.Errorf("%s: %s", line, got)
		}
	}
}
