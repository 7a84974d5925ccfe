package chaos

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// writesAgain waits until every part of the database takes a write. Each try asks
// the discovery of a host that is left alone and makes a connection of its own: a
// library that asks all hosts at once waits for the one that is frozen.
func (w *world) writesAgain(ctx context.Context, database string) error {
	return w.await(ctx, database+" takes writes", patience, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := w.writes(ctx, database)
		return err == nil, err
	})
}

func (w *world) writes(ctx context.Context, database string) error {
	options := func(address string) *redis.Options {
		return &redis.Options{Addr: address, Dialer: w.LAN.DialFrom(0), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true}
	}
	discovery := redis.NewSentinelClient(options(fmt.Sprintf("%s:%d", w.Address(w.operator), 8001)))
	defer func() { _ = discovery.Close() }()
	found, err := discovery.GetMasterAddrByName(ctx, database).Result()
	if err != nil {
		return err
	}
	client := redis.NewClient(options(net.JoinHostPort(found[0], found[1])))
	defer func() { _ = client.Close() }()
	for i := range 32 { // spread over all slots
		if err := client.Set(ctx, fmt.Sprintf("again:%d", i), i, 0).Err(); err != nil {
			return err
		}
	}
	return nil
}
