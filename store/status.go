package store

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const statusTimeout = time.Second

// Status is what this node knows of the quorum.
type Status struct {
	Quorum   bool   // a majority answered just now
	Revision int64  // that the mirror has reached
	Cluster  uint64 // etcd's id of the cluster; 0 for a client
	Member   uint64 // etcd's id of this node's member; 0 for a client
	Learner  bool   // the member has no vote yet
	RaftLead int    // node whose member is raft's leader; 0 if unknown
}

// Status asks the majority for a sign of life, for at most a second.
func (s *Store) Status(ctx context.Context) Status {
	now := s.mirror.state()
	status := Status{Revision: now.revision}
	l, err := s.connected()
	if err != nil {
		return status
	}
	err = l.each(ctx, 1, statusTimeout, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Get(ctx, headKey, clientv3.WithKeysOnly())
		return err
	})
	status.Quorum = err == nil
	if l.member == nil {
		status.RaftLead = now.leader.Node
		return status
	}
	status.Cluster = uint64(l.member.server.Cluster().ID())
	status.Member = l.member.id()
	status.Learner = l.member.server.IsLearner()
	status.RaftLead = s.nodeOfMember(l.member.server.Lead())
	return status
}

func (s *Store) nodeOfMember(id uint64) int {
	if id == 0 {
		return 0
	}
	for _, n := range s.mirror.state().board.Nodes {
		if n.MemberID == id {
			return n.ID
		}
	}
	return 0
}
