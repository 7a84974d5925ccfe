package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	leaseTTL    = 8 * time.Second
	renewTime   = time.Second             // between renewals, and the time each may take
	leaseMargin = 1500 * time.Millisecond // for clock rates, scheduling, and carrying out the fence
	// heldFor is how long a newer board may wait to be shown before the node renews no more.
	heldFor = 4 * time.Second
)

// ServeUntil is the instant of [BootTime] until which this node may serve; 0
// if it has never held a lease. It lies before the instant at which others may
// believe the node gone: the renewal's clock starts at the node when it is
// sent, at the leader when it arrives. Compare it immediately before each act.
func (s *Store) ServeUntil() int64 { return s.serveUntil.Load() }

// ServeSince is the instant of [BootTime] at which the present lease was taken. The
// right to serve is of that lease alone: before it, the node may have counted as gone
// for a time that its clock does not know of, as when a virtual machine stands still.
func (s *Store) ServeSince() int64 { return s.serveSince.Load() }

// Current reports whether the board is at least as new as any that this host was ever
// shown, by this daemon or one before: it has had a lease since it started, or it was
// started again, and what it found is no older than what its predecessor had.
func (s *Store) Current() bool { return s.mirror.current() }

// hold is what the node has in the store.
type hold struct {
	lease  clientv3.LeaseID
	office int64 // epoch that the node's key says
}

// keepLease holds the node's lease until ctx ends.
func (s *Store) keepLease(ctx context.Context, l *link) error {
	if s.cfg.NodeID == 0 {
		return nil
	}
	for ctx.Err() == nil {
		h, err := s.takeLease(ctx, l)
		if err == nil {
			err = s.renewLease(ctx, l, h)
		}
		if ctx.Err() == nil { // what the node serves outlives its daemon
			s.serveUntil.Store(min(s.serveUntil.Load(), BootTime()))
			s.log.Warn("node lease lost", "node", s.cfg.NodeID, "error", err)
		}
		pause(ctx.Done(), renewTime/4)
	}
	return nil
}

// takeLease makes a new lease and hangs the node's key on it. The right to
// serve comes only when the mirror has seen that key: by then it has seen
// everything that was decided while the node counted as gone.
func (s *Store) takeLease(ctx context.Context, l *link) (hold, error) {
	sent := BootTime()
	var lease *clientv3.LeaseGrantResponse
	var h hold
	var revision int64
	err := l.each(ctx, 1, 2*renewTime, func(ctx context.Context, c *clientv3.Client) (err error) {
		if lease, err = c.Grant(ctx, int64(s.ttl/time.Second)); err != nil {
			return err
		}
		h.lease = lease.ID
		if h.office, err = officeNow(ctx, c); err != nil {
			return err
		}
		revision, err = s.putAlive(ctx, c, h)
		return err
	})
	if err != nil {
		return h, fmt.Errorf("take a lease: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, s.ttl)
	defer cancel()
	if _, err := s.mirror.await(limited, revision); err != nil {
		return h, fmt.Errorf("see the own lease: %w", err)
	}
	if err := s.mirror.leased(); err != nil {
		return h, err
	}
	s.serveSince.Store(BootTime())
	s.extend(sent, lease.TTL)
	return h, nil
}

// ForgetOthers takes the leases of all other nodes for ended: they are of a
// former life of the cluster, and prove nothing in this one.
func (s *Store) ForgetOthers(ctx context.Context, epoch int64) error {
	l, err := s.connected()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var deletions []clientv3.Op
	for node := range s.mirror.state().alive {
		if node != s.cfg.NodeID {
			deletions = append(deletions, clientv3.OpDelete(aliveKey(node)))
		}
	}
	leads := clientv3.Compare(clientv3.CreateRevision(leaderKey), "=", epoch)
	answer, err := l.client().Txn(ctx).If(leads).Then(deletions...).Commit()
	if err != nil {
		return failure("end the leases of the former life", err)
	}
	if !answer.Succeeded {
		return stale()
	}
	return nil
}

func (s *Store) putAlive(ctx context.Context, c *clientv3.Client, h hold) (int64, error) {
	answer, err := c.Put(ctx, aliveKey(s.cfg.NodeID), aliveValue(s.cfg.Address, h.office), clientv3.WithLease(h.lease))
	if err != nil {
		return 0, err
	}
	return answer.Header.Revision, nil
}

// renewLease renews once a second until the lease is no more or somebody has
// deleted the node's key.
func (s *Store) renewLease(ctx context.Context, l *link, h hold) error {
	tick := time.NewTicker(renewTime) // an attempt that used up its time is followed by the next at once
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if _, there := s.mirror.state().alive[s.cfg.NodeID]; !there {
			return errors.New("the node's key is gone")
		}
		if err := s.renew(ctx, l, &h); errors.Is(err, errLeaseGone) {
			return err
		}
	}
}

// renew is one renewal. First the quorum is asked who is in office, and whoever is new
// there is told of this node: a renewal counts only from before that was asked. So none
// counts that was sent after an office began whose holder has not been told; see
// [Store.countOut]. Nor does a node renew that can not follow the board, as its disk does
// not answer: whoever waits for it to do so would wait for ever.
func (s *Store) renew(ctx context.Context, l *link, h *hold) error {
	if held := s.mirror.held(); held > heldFor {
		s.log.Warn("the lease is not renewed: what the board says can not be written down", "node", s.cfg.NodeID, "folder", s.cfg.Dir, "for", held)
		return errors.New("the board is not shown")
	}
	sent := BootTime()
	c := l.client()
	limited, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	epoch, err := officeNow(limited, c)
	if err != nil {
		l.failed(c)
		return err
	}
	if epoch != 0 && epoch != h.office {
		if err := s.tell(ctx, c, hold{h.lease, epoch}); err != nil {
			return err
		}
		h.office = epoch
	}
	limited, cancel = context.WithTimeout(ctx, renewTime)
	defer cancel()
	ttl, err := l.renew(limited, c, h.lease)
	if err == nil {
		s.extend(sent, ttl)
	}
	return err
}

// tell writes the node's key anew and waits until the mirror has seen it: the new
// holder of the office may have taken the node for gone before.
func (s *Store) tell(ctx context.Context, c *clientv3.Client, h hold) error {
	ctx, cancel := context.WithTimeout(ctx, 2*renewTime)
	defer cancel()
	revision, err := s.putAlive(ctx, c, h)
	if err == nil {
		_, err = s.mirror.await(ctx, revision)
	}
	return err
}

// extend moves the deadline by a renewal sent at that time. The time to live is
// the one granted, which may be longer than the one asked for.
func (s *Store) extend(sent, ttl int64) {
	s.granted.Store(ttl)
	s.serveUntil.Store(sent + ttl*int64(time.Second) - int64(leaseMargin))
}
