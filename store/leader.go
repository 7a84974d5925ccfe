package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

const (
	officeTimeout = 2 * time.Second  // for each step of taking office
	shortTerm     = 10 * time.Second // terms shorter than this slow down the next
	firstRest     = 100 * time.Millisecond
	longestRest   = 5 * time.Second
)

// leader is the record of the cluster master.
type leader struct {
	Node    int       `json:"node"`
	Address string    `json:"address"`
	Since   time.Time `json:"since"`

	epoch int64 // create revision of the key; 0: nobody leads
}

func parseLeader(kv *mvccpb.KeyValue) leader {
	l := leader{epoch: kv.CreateRevision}
	if err := json.Unmarshal(kv.Value, &l); err != nil {
		return leader{epoch: kv.CreateRevision} // somebody leads, but can't be addressed
	}
	return l
}

// Leader returns the node that is cluster master and its epoch, by the mirror.
// Not ok: nobody is, or nobody is known to be.
func (s *Store) Leader() (node int, epoch int64, ok bool) {
	l := s.mirror.state().leader
	return l.Node, l.epoch, l.epoch != 0
}

// Lead calls f each time this node becomes cluster master, with an epoch that
// is higher than all before and a board that holds everything committed under
// those. The context of f ends when the office is lost; Lead waits for f. If f
// returns by itself, it is called again with a new epoch, after a rest that
// grows while terms are short. Lead returns nil when ctx or Run ends. On a node
// without a member f is never called.
func (s *Store) Lead(ctx context.Context, f func(ctx context.Context, epoch int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	select {
	case <-s.linked:
	case <-ctx.Done():
		return nil
	}
	m, err := s.member()
	if err != nil {
		<-ctx.Done()
		return nil
	}
	s.leadWhileElected(ctx, m, f)
	return nil
}

func (s *Store) leadWhileElected(ctx context.Context, m *member, f func(context.Context, int64) error) {
	rest := time.Duration(0)
	for m.awaitLead(ctx.Done()) {
		began := time.Now()
		err := s.term(ctx, m, f)
		if ctx.Err() != nil {
			return
		}
		s.log.Info("no longer cluster master", "node", s.cfg.NodeID, "error", err)
		switch {
		case time.Since(began) > shortTerm:
			rest = 0
		case rest == longestRest:
			s.makeWay(ctx)
		default:
			rest = min(max(2*rest, firstRest), longestRest)
		}
		pause(ctx.Done(), rest)
	}
}

// makeWay lets another node try, after this one has failed again and again.
func (s *Store) makeWay(ctx context.Context) {
	if err := s.TransferLeadership(ctx, 0); err != nil {
		s.log.Warn("cluster master can't be handed on", "error", err)
	}
}

// term is one time in office.
func (s *Store) term(ctx context.Context, m *member, f func(context.Context, int64) error) error {
	epoch, err := s.takeOffice(ctx, m)
	if err != nil {
		return fmt.Errorf("take office: %w", err)
	}
	limited, stop := context.WithTimeout(ctx, officeTimeout)
	defer stop()
	if _, err := s.mirror.await(limited, epoch); err != nil {
		return fmt.Errorf("load the board: %w", err)
	}
	s.log.Info("cluster master", "node", s.cfg.NodeID, "epoch", epoch)
	ctx, cancel := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { cancel(s.loseOffice(ctx, m, epoch)) })
	beside.Go(func() { s.countOut(ctx, m, epoch) })
	err = f(ctx, epoch)
	cancel(nil)
	beside.Wait()
	return errors.Join(err, context.Cause(ctx))
}

// takeOffice replaces the leader's record. It is deleted and created, never
// overwritten, because the epoch is the revision of its creation: so the epoch
// changes even if the same node leads twice.
func (s *Store) takeOffice(ctx context.Context, m *member) (epoch int64, err error) {
	value, err := json.Marshal(leader{Node: s.cfg.NodeID, Address: s.cfg.Address, Since: time.Now().UTC()})
	if err != nil {
		return 0, err
	}
	old, err := get(ctx, m.client, leaderKey)
	if err != nil {
		return 0, err
	}
	for _, kv := range old.Kvs {
		unchanged := clientv3.Compare(clientv3.ModRevision(leaderKey), "=", kv.ModRevision)
		if _, err := s.replaceRecord(ctx, m, unchanged, clientv3.OpDelete(leaderKey)); err != nil {
			return 0, err
		}
	}
	absent := clientv3.Compare(clientv3.CreateRevision(leaderKey), "=", 0)
	return s.replaceRecord(ctx, m, absent, clientv3.OpPut(leaderKey, string(value)))
}

func (s *Store) replaceRecord(ctx context.Context, m *member, condition clientv3.Cmp, op clientv3.Op) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, officeTimeout)
	defer cancel()
	if !m.leads() {
		return 0, errors.New("another node was elected")
	}
	answer, err := m.client.Txn(ctx).If(condition).Then(op).Commit()
	if err != nil {
		return 0, err
	}
	if !answer.Succeeded {
		return 0, errors.New("another node took office")
	}
	return answer.Header.Revision, nil
}

// loseOffice returns why the office is lost as soon as it is, or nil when ctx ends.
func (s *Store) loseOffice(ctx context.Context, m *member, epoch int64) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		now, changed := s.mirror.observe()
		switch {
		case !m.leads():
			return errors.New("another node was elected")
		case now.leader.epoch != epoch:
			return errors.New("another node took office")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-look.C:
		}
	}
}

// TransferLeadership hands the office of cluster master from this node to
// another that votes; 0 lets any of them have it that is alive. It returns when
// raft's leadership has moved, within five seconds.
func (s *Store) TransferLeadership(ctx context.Context, toNode int) error {
	m, err := s.member()
	if err != nil {
		return err
	}
	if !m.leads() {
		return cluster.Refuse(cluster.CodeNoLeader, "ask the cluster master", "node %d is not the cluster master", s.cfg.NodeID)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	target, err := s.successor(m, toNode)
	if err != nil {
		return err
	}
	if err := m.server.MoveLeader(ctx, m.id(), target); err != nil {
		return failure("hand over cluster master", err)
	}
	return nil
}

// successor returns the etcd id of the member to follow. If any may, it is one that stays,
// if there is one: a node that goes out of service would hand the office on in its turn.
func (s *Store) successor(m *member, toNode int) (uint64, error) {
	now := s.mirror.state()
	v := cluster.View{Board: now.board, Alive: s.alive(now)}
	var next cluster.Node
	for _, n := range cluster.Sorted(v.Nodes) {
		fits := n.ID == toNode || toNode == 0 && v.Alive[n.ID]
		if !fits || n.Membership != cluster.Voter || n.MemberID == m.id() || n.MemberID == 0 {
			continue
		}
		if next.ID == 0 || v.MayLead(next.ID) != nil && v.MayLead(n.ID) == nil {
			next = n
		}
	}
	if next.ID != 0 {
		return next.MemberID, nil
	}
	if toNode != 0 {
		return 0, cluster.Refuse(cluster.CodeNodeNotFound, "name a node that votes and is not the cluster master", "node %d can't become cluster master", toNode)
	}
	return 0, cluster.Refuse(cluster.CodeNodeNotFound, "add nodes or start those that are down", "no other node can become cluster master")
}
