package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

const (
	// A cluster refuses changes of membership for five seconds after the last one.
	membershipTimeout = 20 * time.Second
	membershipPoll    = 200 * time.Millisecond
	promoteTimeout    = 30 * time.Second
)

// Member is one member of the quorum.
type Member struct {
	ID      uint64
	Name    string // empty until it has been started for the first time
	PeerURL string
	Learner bool
}

// Members returns the quorum's members as the majority knows them.
func (s *Store) Members(ctx context.Context) ([]Member, error) {
	l, err := s.connected()
	if err != nil {
		return nil, err
	}
	var list []Member
	err = l.each(ctx, 3, officeTimeout, func(ctx context.Context, c *clientv3.Client) error {
		answer, err := c.MemberList(ctx)
		if err == nil {
			list = members(answer.Members)
		}
		return err
	})
	if err != nil {
		return nil, failure("list the quorum's members", err)
	}
	return list, nil
}

func members(answer []*etcdserverpb.Member) []Member {
	list := make([]Member, len(answer))
	for i, m := range answer {
		list[i] = Member{ID: m.ID, Name: m.Name, PeerURL: strings.Join(m.PeerURLs, ","), Learner: m.IsLearner}
	}
	return list
}

// AddLearner adds a member that has no vote yet and returns its id and what
// [Join] needs to know. A member at the URL that has never been started is an
// earlier attempt of the same join and is used again. One that has been
// started is refused (join_refused), or, if replace says that it is dead for
// good, removed first. It waits until a member that was added before has been
// started, since that one starts only with the list of members it was told, and
// goes on while the quorum refuses changes because of an earlier one: 20 seconds
// in all. One join at a time.
func (s *Store) AddLearner(ctx context.Context, name, peerURL string, replace bool) (memberID uint64, initialCluster string, err error) {
	m, err := s.member()
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	present, err := s.Members(ctx)
	if err != nil {
		return 0, "", err
	}
	if i := slices.IndexFunc(present, func(p Member) bool { return p.PeerURL == peerURL }); i >= 0 {
		old := present[i]
		if old.Name == "" && old.Learner {
			return old.ID, initialClusterOf(present, old.ID, name), nil
		}
		if !replace {
			return 0, "", cluster.Refuse(cluster.CodeJoinRefused, "remove that node from the cluster first",
				"the quorum has a member at %s already", peerURL)
		}
		if err := s.RemoveMember(ctx, old.ID); err != nil {
			return 0, "", err
		}
	}
	if err := s.awaitStarted(ctx, peerURL); err != nil {
		return 0, "", err
	}
	// An id is made of URL and second: one added and removed in this second is not
	// given again, which etcd reports as not found.
	passing := []error{rpctypes.ErrMemberNotFound, rpctypes.ErrTooManyLearners} // learners are promoted two at a time
	err = retry(ctx, passing, func() error {
		answer, err := m.client.MemberAddAsLearner(ctx, []string{peerURL})
		if err == nil {
			memberID, present = answer.Member.ID, members(answer.Members)
		}
		return err
	})
	if err != nil {
		return 0, "", membershipFailure("add a member at "+peerURL, err)
	}
	return memberID, initialClusterOf(present, memberID, name), nil
}

// awaitStarted waits for the members other than the one at the URL that have been
// added and not been started, for half of the time: one whose host has died
// meanwhile keeps nobody out.
func (s *Store) awaitStarted(ctx context.Context, peerURL string) error {
	half, cancel := context.WithTimeout(ctx, membershipTimeout/2)
	defer cancel()
	for {
		present, err := s.Members(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(present, func(p Member) bool { return p.Name == "" && p.PeerURL != peerURL }) {
			return nil
		}
		if !pause(half.Done(), membershipPoll) {
			return ctx.Err()
		}
	}
}

// initialClusterOf lists the members in etcd's form, the new one by its name.
// Every member has to be in it, so one that has no name yet gets one.
func initialClusterOf(list []Member, id uint64, name string) string {
	parts := make([]string, len(list))
	for i, m := range list {
		switch {
		case m.ID == id:
			m.Name = name
		case m.Name == "":
			m.Name = fmt.Sprintf("unnamed-%x", m.ID)
		}
		parts[i] = m.Name + "=" + m.PeerURL
	}
	return strings.Join(parts, ",")
}

// Promote gives learners their vote: it waits until all of them are in sync
// and then promotes them back to back, so that the quorum passes quickly
// through sizes that tolerate no failure. Those that vote already are skipped,
// so that it may be called again. At most 30 seconds.
func (s *Store) Promote(ctx context.Context, memberIDs ...uint64) error {
	m, err := s.member()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, promoteTimeout)
	defer cancel()
	for _, id := range memberIDs {
		if err := retry(ctx, []error{rpctypes.ErrMemberLearnerNotReady}, func() error { return s.inSync(ctx, m, id) }); err != nil {
			return membershipFailure(fmt.Sprintf("wait for member %x to catch up", id), err)
		}
	}
	for _, id := range memberIDs {
		err := retry(ctx, []error{rpctypes.ErrMemberLearnerNotReady}, func() error {
			_, err := m.client.MemberPromote(ctx, id)
			return err
		})
		if err != nil && !errors.Is(err, rpctypes.ErrMemberNotLearner) {
			return membershipFailure(fmt.Sprintf("promote member %x", id), err)
		}
	}
	return nil
}

// inSync asks the learner itself how far it is.
func (s *Store) inSync(ctx context.Context, m *member, id uint64) error {
	answer, err := m.client.MemberList(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(answer.Members, func(p *etcdserverpb.Member) bool { return p.ID == id })
	switch {
	case i < 0:
		return rpctypes.ErrMemberNotFound
	case !answer.Members[i].IsLearner:
		return nil
	case len(answer.Members[i].ClientURLs) == 0:
		return rpctypes.ErrMemberLearnerNotReady // has never been started
	}
	info := tlsInfo(s.cfg)
	config, err := info.ClientConfig()
	if err != nil {
		return err
	}
	log, _ := newZap(s.log)
	r, err := newRemote(answer.Members[i].ClientURLs[0], config, log)
	if err != nil {
		return err
	}
	defer r.client.Close()
	ctx, cancel := context.WithTimeout(ctx, officeTimeout)
	defer cancel()
	status, err := r.client.Status(ctx, r.endpoint)
	if err != nil || status.RaftAppliedIndex+100 < m.server.CommittedIndex() {
		return rpctypes.ErrMemberLearnerNotReady
	}
	return nil
}

// RemoveMember takes a member out of the quorum; it is no error if it is not in
// it. It is refused (quorum_would_be_lost) if the others that are up would be
// no majority, and tried again for 20 seconds while they are just coming up.
func (s *Store) RemoveMember(ctx context.Context, memberID uint64) error {
	m, err := s.member()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	err = retry(ctx, nil, func() error {
		_, err := m.client.MemberRemove(ctx, memberID)
		return err
	})
	if err == nil || errors.Is(err, rpctypes.ErrMemberNotFound) {
		return nil
	}
	return membershipFailure(fmt.Sprintf("remove member %x", memberID), err)
}

// watchRemoval ends with [ErrRemoved] when this node's id was given out and the
// board has no such node any more, or says that a recovered cluster does not know the
// node. A member learns that from the quorum itself.
func (s *Store) watchRemoval(ctx context.Context, l *link) error {
	if l.member != nil {
		return nil
	}
	for {
		now, changed := s.mirror.observe()
		switch {
		case now.board.Removed(s.cfg.NodeID):
			return ErrRemoved
		case now.board.FormerNode(s.cfg.NodeID):
			return cluster.Refuse(cluster.CodeForeignData, cluster.KeepFolder, "the recovered cluster knows no node:%d", s.cfg.NodeID)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// retry repeats f while it fails with something that passes, or the quorum refuses
// because of an earlier change, and returns the last error when ctx ends: why it was
// tried again, not that the last attempt was cut off.
func retry(ctx context.Context, passing []error, f func() error) error {
	var last error
	for {
		err := f()
		if last != nil && ctx.Err() != nil && unavailable(err) {
			return last
		}
		last = err
		patience := errors.Is(err, rpctypes.ErrUnhealthy) || slices.ContainsFunc(passing, func(p error) bool { return errors.Is(err, p) })
		if !patience || !pause(ctx.Done(), membershipPoll) {
			return err
		}
	}
}

func membershipFailure(what string, err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrMemberNotEnoughStarted), errors.Is(err, rpctypes.ErrUnhealthy):
		return cluster.Refuse(cluster.CodeQuorumWouldBeLost, quorumHint, "%s: too few members are up", what)
	case errors.Is(err, rpctypes.ErrTooManyLearners):
		return cluster.Refuse(cluster.CodeJoinRefused, "wait until the nodes that are joining have joined, or remove them", "%s: other nodes are joining", what)
	case errors.Is(err, rpctypes.ErrMemberLearnerNotReady):
		return cluster.Refuse(cluster.CodeDeadline, "check that its daemon runs and reaches the cluster master", "%s: it is not in sync", what)
	}
	return failure(what, err)
}
