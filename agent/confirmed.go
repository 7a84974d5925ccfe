package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// lacking looks, where min_replicas is set, whether another copy may have confirmed
// writes that the one to be promoted lacks. It is asked when no proxy sends to the
// master any more, so that nothing is confirmed behind it. The reason is empty if there
// is none; else nobody is promoted by this order, and it is decided anew who.
func (a *Agent) lacking(ctx context.Context, board *cluster.Board, from cluster.InstanceID, to cluster.Instance) (reason string) {
	least := board.Databases[to.Range.Database].MinReplicas
	if least == 0 {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, predecessorAnswer)
	defer cancel()
	own := instance(board, to).Observe(ctx)
	silent := ""
	for _, i := range copies(board, to.Range) {
		if i.ID == to.ID || i.ID == from || !i.Seed.IsZero() {
			continue
		}
		switch o := instance(board, i).Observe(ctx); {
		case o.State == engine.Unresponsive:
			least--
			silent = fmt.Sprintf("redis:%d on node:%d does not answer and may have more", i.ID.Shard, i.Node)
		case o.State != engine.Up: // what it had is gone
		case o.ReplID == own.ReplID && o.Copied && !o.Syncing && o.Offset > own.Offset:
			return fmt.Sprintf("redis:%d on node:%d has more", i.ID.Shard, i.Node)
		}
	}
	if least <= 0 {
		return silent
	}
	return ""
}

// copies are the instances of a range, by id.
func copies(board *cluster.Board, r cluster.RangeID) []cluster.Instance {
	list := slices.DeleteFunc(board.InstancesOf(r.Database), func(i cluster.Instance) bool { return i.Range != r })
	slices.SortFunc(list, func(a, b cluster.Instance) int {
		return cmp.Or(cmp.Compare(a.ID.Shard, b.ID.Shard), cmp.Compare(a.ID.Incarnation, b.ID.Incarnation))
	})
	return list
}
