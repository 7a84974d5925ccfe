package plan

import (
	"strings"

	"github.com/haulout/haulout/cluster"
)

// zone is the node's rack id; capitals do not matter in it.
func zone(v cluster.View, node int) string { return strings.ToLower(v.Nodes[node].RackID) }

// zoned reports whether copies of the database must be in different zones.
func zoned(v cluster.View, d cluster.Database) bool { return d.RackAware && v.Cluster.RackAware }

// Mixed reports whether the shard shares a zone with its partner in spite of the
// zone rule.
func Mixed(v cluster.View, s cluster.Shard) bool {
	partner, ok := v.Partner(s)
	return ok && zoned(v, v.Databases[s.Range.Database]) && zone(v, v.NodeOf(s)) == zone(v, v.NodeOf(partner))
}

// crossed reports whether neither of two partners could go home first by the zone
// rule: the shard, whose home is the node, is in the zone of its partner's home, and
// the partner in that of the node.
func crossed(v cluster.View, s, partner cluster.Shard, node int) bool {
	home := HomeOf(v, partner)
	return home != 0 && zoned(v, v.Databases[s.Range.Database]) &&
		zone(v, v.NodeOf(s)) == zone(v, home) && zone(v, v.NodeOf(partner)) == zone(v, node)
}
