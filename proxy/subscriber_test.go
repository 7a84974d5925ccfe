package proxy

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// sequence checks that numbered messages come once each, in the order in which
// each publisher sent them.
type sequence struct {
	last map[string]int
	got  atomic.Int64
}

func (q *sequence) take(payload string) error {
	var from string
	var n int
	if _, err := fmt.Sscanf(payload, "%s %d", &from, &n); err != nil {
		return fmt.Errorf("%q: %w", payload, err)
	}
	if n != q.last[from]+1 {
		return fmt.Errorf("of %s came %d behind %d", from, n, q.last[from])
	}
	q.last[from] = n
	q.got.Add(1)
	return nil
}

func (q *sequence) listen(ctx context.Context, c *redis.PubSub) error {
	for {
		m, err := c.ReceiveMessage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = q.take(m.Payload)
		}
		if err != nil {
			return err
		}
	}
}

// publish sends numbered messages, plainly and by scripts, until told to stop.
func publish(r *rig, c *redis.Client, from string, stop chan struct{}, sent *atomic.Int64) error {
	for n := 1; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		message := fmt.Sprintf("%s %d", from, n)
		var err error
		if n%2 == 0 && from[0] == 's' {
			err = c.Eval(r.ctx(), "return redis.call('publish', 'news', ARGV[1])", []string{"{" + from + "}"}, message).Err()
		} else if from[0] == 's' {
			err = c.Eval(r.ctx(), "redis.call('set', KEYS[1], 1) return redis.call('publish', 'news', ARGV[1])", []string{"{" + from + "}"}, message).Err()
		} else {
			err = c.Publish(r.ctx(), "news", message).Err()
		}
		if err != nil {
			return err
		}
		sent.Add(1)
	}
}

// Whoever is subscribed gets each message once and in order, over hand-overs
// with and without a hold, also what others publish before the proxy knows of
// the new master.
func TestSubscribersMissNothing(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from, startEngine(t))
	var listeners []*sequence
	var subscribed []*redis.PubSub
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	heard := make(chan error, 8)
	for i := range cap(heard) {
		c := r.redis(2 + i%2)
		p := c.Subscribe(ctx, "news")
		if i >= 4 {
			p = c.PSubscribe(ctx, "n*")
		}
		defer p.Close()
		subscribed = append(subscribed, p)
		if _, err := p.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		q := &sequence{last: map[string]int{}}
		listeners = append(listeners, q)
		go func() { heard <- q.listen(ctx, p) }()
	}
	var sent atomic.Int64
	stop, said := make(chan struct{}), make(chan error, 4)
	for _, name := range []string{"p0", "p1", "s0", "s1"} {
		c := r.redis(2)
		go func() { said <- publish(r, c, name, stop, &sent) }()
	}
	l := r.startLoad(4)
	for generation := int64(2); generation < 10; generation++ {
		if generation%3 != 0 {
			r.client.Hold(r.ctx(), Hold{rangeID(0), generation, 5 * time.Second})
		}
		switchMaster(t, from, to)
		to.do(t, "PUBLISH", "news", fmt.Sprintf("agent %d", generation-1))
		sent.Add(1)
		r.client.Aim(r.ctx(), Aim{rangeID(0), generation, to.addr})
		l.goesOn(t)
		from, to = to, from
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
		eventually(t, "old lines are closed", func() bool { return to.do(t, "PUBSUB", "NUMSUB", "news").Array[1].Int == 0 })
	}
	close(stop)
	for range cap(said) {
		if err := <-said; err != nil {
			t.Error(err)
		}
	}
	l.end(t)
	for i, q := range listeners {
		eventually(t, fmt.Sprintf("listener %d has heard all", i), func() bool { return q.got.Load() == sent.Load() || len(heard) > 0 })
	}
	cancel()
	for _, p := range subscribed {
		p.Close()
	}
	for range cap(heard) {
		if err := <-heard; err != nil {
			t.Error(err)
		}
	}
	if sent.Load() < 500 {
		t.Errorf("only %d messages", sent.Load())
	}
}

// When the old master is gone its line cannot be waited for.
func TestSubscribersOutliveTheirMaster(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	c := r.redis(3).Subscribe(r.ctx(), "news")
	defer c.Close()
	if _, err := c.Receive(r.ctx()); err != nil {
		t.Fatal(err)
	}
	from.kill()
	to.do(t, "REPLICAOF", "NO", "ONE")
	giveRights(t, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	eventually(t, "subscribed", func() bool { return to.do(t, "PUBSUB", "NUMSUB", "news").Array[1].Int == 1 })
	r.redis(2).Publish(r.ctx(), "news", "x")
	if m, err := c.ReceiveMessage(r.ctx()); err != nil || m.Payload != "x" {
		t.Errorf("%v, %v", m, err)
	}
}

// Notifications of keys come from every shard.
func TestKeyspaceNotifications(t *testing.T) {
	engines := startEngines(t, 3)
	for _, e := range engines {
		e.do(t, "CONFIG", "SET", "notify-keyspace-events", "KEA")
	}
	r := startProxy(t, engines...)
	c, other := r.dial(3), r.dial(2)
	next := r.later(c, "PSUBSCRIBE", "__keyevent@0__:set")
	next()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		r.say(other, "SET "+key+" 1")
		if got := next(); got != "[pmessage __keyevent@0__:set __keyevent@0__:set "+key+"]" {
			t.Errorf("got %s", got)
		}
	}
}

// A message published in a transaction goes with its keys, wherever they are.
func TestMessagesInTransactions(t *testing.T) {
	r := startProxy(t, startEngines(t, 3)...)
	listener, c := r.dial(3), r.dial(3)
	r.later(listener, "SUBSCRIBE", "news")()
	r.later(listener, "SSUBSCRIBE", "news")()
	for _, key := range keysOf(3) {
		r.steps(c, [][2]string{
			{"MULTI", "OK"}, {"INCR " + key, "QUEUED"}, {"PUBLISH news " + key, "QUEUED"}, {"EXEC", "[1 1]"},
			{"MULTI", "OK"}, {"SPUBLISH news " + key, "QUEUED"}, {"INCR " + key, "QUEUED"}, {"EXEC", "[1 2]"},
			{"WATCH " + key, "OK"}, {"MULTI", "OK"}, {"PUBLISH news " + key, "QUEUED"}, {"EXEC", "[1]"},
		}...)
		r.hears(listener, "[message news "+key+"]", "[smessage news "+key+"]", "[message news "+key+"]")
	}
}

func TestSubscriptionCounts(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	for _, version := range []int{2, 3} {
		c, other := r.dial(version), r.dial(2)
		steps := []struct{ command, want string }{
			{"UNSUBSCRIBE", "[unsubscribe nil 0]"}, {"SUNSUBSCRIBE x", "[sunsubscribe x 0]"},
			{"SSUBSCRIBE s", "[ssubscribe s 1]"}, {"SUBSCRIBE a", "[subscribe a 1]"}, {"SUBSCRIBE a", "[subscribe a 1]"},
			{"PSUBSCRIBE p*", "[psubscribe p* 2]"}, {"UNSUBSCRIBE zz", "[unsubscribe zz 2]"},
			{"SUNSUBSCRIBE", "[sunsubscribe s 0]"}, {"SUNSUBSCRIBE", "[sunsubscribe nil 0]"},
		}
		for _, step := range steps {
			if got := r.later(c, words(step.command)...)(); got != step.want {
				t.Errorf("version %d: %s: got %s, want %s", version, step.command, got, step.want)
			}
		}
		r.steps(other, [][2]string{
			{"PUBSUB CHANNELS", "[a]"}, {"PUBSUB NUMSUB a b", "[a 1 b 0]"}, {"PUBSUB NUMPAT", "1"}, {"PUBSUB SHARDCHANNELS", "[]"},
			{"PUBLISH a x", "1"}, {"PUBLISH pa x", "1"}, {"PUBLISH none x", "0"},
		}...)
		c.Close()
		eventually(t, "client is gone", func() bool { return r.say(other, "PUBSUB CHANNELS") == "[]" })
	}
}

// Who is published to right after it asked to be subscribed gets the message, as from
// an engine: the proxy's way to all shards is no reason to miss it.
func TestMessagesComeBehindSubscriptions(t *testing.T) {
	for _, engines := range []int{1, 3} {
		r := startProxy(t, startEngines(t, engines)...)
		publisher := r.dial(2)
		for i := range 40 {
			c := r.dial(2 + i%2)
			confirmed := r.later(c, "SUBSCRIBE", "news")
			if got, want := r.later(publisher, "PUBLISH", "news", "x")(), fmt.Sprint(i+1); got != want {
				t.Errorf("%d engines: %s of %s subscribers were told", engines, got, want)
			}
			if got := confirmed(); got != "[subscribe news 1]" {
				t.Error(got)
			}
		}
		c := r.dial(3)
		_ = r.later(c, "SUBSCRIBE", "news")
		c.Close() // and whoever waited for it is not held up
		if got := r.later(publisher, "PUBLISH", "none", "x")(); got != "0" {
			t.Error(got)
		}
	}
}

// What was published before a subscription ended comes before the word that it has ended,
// over a hand-over, too.
func TestMessagesComeBeforeTheEnd(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from, startEngine(t))
	publisher := r.dial(2)
	for generation := int64(2); generation < 14; generation++ {
		c := r.dial(3)
		next := r.later(c, "SUBSCRIBE", "news")
		if got := next(); got != "[subscribe news 1]" {
			t.Fatal(got)
		}
		switchMaster(t, from, to)
		r.client.Aim(r.ctx(), Aim{rangeID(0), generation, to.addr})
		r.do(publisher, "PUBLISH", "news", fmt.Sprint(generation)) // it may count nobody yet
		next = r.later(c, "UNSUBSCRIBE", "news")
		if message, end := next(), next(); message != fmt.Sprintf("[message news %d]", generation) || end != "[unsubscribe news 0]" {
			t.Errorf("got %s, then %s", message, end)
		}
		c.Close()
		from, to = to, from
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
	}
}
