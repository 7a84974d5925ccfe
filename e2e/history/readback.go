package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Damage is what an end shows that no answer had to show before.
type Damage struct {
	Lost    int64 // acknowledged writes that are not there
	Doubled int64 // increments beyond those that may have been carried out
}

// Add adds another's.
func (d *Damage) Add(o Damage) { d.Lost, d.Doubled = d.Lost+o.Lost, d.Doubled+o.Doubled }

// ReadBack reads all keys of the clients, once they have stopped, and notes the
// registers' values as one more read of each. client may try things twice.
func (c *Clients) ReadBack(ctx context.Context, client *redis.Client) (Damage, error) {
	var d Damage
	keys, once := c.history.Keys()
	for _, key := range keys {
		if !strings.HasPrefix(key, c.prefix+":") {
			continue
		}
		o := Operation{Client: -1, Kind: Read, Key: key, Known: true, Call: c.history.Now()}
		last, err := client.Get(ctx, key).Int64()
		if err != nil && !errors.Is(err, redis.Nil) {
			return d, fmt.Errorf("reading back %s: %w", key, err)
		}
		o.Value, o.Return = last, c.history.Now()
		if strings.HasPrefix(key, c.prefix+":count:") {
			lost, doubled := Tally(c.history.Operations(key), last)
			d.Add(Damage{lost, doubled})
		}
		c.history.Add(o)
	}
	once = slices.DeleteFunc(once, func(key string) bool { return !strings.HasPrefix(key, c.prefix+":") })
	for some := range slices.Chunk(once, atOnce) {
		there, err := present(ctx, client, some)
		if err != nil {
			return d, err
		}
		d.Lost += int64(len(some)) - there
	}
	return d, nil
}

// atOnce is how many keys one pipeline asks for.
const atOnce = 500

// present counts the keys that are there.
func present(ctx context.Context, client *redis.Client, keys []string) (n int64, err error) {
	pipe := client.Pipeline()
	for _, key := range keys {
		pipe.Exists(ctx, key)
	}
	replies, err := pipe.Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading back: %w", err)
	}
	for _, r := range replies {
		n += r.(*redis.IntCmd).Val()
	}
	return n, nil
}
