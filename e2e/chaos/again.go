package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// writesAgain waits until every part of the database takes a write. Each try asks
// the discovery of the hosts that are left alone and makes a connection of its own:
// a library that asks all hosts at once waits for the one that is frozen.
func (w *world) writesAgain(ctx context.Context, database string, victim int) error {
	return w.await(ctx, database+" takes writes", patience, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := w.writes(ctx, database, victim)
		return err == nil, err
	})
}

func (w *world) writes(ctx context.Context, database string, victim int) error {
	address, err := w.discovered(ctx, database, victim)
	if err != nil {
		return err
	}
	client := redis.NewClient(w.once(address))
	defer func() { _ = client.Close() }()
	_, err = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 32 { // spread over all slots
			p.Set(ctx, fmt.Sprintf("again:%d", i), i, 0)
		}
		return nil
	})
	return err
}

// discovered asks one host after the other where the database is, as clients do:
// a node in maintenance says nothing, so that another is asked.
func (w *world) discovered(ctx context.Context, database string, victim int) (address string, err error) {
	for _, n := range others(victim) {
		discovery := redis.NewSentinelClient(w.once(fmt.Sprintf("%s:%d", w.Address(n), 8001)))
		found, failure := discovery.GetMasterAddrByName(ctx, database).Result()
		_ = discovery.Close()
		if failure == nil {
			return net.JoinHostPort(found[0], found[1]), nil
		}
		err = errors.Join(err, fmt.Errorf("discovery on node %d: %w", n, failure))
	}
	return "", err
}

// once are the options of a client that tries nothing twice.
func (w *world) once(address string) *redis.Options {
	return &redis.Options{Addr: address, Dialer: w.LAN.DialFrom(0), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true}
}
