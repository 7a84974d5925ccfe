package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/haulout/haulout/cluster"
)

// ErrRemoved is returned by [Store.Run] when the cluster has removed this node:
// its member from the quorum, or, of one without a member, the node from the
// board. Its data is of no use any more: see [SetAside].
var ErrRemoved = errors.New("this node was removed from the cluster")

const quorumHint = "check that a majority of the voting nodes is up and reachable"

// failure explains what went wrong with a request to etcd.
func failure(what string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case unavailable(err):
		return cluster.Refuse(cluster.CodeNoQuorum, quorumHint, "%s: the quorum does not answer", what)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return cluster.Refuse(cluster.CodeStoreFull, "its daemons make space by themselves: try again in half a minute; haulout status shows what is left to do",
			"%s: the cluster's state has reached its quota on a node", what)
	case errors.Is(err, rpctypes.ErrCorrupt):
		return cluster.Refuse(cluster.CodeDamagedData, "try again in half a minute: the daemon of a member that differs ends by itself; if this stays, no majority agrees: stop all voting nodes' daemons but one, then recover the cluster on that: haulout cluster recover",
			"%s: the members of the quorum do not have the same data", what)
	case errors.Is(err, rpctypes.ErrTooManyOps), errors.Is(err, rpctypes.ErrRequestTooLarge):
		return cluster.Refuse(cluster.CodeTooLarge, "do it in smaller parts", "%s: the change is too large for one transaction", what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func unavailable(err error) bool {
	var e rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &e) {
		code = e.Code()
	}
	return errors.Is(err, context.DeadlineExceeded) || code == codes.Unavailable ||
		code == codes.DeadlineExceeded || code == codes.Canceled
}
