package store

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

// Sync returns a board that shows everything committed before the call, which
// a mirror that lags may not. Who acts on a difference between the board and
// the world looks at the world first, and then calls Sync. Within a second.
func (s *Store) Sync(ctx context.Context) (*cluster.Board, error) {
	l, err := s.connected()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var revision int64
	err = l.each(ctx, 1, statusTimeout, func(ctx context.Context, c *clientv3.Client) error {
		answer, err := c.Get(ctx, headKey, clientv3.WithKeysOnly())
		if err == nil && len(answer.Kvs) > 0 {
			revision = answer.Kvs[0].ModRevision
		}
		return err
	})
	if err != nil {
		return nil, failure("read the board", err)
	}
	seen, err := s.mirror.await(ctx, revision)
	if err != nil {
		return nil, failure("read the board", err)
	}
	return seen.board, nil
}
