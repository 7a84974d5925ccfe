package api

import (
	"context"
	"strconv"

	"github.com/haulout/haulout/cluster"
)

// StateHeader carries the revision of the board that an answer was made on. A
// PUT that sends it back is carried out only if nothing has changed since.
const StateHeader = "Cluster-State-Id"

// unchanged is a leader for a change that was decided on one revision.
type unchanged struct {
	Leader
	since int64
}

// since returns the leader for a request with the header; the leader itself
// for one without.
func since(header string, leader Leader) (Leader, error) {
	if header == "" {
		return leader, nil
	}
	revision, err := strconv.ParseInt(header, 10, 64)
	if err != nil {
		return nil, badRequest("send back what an answer carried", "the header %s is not a number", StateHeader)
	}
	return unchanged{leader, revision}, nil
}

// Submit implements Leader.
func (u unchanged) Submit(ctx context.Context, c cluster.Command) error {
	return u.Leader.Submit(ctx, onlyAt{c, u.since})
}

// onlyAt is a command for one revision of the board. It is asked in the leader's
// serial loop, so nothing comes in between.
type onlyAt struct {
	cluster.Command
	revision int64
}

// Apply implements cluster.Command.
func (o onlyAt) Apply(b *cluster.Board) (cluster.Change, error) {
	if b.Revision != o.revision {
		return cluster.Change{}, cluster.Refuse(CodeWrongState, "read again, then decide again", "the cluster has changed since state %d", o.revision)
	}
	return o.Command.Apply(b)
}
