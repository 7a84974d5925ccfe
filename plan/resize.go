package plan

import (
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Resize returns why a database can not be given another size, as cluster.Refusals, or
// nil: every node that has no room for what it holds of it, or is to hold once it is back
// in service, and every master that holds more by now than it would be allowed to.
func Resize(v cluster.View, d cluster.Database) error {
	before := v.Databases[d.ID].ProcessMemory()
	v.Board = v.With(v.Revision, cluster.Change{Put: []cluster.Object{d}})
	faults := crowded(v, d)
	if d.ProcessMemory() > before {
		sp := newSpace(v, none)
		for _, n := range sp.nodes {
			sp.expect(n)
			if lacks := -sp.free(n); lacks > 0 && sp.holds(d.ID, n) {
				faults = append(faults, cluster.Refuse(cluster.CodeInsufficientResources,
					fmt.Sprintf("move shards away from node:%d, add a node, or choose less", n),
					"node:%d has %s too little for its shards of db:%d (%s)", n, cluster.Size(lacks, 2), d.ID, d.Name))
			}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// crowded names the masters that would refuse every write for what they hold.
func crowded(v cluster.View, d cluster.Database) (faults cluster.Refusals) {
	if d.Eviction != "noeviction" {
		return nil
	}
	for _, r := range v.RangesOf(d.ID) {
		if o, _ := v.Observed(r.Master); o.Dataset > d.ShardMemory() {
			faults = append(faults, cluster.Refuse(cluster.CodeInsufficientResources, "choose more, delete data, or choose another eviction_policy",
				"redis:%d holds %s and would have %s: with noeviction it would take no write", r.Master.Shard, cluster.Size(o.Dataset, 2), cluster.Size(d.ShardMemory(), 2)))
		}
	}
	return faults
}

// expect counts what comes home to a node that is out of service.
func (sp *space) expect(node int) {
	m := sp.v.Nodes[node].Maintenance
	if m == nil {
		return
	}
	for _, p := range Home(sp.v.Snapshots[cluster.SnapshotID{Node: node, Name: m.Snapshot}]).Shards {
		if s, there := sp.v.Shards[p.Shard]; there && !slices.Contains(sp.copies[s.Range], held{s.ID, node}) {
			sp.add(want{shard: s.ID, slots: s.Range, db: sp.v.Databases[s.Range.Database]}, node)
		}
	}
}

// holds reports whether something of the database is on the node, or is to be.
func (sp *space) holds(database, node int) bool {
	for r, list := range sp.copies {
		if r.Database == database && slices.ContainsFunc(list, func(h held) bool { return h.node == node }) {
			return true
		}
	}
	return false
}
