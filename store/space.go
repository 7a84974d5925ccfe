package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/haulout/haulout/cluster"
)

const (
	// defaultQuota is what a member's data may take; the state is far below 100 MB.
	defaultQuota = 2 << 30
	spaceEvery   = 10 * time.Second
	spaceTimeout = 30 * time.Second
	// A file that has shrunk to less than this part of the quota takes writes again.
	spaceEnough = 0.9
)

// Space is what the quorum's data takes on this node, in bytes.
type Space struct {
	Size  int64 // of the file
	InUse int64 // of it
	Quota int64 // beyond which etcd takes no write
	Full  bool  // this member was beyond it and takes none
}

// Trouble says that the data is near the quota or beyond it; nil if it is not.
func (p Space) Trouble(node int) *cluster.Error {
	const hint = "its daemons make space by themselves; if this stays, start them with a larger --quorum-quota than %d MiB"
	switch {
	case p.Full:
		return cluster.Refuse(cluster.CodeStoreFull, fmt.Sprintf(hint, p.Quota>>20),
			"the cluster's state takes %d MiB on node:%d, its quota, and nothing in the cluster can be changed", p.Size>>20, node)
	case p.InUse > p.Quota/2:
		return cluster.Refuse(cluster.CodeStoreFull, fmt.Sprintf(hint, p.Quota>>20),
			"the cluster's state takes %d MiB of its quota of %d MiB on node:%d", p.InUse>>20, p.Quota>>20, node)
	}
	return nil
}

// Space returns what the data takes; zero without a member.
func (s *Store) Space() Space {
	m, err := s.member()
	if err != nil {
		return Space{}
	}
	return m.space()
}

func (m *member) space() Space {
	b := m.server.Backend()
	p := Space{Size: b.Size(), InUse: b.SizeInUse(), Quota: m.quota}
	for _, alarm := range m.server.Alarms() {
		p.Full = p.Full || alarm.Alarm == etcdserverpb.AlarmType_NOSPACE && alarm.MemberID == m.id()
	}
	return p
}

// keepSpace keeps the data away from the quota, and brings a member back that
// has met it: a quorum with one such member takes no write. It ends with a refusal
// (damaged_data_folder) if the member's data differs from the others'.
func (s *Store) keepSpace(ctx context.Context, l *link) error {
	for l.member != nil && pause(ctx.Done(), s.spaceEvery) {
		if l.member.differs() {
			return damaged(s.cfg.Dir, "it differs from what most members of the quorum have")
		}
		if err := l.member.makeSpace(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the space of the quorum's data could not be looked after", "error", err)
		}
	}
	return nil
}

// makeSpace forgets the history of the state, gives what it took back to the
// disk and then lets writes in again. None of it needs a leader of the cluster,
// which could not write.
func (m *member) makeSpace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, spaceTimeout)
	defer cancel()
	if err := m.endAlarms(ctx); err != nil {
		return err
	}
	before := m.space()
	if !before.Full && before.Size < before.Quota/2 {
		return nil
	}
	now, err := m.client.Get(ctx, headKey, clientv3.WithKeysOnly(), clientv3.WithSerializable())
	if err != nil {
		return err
	}
	_, err = m.client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("compact: %w", err)
	}
	// What was just compacted does not count as free yet.
	grown := before.Size > m.packed+before.Quota/8
	if p := m.space(); grown || p.Size-p.InUse > p.Size/4 {
		if err := reading(ctx, m.server, func(context.Context) error { return m.server.Defragment() }); err != nil {
			return fmt.Errorf("defragment: %w", err)
		}
		m.packed = m.space().Size
	}
	after := m.space()
	m.server.Logger().Warn("made space", zap.Int64("before", before.Size), zap.Int64("after", after.Size), zap.Int64("quota", after.Quota))
	if !after.Full || float64(after.Size) > spaceEnough*float64(after.Quota) {
		return nil
	}
	return m.disarm(ctx, m.id(), etcdserverpb.AlarmType_NOSPACE)
}

// differs reports whether most members were found to have other data than this one, when
// they compared what is left after a compaction. Nobody in the quorum can write then, not
// even that a lease has ended, until the alarm does.
func (m *member) differs() bool {
	return slices.ContainsFunc(m.server.Alarms(), func(a *etcdserverpb.AlarmMember) bool {
		return a.Alarm == etcdserverpb.AlarmType_CORRUPT && a.MemberID == m.id()
	})
}

// noticed is after how many looks a member whose data differs has seen that it does.
const noticed = 3

// endAlarms lets go of alarms of others which nobody else would: that of a member that is
// none any more, and that of one whose data differs, once it has had the time to see it and
// end. The member that leads raft does it.
func (m *member) endAlarms(ctx context.Context) error {
	if !m.leads() {
		return nil
	}
	for _, alarm := range m.server.Alarms() {
		lost := m.server.Cluster().Member(types.ID(alarm.MemberID)) == nil
		if alarm.Alarm == etcdserverpb.AlarmType_CORRUPT {
			if alarm.MemberID == 0 && len(m.server.Cluster().Members()) > 1 { // no majority agrees
				continue
			}
			m.differing[alarm.MemberID]++
			lost = lost || m.differing[alarm.MemberID] >= noticed
		}
		if !lost {
			continue
		}
		if err := m.disarm(ctx, alarm.MemberID, alarm.Alarm); err != nil {
			return err
		}
		delete(m.differing, alarm.MemberID)
	}
	return nil
}

func (m *member) disarm(ctx context.Context, id uint64, alarm etcdserverpb.AlarmType) error {
	_, err := m.client.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: id, Alarm: alarm})
	if err != nil {
		return fmt.Errorf("end the alarm: %w", err)
	}
	return nil
}
