package maintenance

import (
	"math"

	"github.com/haulout/haulout/cluster"
)

// Progress is how far an action is. It is computed, never stored.
type Progress struct {
	Percent     float64 // 0 to 100
	BytesDone   int64
	BytesTotal  int64
	SecondsLeft int    // -1: not known
	Waiting     string // for what, in plain words; empty if for nothing
}

// moveWeight is what a move counts for besides the bytes it copies, in bytes,
// so that failovers and endpoints show too.
const moveWeight = 1 << 20

// ProgressOf computes how far the action is from the board and the reports.
func ProgressOf(v cluster.View, a cluster.Action) Progress {
	p := Progress{SecondsLeft: -1}
	var weight, total int64
	for _, m := range a.Moves {
		if m.Status == cluster.MoveAbandoned {
			continue
		}
		done, part := moved(v, m)
		p.BytesDone, p.BytesTotal = p.BytesDone+done, p.BytesTotal+m.Bytes
		weight, total = weight+done+part, total+m.Bytes+moveWeight
	}
	switch {
	case a.Status == cluster.ActionCompleted:
		p.Percent, p.SecondsLeft = 100, 0
		return p
	case total > 0:
		p.Percent = float64(weight) * 100 / float64(total)
	}
	if a.Status.Ended() {
		return p
	}
	p.Waiting = newTurn(v, a, func() string { return "" }).next().waits
	if elapsed := v.Now.Sub(a.Started).Seconds(); !a.Started.IsZero() && weight > 0 {
		p.SecondsLeft = int(math.Ceil(elapsed * float64(total-weight) / float64(weight)))
	}
	return p
}

// moved is what a move has done: bytes copied, and its weight once it ended well.
func moved(v cluster.View, m cluster.Move) (bytes, weight int64) {
	switch m.Status {
	case cluster.MoveDone:
		return m.Bytes, moveWeight
	case cluster.MoveRunning:
		return arrived(v, m), 0
	}
	return 0, 0
}

// arrived is how many bytes of a running copy are there.
func arrived(v cluster.View, m cluster.Move) int64 {
	if m.Kind != cluster.Migrate || m.Instance.IsZero() {
		return 0
	}
	if hasCopy(v, m.Instance) || v.Shards[m.Shard].Instance == m.Instance {
		return m.Bytes
	}
	o, _ := v.Observed(m.Instance)
	return min(max(o.SyncedBytes, 0), m.Bytes)
}
