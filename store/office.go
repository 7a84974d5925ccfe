package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A new raft leader can not know when the leases were last renewed, and grants
// each of them anew, and an election timeout more. The cluster master need not wait
// for that: each node writes down under which office it renews, and no renewal counts
// that was sent after another office began.

// tenure is a time as cluster master.
type tenure struct {
	epoch int64
	// silent are the nodes that had not told it when it was as old as a lease: by then
	// they had passed their deadlines.
	silent map[int]bool
}

// gone reports whether a node has passed its deadline that last renewed under the
// given office, which a mirror shows that may lag: whoever has told this one lives.
func (t *tenure) gone(node int, under int64) bool { return t.silent[node] && under < t.epoch }

// alive returns the nodes whose lease stands at that state.
func (s *Store) alive(now *state) map[int]bool {
	t := s.tenure.Load()
	alive := map[int]bool{}
	for node, under := range now.alive {
		if t == nil || t.epoch != now.leader.epoch || !t.gone(node, under) {
			alive[node] = true
		}
	}
	return alive
}

// countOut waits until the office, which began before, is as old as a lease, and then
// asks the quorum who has not told it. What does not say under which office it renews is
// left to the quorum's own count. It returns when that is known, or ctx ends.
func (s *Store) countOut(ctx context.Context, m *member, epoch int64) {
	lease := max(s.ttl, time.Duration(s.granted.Load())*time.Second)
	for wait := lease; pause(ctx.Done(), wait); wait = renewTime / 4 {
		told, err := s.told(ctx, m)
		if err != nil {
			continue
		}
		t := &tenure{epoch, map[int]bool{}}
		for node, under := range told {
			t.silent[node] = under != 0 && under < epoch
		}
		s.tenure.Store(t)
		return
	}
}

// told asks the quorum for the office that each node says.
func (s *Store) told(ctx context.Context, m *member) (map[int]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, officeTimeout)
	defer cancel()
	answer, err := m.client.Get(ctx, alivePrefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	told := map[int]int64{}
	for _, kv := range answer.Kvs {
		if node, ok := parseAliveKey(string(kv.Key)); ok {
			told[node] = parseAlive(kv.Value)
		}
	}
	return told, nil
}

// officeNow asks the quorum for the epoch of the present office; 0: nobody is in it.
func officeNow(ctx context.Context, c *clientv3.Client) (int64, error) {
	answer, err := c.Get(ctx, leaderKey, clientv3.WithKeysOnly())
	if err != nil || len(answer.Kvs) == 0 {
		return 0, err
	}
	return answer.Kvs[0].CreateRevision, nil
}

// aliveValue is what a node's key says: where it is, and under which office it renews.
func aliveValue(address string, office int64) string { return fmt.Sprintf("%s %d", address, office) }

// parseAlive returns the office; 0: it does not say.
func parseAlive(value []byte) int64 {
	_, epoch, _ := strings.Cut(string(value), " ")
	under, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return 0
	}
	return under
}
