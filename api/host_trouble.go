package api

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// clocksDiffer is by how much, beyond the way of a report, before it is trouble.
const clocksDiffer = 30 * time.Second

// hostTroubles are what is amiss with the node's host: what it says itself, and
// what only a comparison with the master's shows. Of one that is down it is what took it
// down: without its disk a host can not go on, and said so before.
func hostTroubles(v cluster.View, n cluster.Node) []*cluster.Error {
	report := v.Reports[n.ID]
	list := slices.Clone(report.Troubles)
	if !v.Alive[n.ID] {
		return slices.DeleteFunc(list, func(t *cluster.Error) bool { return t.Code != cluster.CodeDiskSilent })
	}
	ahead := report.Clock.Sub(v.HeardAt[n.ID].Round(0)).Round(time.Second)
	if report.Clock.IsZero() || v.HeardAt[n.ID].IsZero() || ahead.Abs() < clocksDiffer {
		return list
	}
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	return append(list, cluster.Refuse(cluster.CodeClockDiffers,
		"set the hosts' clocks and keep them with NTP; times in the activity, and the end of tokens and certificates, follow them",
		"its clock is %s %s that of node:%d, the cluster master", ahead.Abs(), word, v.Leader))
}
