package discovery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Libraries find an address in different ways: go-redis, ioredis, Jedis and most
// others by get-master-addr-by-name, node-redis and radix by master, redis-py by
// masters.
var waysToAsk = map[string]func(context.Context, *redis.SentinelClient) (ip string, err error){
	"get-master-addr-by-name": func(ctx context.Context, c *redis.SentinelClient) (string, error) {
		got, err := c.GetMasterAddrByName(ctx, "orders").Result()
		return append(got, "")[0], err
	},
	"master": func(ctx context.Context, c *redis.SentinelClient) (string, error) {
		got, err := c.Master(ctx, "orders").Result()
		return got["ip"], err
	},
	"masters": func(ctx context.Context, c *redis.SentinelClient) (string, error) {
		got, err := c.Masters(ctx).Result()
		if err != nil || len(got) != 1 {
			return "", fmt.Errorf("masters: %v, %w", got, err)
		}
		return fmt.Sprint(got[0].(map[any]any)["ip"]), nil
	},
}

// However they ask: one that was drained is not sent back to where it would be
// closed again.
func TestEveryAnswerIsAsNewAsItsQuestion(t *testing.T) {
	for name, ask := range waysToAsk {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, patienceInTests)
			late := func() error { h.bind(told); return nil }
			h.late.Store(&late)
			if got, err := ask(t.Context(), h.sentinelClient(2, 3)); err != nil || got != address(3) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// Libraries that close what they have when they hear of another address ask for
// one master; they hear of it when the old node has closed its clients.
func TestWhoMayCutIsAnsweredWhenTheOldNodeIsEmpty(t *testing.T) {
	for name, ask := range waysToAsk {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, patienceInTests)
			h.bind(draining)
			answered := make(chan string, 1)
			go func() {
				got, err := ask(t.Context(), h.sentinelClient(2, 3))
				if err != nil {
					t.Error(err)
				}
				answered <- got
			}()
			if name != "masters" {
				select {
				case got := <-answered:
					t.Errorf("answered %s in the midst of the move", got)
					return
				case <-time.After(300 * time.Millisecond): // time for a wrong answer to show
				}
				h.bind(told)
			}
			if got := <-answered; got != address(3) {
				t.Errorf("got %s", got)
			}
		})
	}
}

// node-redis has a pattern that fits +switch-master as little as it fits what it
// does not know, and one that fits this.
func TestSubscribersOfNodeRedisHearOfAMove(t *testing.T) {
	h := newHost(t, patienceInTests, markers...)
	marker := h.marker()
	sub := h.sentinelClient(2, 3).PSubscribe(t.Context(), "switch-master", "[-+]sdown", "+slave", "+sentinel", "[-+]odown", "+slave-reconf-done")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	marker()
	if got := receive(t, sub.Channel()); got != "master marker 127.0.0.2 1" {
		t.Fatalf("got %q", got)
	}
	h.bind(draining)
	h.bind(told)
	if got, want := receive(t, sub.Channel()), fmt.Sprintf("master orders 127.0.0.3 %d", h.database()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// rueidis and valkey-go go to the new node when they hear this, and finish what
// they have at the old one: they try no write twice.
func TestSubscribersOfRueidisHearBeforeTheyAreClosed(t *testing.T) {
	h := newHost(t, patienceInTests, markers...)
	marker := h.marker()
	sub := h.sentinelClient(2, 3).Subscribe(t.Context(), "+switch-master", "+reboot")
	defer sub.Close()
	for range 2 {
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		if got := receive(t, sub.Channel()); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	expect(marker())
	h.bind(opening)
	h.bind(draining)
	expect(fmt.Sprintf("master orders 127.0.0.3 %d", h.database()))
	h.bind(told)
	expect(fmt.Sprintf("orders 127.0.0.1 %d 127.0.0.3 %d", h.database(), h.database()))
	h.bind(arrived)
	expect(marker())
}
