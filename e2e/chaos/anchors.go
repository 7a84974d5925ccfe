package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
)

// anchors is how many keys each database has from the beginning. They must be
// there whatever happens, as long as one copy of them is left.
const anchors = 1000

func (w *world) dropAnchors(ctx context.Context) error {
	for _, name := range all {
		if err := w.dropAnchorsIn(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) dropAnchorsIn(ctx context.Context, name string) error {
	client := w.Client(name)
	defer func() { _ = client.Close() }()
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range anchors {
			p.Set(ctx, fmt.Sprintf("anchor:%d", i), i, 0)
		}
		return nil
	})
	return err
}

func (w *world) anchorsHold(ctx context.Context) error {
	var errs []error
	for _, name := range all {
		client := w.Client(name)
		replies, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range anchors {
				p.Exists(ctx, fmt.Sprintf("anchor:%d", i))
			}
			return nil
		})
		errs = append(errs, err, client.Close())
		there := int64(0)
		for _, r := range replies {
			there += r.(*redis.IntCmd).Val()
		}
		if there < anchors {
			errs = append(errs, fmt.Errorf("%s has %d of %d keys from the beginning", name, there, anchors))
		}
	}
	return errors.Join(errs...)
}

// recoverUnreplicated does what an operator has to: a database without replica
// and persistence is gone with its process, and is made anew.
func (w *world) recoverUnreplicated(ctx context.Context, r Round) error {
	if r.Fault.class == planned {
		return nil
	}
	return w.await(ctx, "the database without a replica is there", convergence, func(ctx context.Context) (bool, error) {
		databases, err := w.databases(ctx)
		if err != nil {
			return false, err
		}
		for _, d := range databases {
			if d.Replication {
				continue
			}
			shards, err := w.shards(ctx)
			if err != nil {
				return false, err
			}
			for _, s := range shards {
				if s.Database == d.UID && s.Lost {
					return false, w.rest[w.operator].Delete(ctx, fmt.Sprintf("/v1/bdbs/%d", d.UID))
				}
				if s.Database == d.UID && s.Status == "active" {
					return true, nil
				}
			}
			return false, nil
		}
		again := api.CreateDatabase{Name: all[len(all)-1], MemorySize: 512 << 20, ShardsCount: 1, Eviction: "noeviction"}
		if err := w.rest[w.operator].Post(ctx, "/v1/bdbs", again, nil); err != nil && !strings.Contains(err.Error(), "409") {
			return false, err
		}
		return false, w.await(ctx, "its endpoint answers", patience, func(ctx context.Context) (bool, error) {
			return true, w.dropAnchorsIn(ctx, again.Name)
		})
	})
}
