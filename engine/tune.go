package engine

import (
	"context"
	"strconv"
)

// Tune gives a running engine other limits: bytes of data, the policy by which it evicts,
// and the classes of keyspace events that it publishes. All of them, or none. With less
// memory than it uses the engine evicts, if its policy says so, or takes no more writes.
func (i Instance) Tune(ctx context.Context, memory int64, eviction, events string) error {
	c, err := i.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do(ctx, "CONFIG", "SET", "maxmemory", strconv.FormatInt(maxMemory(memory), 10), "maxmemory-policy", eviction, "notify-keyspace-events", events)
	return err
}
