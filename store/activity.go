package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

// maxLogEntries is how many entries of the activity log are kept.
const maxLogEntries = 10_000

const logTimeout = 5 * time.Second

// Log returns activity entries with from <= time < to, oldest first or, if
// desc, newest first, without the first offset of them; zero times and limits
// mean no bound. What this node knows is answered even without a quorum.
func (s *Store) Log(ctx context.Context, from, to time.Time, limit, offset int, desc bool) ([]cluster.Entry, error) {
	l, err := s.connected()
	if err != nil {
		return nil, err
	}
	first, end := logPrefix, logEnd
	if !from.IsZero() {
		first = logBound(from)
	}
	if !to.IsZero() {
		end = logBound(to)
	}
	if first >= end {
		return nil, nil
	}
	order := clientv3.SortAscend
	if desc {
		order = clientv3.SortDescend
	}
	options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithSort(clientv3.SortByKey, order), clientv3.WithSerializable()}
	if limit > 0 {
		options = append(options, clientv3.WithLimit(int64(offset+limit)))
	}
	var page *clientv3.GetResponse
	err = l.each(ctx, 3, logTimeout, func(ctx context.Context, c *clientv3.Client) (err error) {
		page, err = c.Get(ctx, first, options...)
		return err
	})
	if err != nil {
		return nil, failure("read the activity log", err)
	}
	return entries(page, offset)
}

func entries(page *clientv3.GetResponse, offset int) ([]cluster.Entry, error) {
	var list []cluster.Entry
	for _, kv := range page.Kvs[min(offset, len(page.Kvs)):] {
		var e cluster.Entry
		if err := json.Unmarshal(kv.Value, &e); err != nil {
			return nil, fmt.Errorf("activity entry %s: %w", kv.Key, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// TrimLog deletes the oldest entries beyond the number kept. The leader calls
// it now and then; it is refused as state_changed in any other epoch.
func (s *Store) TrimLog(ctx context.Context, epoch int64) error {
	l, err := s.connected()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	c := l.client()
	all, err := c.Get(ctx, logPrefix, clientv3.WithRange(logEnd), clientv3.WithCountOnly())
	if err != nil {
		return failure("trim the activity log", err)
	}
	excess := all.Count - s.logCap
	if excess <= 0 {
		return nil
	}
	oldest, err := c.Get(ctx, logPrefix, clientv3.WithRange(logEnd), clientv3.WithKeysOnly(), clientv3.WithLimit(excess+1))
	if err != nil {
		return failure("trim the activity log", err)
	}
	kept := logEnd
	if int64(len(oldest.Kvs)) > excess {
		kept = string(oldest.Kvs[excess].Key)
	}
	inOffice := clientv3.Compare(clientv3.CreateRevision(leaderKey), "=", epoch)
	answer, err := c.Txn(ctx).If(inOffice).Then(clientv3.OpDelete(logPrefix, clientv3.WithRange(kept))).Commit()
	if err != nil {
		return failure("trim the activity log", err)
	}
	if !answer.Succeeded {
		return stale()
	}
	return nil
}
