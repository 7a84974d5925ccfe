package proxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// CONFIG GET tells of the database and not of an engine, by names and patterns, and
// named users and strangers are told nothing.
func TestSettings(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	r.endpoint().Settings = map[string]string{"maxmemory": "1000", "maxmemory-policy": "noeviction", "notify-keyspace-events": "AKE", "save": ""}
	r.apply()
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		for line, want := range map[string]string{
			"CONFIG GET maxmemory":                   "[maxmemory 1000]",
			"config get MaxMemory":                   "[maxmemory 1000]",
			"CONFIG GET maxmemory*":                  "[maxmemory 1000 maxmemory-policy noeviction]",
			"CONFIG GET save maxmem??y notify* save": "[maxmemory 1000 notify-keyspace-events AKE save ]",
			"CONFIG GET masterauth":                  "[]",
			"CONFIG GET [":                           "[]",
			"CONFIG GET":                             "-ERR wrong number of arguments for 'config|get' command",
			"CONFIG SET maxmemory 1":                 "-NOPERM this user has no permissions to run the 'config|set' command",
			"CONFIG REWRITE":                         "-NOPERM this user has no permissions to run the 'config|rewrite' command",
			"CONFIG other":                           "-NOPERM this user has no permissions to run the 'config' command",
		} {
			if got := r.say(c, line); got != want {
				t.Errorf("version %d, %s: got %q, want %q", version, line, got, want)
			}
		}
		if got := r.say(c, "CONFIG HELP"); !strings.Contains(got, "GET <pattern>") {
			t.Errorf("help: %s", got)
		}
		r.say(c, "MULTI")
		r.say(c, "SET a 1")
		r.say(c, "CONFIG GET save")
		if got := r.say(c, "EXEC"); got != "[OK [save ]]" {
			t.Errorf("in a transaction: %s", got)
		}
	}
	if got := r.say(r.dialStranger(), "CONFIG GET *"); strings.Contains(got, "maxmemory") {
		t.Errorf("a stranger is told %s", got)
	}
}

// Of what happens to keys each subscriber hears once and in order, also while the
// master changes: the old one tells of what it copies.
func TestKeyspaceNotificationsOverHandovers(t *testing.T) {
	from, to := pair(t)
	for _, e := range []*engine{from, to} {
		e.do(t, "CONFIG", "SET", "notify-keyspace-events", "K$")
	}
	r := startProxy(t, from)
	sub := r.redis(3).PSubscribe(r.ctx(), "__keyspace@0__:*")
	defer sub.Close()
	if _, err := sub.Receive(r.ctx()); err != nil {
		t.Fatal(err)
	}
	stop, sent := make(chan struct{}), make(chan int, 1)
	c := r.redis(2)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := c.Set(r.ctx(), fmt.Sprint("k:", n+1), "x", 0).Err(); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	heard := 0
	hear := func(within time.Duration) bool {
		ctx, cancel := context.WithTimeout(r.ctx(), within)
		defer cancel()
		m, err := sub.ReceiveMessage(ctx)
		if err != nil {
			return false
		}
		if heard++; m.Channel != fmt.Sprint("__keyspace@0__:k:", heard) || m.Payload != "set" {
			t.Fatalf("message %d is %s %s", heard, m.Channel, m.Payload)
		}
		return true
	}
	for generation := int64(2); generation < 8; generation++ {
		for range 100 {
			if !hear(10 * time.Second) {
				t.Fatalf("silence behind %d", heard)
			}
		}
		r.handOver(from, to, generation)
		from, to = to, from
	}
	close(stop)
	for all := <-sent; heard < all; {
		if !hear(10 * time.Second) {
			t.Fatalf("%d of %d were heard", heard, all)
		}
	}
}
