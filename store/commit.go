package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

// commitTimeout bounds a commit whose context allows more.
const commitTimeout = 5 * time.Second

// Commit writes the change in one transaction, if this epoch is still the
// present one and basis, the board the change was decided on, still the newest
// (nil: nothing has been written yet). It returns the board that results, once
// the mirror shows it; of several writes to one key the last counts. Errors:
// state_changed if the condition does not hold, with nothing written;
// no_quorum if the outcome is not known within the deadline, at most five
// seconds; trying again on the same basis can't do it twice.
func (s *Store) Commit(ctx context.Context, epoch int64, basis *cluster.Board, c cluster.Change) (*cluster.Board, error) {
	l, err := s.connected()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	head := int64(0)
	if basis != nil {
		head = basis.Revision
	}
	operations, err := s.operations(head, epoch, c)
	if err != nil {
		return nil, err
	}
	answer, err := l.client().Txn(ctx).If(conditions(epoch, head)...).Then(operations...).Commit()
	if err != nil {
		return nil, failure("write to the board", err)
	}
	if !answer.Succeeded {
		return nil, stale()
	}
	seen, err := s.mirror.await(ctx, answer.Header.Revision)
	if err != nil {
		return nil, failure("see what was written to the board", err)
	}
	return seen.board, nil
}

func stale() error {
	return cluster.Refuse(cluster.CodeStale, "look at the new state and decide again", "the cluster's state changed meanwhile")
}

// conditions fence a transaction. Every commit writes the head, so its revision
// stands for all that the change was decided on, read or written.
func conditions(epoch, head int64) []clientv3.Cmp {
	return []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(leaderKey), "=", epoch),
		clientv3.Compare(clientv3.ModRevision(headKey), "=", head),
	}
}

func (s *Store) operations(head, epoch int64, c cluster.Change) ([]clientv3.Op, error) {
	texts, current := s.mirror.textsAt(head)
	if !current {
		return nil, stale()
	}
	list := []clientv3.Op{clientv3.OpPut(headKey, strconv.FormatInt(epoch, 10))}
	for key, o := range lastOfEach(c) {
		if o == nil {
			list = append(list, clientv3.OpDelete(objectKey(key)))
			continue
		}
		value, err := s.codec.encode(o, texts[key])
		if err != nil {
			return nil, fmt.Errorf("write %s %s: %w", key.Kind, key.ID, err)
		}
		list = append(list, clientv3.OpPut(objectKey(key), string(value)))
	}
	for i, entry := range c.Log {
		value, err := json.Marshal(entry)
		if err != nil {
			return nil, err
		}
		list = append(list, clientv3.OpPut(logKey(entry.Time, head, i), string(value)))
	}
	return list, nil
}

// lastOfEach returns what shall stand under each key; nil: nothing. As on the
// board, deletions come after the writes.
func lastOfEach(c cluster.Change) map[cluster.Key]cluster.Object {
	last := map[cluster.Key]cluster.Object{}
	for _, o := range c.Put {
		last[o.Key()] = o
	}
	for _, key := range c.Delete {
		last[key] = nil
	}
	return last
}
