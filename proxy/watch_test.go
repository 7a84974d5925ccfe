package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestWatch(t *testing.T) {
	r := startProxy(t, startEngines(t, 3)...)
	other := r.dial(2)
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		r.steps(c, [][2]string{
			{"FLUSHALL", "OK"},
			{"WATCH k", "OK"}, {"GET k", "nil"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "[1]"},
			{"WATCH k", "OK"}, {"INCR k", "2"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "nil"},
			{"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "[3]"},
			{"WATCH k", "OK"}, {"INCR k", "4"}, {"UNWATCH", "OK"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "[5]"},
			{"WATCH k", "OK"}, {"MULTI", "OK"}, {"DISCARD", "OK"}, {"INCR k", "6"}, {"WATCH {k}2", "OK"},
			{"MULTI", "OK"}, {"UNWATCH", "QUEUED"}, {"INCR k", "QUEUED"}, {"EXEC", "[OK 7]"},
			{"WATCH a b", "-" + errCrossSlot}, {"WATCH a", "OK"}, {"WATCH b", "-" + errCrossSlot},
			{"MULTI", "OK"}, {"SET b 1", "-" + errCrossSlot}, {"EXEC", "-" + errExecAborted},
			{"MULTI", "OK"}, {"WATCH a", "-ERR WATCH inside MULTI is not allowed"}, {"PING", "QUEUED"}, {"EXEC", "[PONG]"},
			{"WATCH k", "OK"}, {"MULTI", "OK"}, {"NOSUCH k", "QUEUED"},
			{"EXEC", "-EXECABORT Transaction discarded because of: ERR unknown command 'NOSUCH', with args beginning with: 'k' "},
			{"WATCH", "-ERR wrong number of arguments for 'watch' command"},
		}...)
		r.steps(c, [][2]string{{"WATCH k", "OK"}, {"WATCH {k}2", "OK"}}...)
		r.say(other, "SET {k}2 x")
		r.steps(c, [][2]string{{"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "nil"}, {"GET k", "7"}}...)
	}
}

// Reads behind WATCH happen behind it, also in one batch.
func TestWatchKeepsItsPlace(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	values, err := c.Pipeline(r.ctx(), words("SET k 1"), words("WATCH k"), words("GET k"), words("MULTI"), words("INCR k"), words("EXEC"),
		words("GET k"))
	if err != nil || render(values[2]) != "1" || render(values[5]) != "[2]" || render(values[6]) != "2" {
		t.Errorf("%v, %v", values, err)
	}
}

// What cannot be proven untouched executes nothing.
func TestWatchInDoubtExecutesNothing(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	for name, happen := range map[string]func(){
		"broken connection": func() { from.do(t, "CLIENT", "KILL", "USER", "proxy", "SKIPME", "yes") },
		"new generation": func() {
			r.endpoint().Ranges[0].Generation++
			r.apply()
		},
		"hand-over taken back": func() {
			from.do(t, "ACL", "SETUSER", "proxy", "off", "-@all")
			time.AfterFunc(20*time.Millisecond, func() { giveRights(t, from) })
		},
	} {
		c := r.dial(2)
		r.steps(c, [][2]string{{"SET k 1", "OK"}, {"WATCH k", "OK"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}}...)
		happen()
		// A connection that broke a moment ago may look whole when EXEC is sent.
		if got := r.say(c, "EXEC"); got != "nil" && !(name == "broken connection" && got == "-"+errOutcome) {
			t.Errorf("%s: EXEC: %s", name, got)
		}
		r.steps(c, [][2]string{{"GET k", "1"}, {"WATCH k", "OK"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "[2]"}}...)
	}
	c := r.dial(3)
	r.steps(c, [][2]string{{"WATCH k", "OK"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}}...)
	exec := r.later(c, "EXEC")
	if got := exec(); got != "[3]" {
		t.Fatalf("EXEC: %s", got)
	}
	r.steps(c, [][2]string{{"WATCH k", "OK"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}}...)
	next := r.endpoint().Ranges[0].Generation + 1
	r.client.Hold(r.ctx(), Hold{rangeID(0), next, 5 * time.Second})
	exec = r.later(c, "EXEC")
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), next, to.addr})
	if got := exec(); got != "nil" {
		t.Errorf("EXEC over a hand-over: %s", got)
	}
	r.steps(c, [][2]string{{"GET k", "3"}, {"WATCH k", "OK"}, {"MULTI", "OK"}, {"INCR k", "QUEUED"}, {"EXEC", "[4]"}}...)
}

// A command that the engine never executes for the proxy ends in its refusal.
func TestWatchedForbiddenCommand(t *testing.T) {
	e := startEngine(t)
	e.do(t, "ACL", "SETUSER", "proxy", "-getex")
	r := startProxy(t, e)
	r.steps(r.dial(2), [][2]string{
		{"WATCH k", "OK"}, {"MULTI", "OK"}, {"GETEX k", "QUEUED"},
		{"EXEC", "-EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'getex' command"}, {"GET k", "nil"},
	}...)
}

// Many clients count one key upwards by optimistic transactions, over hand-overs:
// each increment told to a client is there, and no other.
func TestWatchCountsExactly(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	var told sync.Map
	stop, done := make(chan struct{}), make(chan error, 8)
	for i := range cap(done) {
		c := r.redis(2 + i%2)
		go func() { done <- optimistic(r, c, &told, stop) }()
	}
	l := r.startLoad(4)
	for generation := int64(2); generation < 6; generation++ {
		if generation%2 == 0 {
			r.client.Hold(r.ctx(), Hold{rangeID(0), generation, 5 * time.Second})
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
	last, _ := strconv.Atoi(r.say(r.dial(2), "GET shared"))
	for n := 1; n <= last; n++ {
		if _, ok := told.Load(n); !ok {
			t.Errorf("nobody was told of %d", n)
		}
	}
	if last == 0 {
		t.Error("nothing was counted")
	}
}

func optimistic(r *rig, c *redis.Client, told *sync.Map, stop chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		var n int
		err := c.Watch(r.ctx(), func(tx *redis.Tx) error {
			v, err := tx.Get(r.ctx(), "shared").Int()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			n = v + 1
			_, err = tx.TxPipelined(r.ctx(), func(p redis.Pipeliner) error { p.Set(r.ctx(), "shared", n, 0); return nil })
			return err
		}, "shared")
		if errors.Is(err, redis.TxFailedErr) {
			continue
		}
		if err != nil {
			return err
		}
		if _, twice := told.LoadOrStore(n, true); twice {
			return fmt.Errorf("%d was counted twice", n)
		}
	}
}
