package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
)

// tellTrouble says, below the tables, what is amiss and why; nothing if nothing is.
func (s *session) tellTrouble(lines []string) {
	if len(lines) > 0 {
		s.say("\nTROUBLE:\n* %s", strings.Join(lines, "\n* "))
	}
}

func (p picture) trouble(w words) []string {
	return slices.Concat(p.hostTrouble(w), p.endpointTrouble(w), p.shardTrouble(w))
}

// hostTrouble is what is amiss with the cluster as a whole and with its hosts.
func (p picture) hostTrouble(w words) (list []string) {
	for _, trouble := range p.Cluster.Troubles {
		list = append(list, trouble.Error())
	}
	for _, n := range p.Nodes {
		for _, trouble := range n.Troubles {
			if wantsNode(w, int(n.UID)) {
				list = append(list, fmt.Sprintf("node:%d: %s", n.UID, trouble))
			}
		}
	}
	return list
}

func (p picture) endpointTrouble(w words) (list []string) {
	for _, d := range p.Databases {
		for _, e := range d.Endpoints {
			here := slices.ContainsFunc(e.Nodes, func(n api.NumberID) bool { return wantsNode(w, int(n)) })
			if e.Trouble != "" && here && wantsDatabase(w, d) {
				list = append(list, fmt.Sprintf("endpoint:%s (%s): %s", e.UID, d.Name, e.Trouble))
			}
		}
	}
	return list
}

func (p picture) shardTrouble(w words) (list []string) {
	for _, shard := range p.Shards {
		if shard.Trouble != "" && p.wantsShard(w, shard) {
			line := fmt.Sprintf("redis:%d (%s) on node:%d: %s", shard.UID, p.database(shard.Database).Name, shard.Node, shard.Trouble)
			if shard.Lost && shard.Unsettled == "" {
				line += "; see haulout recover list"
			}
			list = append(list, line)
		}
	}
	return list
}
