package maintenance

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
)

// busyTarget says which node has as many copies in hand as its operator allows,
// or "". Those of other actions count, too.
func (l *lanes) busyTarget(m cluster.Move) string {
	to, from := m.To, l.copiedFrom(m)
	made, taken := 0, 0
	for _, o := range l.copying {
		if o.To == to {
			made++
		}
		if l.copiedFrom(o) == from {
			taken++
		}
	}
	switch {
	case full(made, l.Nodes[to].CopyLimits().FullSyncs):
		return fmt.Sprintf("node:%d makes as many copies as its max_slave_full_syncs allows", to)
	case full(taken, l.Nodes[from].CopyLimits().Forks):
		return fmt.Sprintf("as many copies are taken from node:%d as its max_redis_forks allows", from)
	}
	return ""
}

func full(n, limit int) bool { return limit > 0 && n >= limit }

// copiedFrom is the node whose engine forks for the move's copy.
func (l *lanes) copiedFrom(m cluster.Move) int {
	s := l.Shards[m.Shard]
	r := l.Ranges[s.Range]
	if second := l.Instances[m.Instance]; !second.Seed.IsZero() {
		return l.Instances[second.Seed].Node
	}
	if source, replicated := l.seed(s, r); replicated && m.Instance.IsZero() {
		return source.Node
	}
	return l.Instances[r.Master].Node
}
