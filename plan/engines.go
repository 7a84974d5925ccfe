package plan

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
)

// While hosts are upgraded one after the other, a range may have copies on engines
// of different versions. An older one goes on following a newer master, but can
// not copy from it again, so one broken link would cost the copy. Hence a copy is
// only put where it can be loaded, and where there is a choice masters stay with
// the older version until everybody can follow.

// source is the engine from which a copy of the range is made: that of its master
// as the plan leaves it.
func (sp *space) source(slots cluster.RangeID) cluster.Engine {
	if e, planned := sp.sources[slots]; planned {
		return e
	}
	return sp.v.EngineOf(sp.v.Ranges[slots].Master)
}

// unreadable says why a copy of the shard's range could not be loaded on the node, or nil.
func (sp *space) unreadable(w want, node int) *cluster.Error {
	program, source := sp.v.Reports[node].Engine, sp.source(w.slots)
	if program.Loads(source) {
		return nil
	}
	return cluster.Refuse(cluster.CodeEngineTooOld, fmt.Sprintf("upgrade the engine on node:%d first", node),
		"node:%d has %s, which can not load what %s writes", node, program, source)
}

// unfollowed says why the new master on the node could have no replica anywhere, or nil.
func (sp *space) unfollowed(w want, node int) *cluster.Error {
	program := sp.v.Reports[node].Engine
	alone := true
	for _, n := range sp.nodes {
		if n == node || sp.closed(n, false) != "" {
			continue
		}
		if alone = false; sp.v.Reports[n].Engine.Loads(program) {
			return nil
		}
	}
	if alone {
		return nil // which is said of the replica
	}
	return cluster.Refuse(cluster.CodeEngineTooOld, "upgrade the engine on another node first",
		"node:%d has %s, and no other node in service can load what it writes", node, program)
}

// CutOff says why the shard could not copy from its partner if that became master, or "".
func CutOff(v cluster.View, s, partner cluster.Shard) string {
	mine, its := v.EngineOf(s.Instance), v.EngineOf(partner.Instance)
	if mine.Loads(its) {
		return ""
	}
	return fmt.Sprintf("redis:%d on node:%d is of %s and could not copy from redis:%d, which is of %s", s.ID, v.NodeOf(s), mine, partner.ID, its)
}

// leavesBehind says why the partner could not copy from the shard if that were
// master on the node, or "".
func leavesBehind(v cluster.View, s, partner cluster.Shard, node int) string {
	mine, its := v.Reports[node].Engine, v.EngineOf(partner.Instance)
	if v.NodeOf(s) == node {
		mine = v.EngineOf(s.Instance)
	}
	if its.Loads(mine) {
		return ""
	}
	return fmt.Sprintf("redis:%d on node:%d is of %s and could not copy from %s", partner.ID, v.NodeOf(partner), its, mine)
}

// but adds to the reason of a failover what speaks against it.
func but(reason, cutOff string) string {
	if cutOff == "" {
		return reason
	}
	return reason + "; until its engine is upgraded, " + cutOff
}
