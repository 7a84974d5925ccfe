package daemon

import (
	"maps"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/store"
)

// What a host without a lease serves, and says of it.

// current returns the board while this host's lease stands. Without one the
// board may be old, and clients would be sent to where nobody serves: then it shows
// only the endpoints that this host goes on serving as a whole.
func (r *rooms) current() *cluster.Board {
	board := r.store.Board()
	if store.BootTime() <= r.store.ServeUntil() {
		return board
	}
	return servedAlone(board, r.node, r.agent.Alone())
}

func servedAlone(board *cluster.Board, node int, alone map[cluster.RangeID]cluster.Alone) *cluster.Board {
	shown := *board
	shown.Endpoints = maps.Clone(board.Endpoints)
	maps.DeleteFunc(shown.Endpoints, func(id cluster.EndpointID, e cluster.Endpoint) bool {
		return len(e.Nodes) == 0 || e.Nodes[0] != node || slices.ContainsFunc(board.RangesOf(id.Database), func(r cluster.SlotRange) bool {
			return alone[r.ID].Until.IsZero()
		})
	})
	if len(shown.Endpoints) == 0 {
		return nil
	}
	return &shown
}

// aloneTroubles says of each database of this host's endpoints whether it is served
// without a lease, for how long, and what to do.
func aloneTroubles(board *cluster.Board, alone map[cluster.RangeID]cluster.Alone) []*cluster.Error {
	var list []*cluster.Error
	for _, d := range cluster.Sorted(board.Databases) {
		var served []string
		until := ""
		for _, r := range board.RangesOf(d.ID) {
			switch a, known := alone[r.ID]; {
			case !known:
			case a.Why != nil && (len(list) == 0 || *list[len(list)-1] != *a.Why):
				list = append(list, a.Why)
			case !a.Until.IsZero():
				served, until = append(served, r.SlotsText()), a.Until.Format("15:04:05 UTC")
			}
		}
		if len(served) > 0 {
			list = append(list, cluster.Refuse(cluster.CodeServingAlone,
				"bring the quorum back: until then nothing is promoted, moved or changed, and what ends stays ended",
				"db:%d (%s) slots %s are served without a quorum, until %s and on from second to second as long as every host with a copy agrees",
				d.ID, d.Name, strings.Join(served, ", "), until))
		}
	}
	return list
}
