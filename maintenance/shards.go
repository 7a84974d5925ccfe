package maintenance

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

var beforeFailover = []question{
	{name: "shards", text: "the shards are masters of one database, and have replicas", answer: preflight.mastersOfOne, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heard, alone: true},
	{name: "no_other_action", text: "nothing else is being done to the shards", answer: preflight.unclaimedShards},
	{name: "masters_up", text: "every shard serves", answer: preflight.shardsUp},
	{name: "replicas_in_sync", text: "every replica is in sync and on a node in service", answer: preflight.replicasReady},
}

var beforeMigrate = []question{
	{name: "node", text: "the node exists and answers", answer: preflight.nodeUp, alone: true},
	{name: "shards", text: "the shards exist", answer: preflight.shardsExist, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heard, alone: true},
	{name: "no_other_action", text: "nothing else is being done to the shards or their nodes", answer: preflight.unclaimedSources},
	{name: "masters_up", text: "every shard has a master that serves", answer: preflight.shardsUp},
	{name: "place", text: "every shard has its place on the node, and a master a replica in sync to fail over to", answer: preflight.migratable},
}

// onShards carries an action on shards: failovers, or migrations to its node.
func (t *turn) onShards() step {
	left, err := t.shardMoves()
	if !t.a.Planned {
		if err != nil {
			return t.fail(joined(err), nil)
		}
		return t.attach(left, nil)
	}
	if s := t.advance(); !s.rests() {
		return s
	}
	if s := t.settle(); !s.rests() {
		return s
	}
	if err := t.failure(); err != nil {
		return t.fail(err, t.unmoved(left))
	}
	if waiting := t.waiting(); len(waiting) > 0 {
		return t.failLater(t.misfit(waiting), t.unmoved(left))
	}
	return t.conclude(t.unswapped(), cluster.CompleteShards{At: t.Now, Action: t.a.ID})
}

func (t *turn) waiting() []cluster.Move {
	return slices.DeleteFunc(slices.Clone(t.a.Moves), func(m cluster.Move) bool { return m.Status != cluster.MoveWaiting })
}

// shardMoves are those that bring about what was asked for, from how things are now.
func (t *turn) shardMoves() ([]cluster.Move, error) {
	if t.a.Name == cluster.MigrateShards {
		return plan.Migrations(t.View, t.a.Node, t.a.Options)
	}
	return plan.Failovers(t.View, t.a.Options.Shards), nil
}

// unswapped says which shards are not seen in their roles yet.
func (t *turn) unswapped() []string {
	var list []string
	for _, m := range t.a.Moves {
		for _, id := range []int{m.Shard, m.Old} {
			s, ok := t.Shards[id]
			o, _ := t.Observed(s.Instance)
			if ok && t.Alive[t.NodeOf(s)] && (o.State != cluster.Up || o.Role != t.RoleOf(s)) {
				list = append(list, fmt.Sprintf("redis:%d is not seen as %s on node:%d%s", id, t.RoleOf(s), t.NodeOf(s), cluster.Because(cmp.Or(o.Reason, string(o.State)))))
			}
		}
	}
	return list
}

func (p preflight) mastersOfOne() cluster.Refusals {
	var list cluster.Refusals
	refuse := func(code cluster.Code, hint, format string, args ...any) {
		list = append(list, cluster.Refuse(code, hint, format, args...))
	}
	databases := map[int]bool{}
	for _, id := range p.o.Shards {
		s, ok := p.Shards[id]
		databases[s.Range.Database] = true
		switch _, replicated := p.Partner(s); {
		case !ok:
			refuse(cluster.CodeShardNotFound, "see haulout status shards", "there is no redis:%d", id)
		case p.RoleOf(s) != cluster.Master:
			refuse(cluster.CodeShardIsSlave, "name the master of its slots: haulout status shards", "redis:%d is a slave", id)
		case !replicated:
			refuse(cluster.CodeNotInSync, "it can be moved, not failed over", "redis:%d (db:%d) has no replica", id, s.Range.Database)
		}
	}
	if len(list) == 0 && len(databases) != 1 {
		refuse(cluster.CodeShardsDiffer, "ask for each database by itself", "the shards are of %d databases", len(databases))
	}
	return list
}

func (p preflight) unclaimedShards() cluster.Refusals {
	var list cluster.Refusals
	for _, id := range p.o.Shards {
		list = append(list, p.claim(p.Shards[id])...)
	}
	return list
}

func (p preflight) shardsUp() cluster.Refusals {
	var list cluster.Refusals
	for _, id := range p.o.Shards {
		list = append(list, p.serves(p.Shards[p.Ranges[p.Shards[id].Range].Master.Shard])...)
	}
	return list
}

func (p preflight) replicasReady() cluster.Refusals {
	var list cluster.Refusals
	for _, m := range plan.Failovers(p.View, p.o.Shards) {
		if why := unsynced(p.View, p.Instances[p.Shards[m.Shard].Instance]); why != "" {
			list = append(list, cluster.Refuse(cluster.CodeNotInSync, "wait until it is in sync: haulout status shards",
				"redis:%d can not fail over: redis:%d on node:%d %s", m.Old, m.Shard, m.To, why))
		} else if err := plan.Fits(p.View, m); err != nil {
			list = append(list, joined(err))
		}
	}
	return list
}

func (p preflight) shardsExist() cluster.Refusals {
	var list cluster.Refusals
	for _, id := range p.o.Shards {
		if _, ok := p.Shards[id]; !ok {
			list = append(list, cluster.Refuse(cluster.CodeShardNotFound, "see haulout status shards", "there is no redis:%d", id))
		}
	}
	return list
}

// unclaimedSources refuses shards of a node that is being emptied or filled, too:
// that action has plans for them.
func (p preflight) unclaimedSources() cluster.Refusals {
	list := p.unclaimedShards()
	for _, id := range p.o.Shards {
		from := p.NodeOf(p.Shards[id])
		if a, running := p.RunningOn(from); running && from != p.id {
			list = append(list, cluster.Refuse(cluster.CodeBusy, "wait for it to end: haulout cluster running_actions",
				"redis:%d is busy: %s is %s on node:%d", id, a.Name, a.Status, from))
		}
	}
	return list
}

func (p preflight) migratable() cluster.Refusals {
	var list cluster.Refusals
	moves, err := plan.Migrations(p.View, p.id, p.o)
	errors.As(err, &list)
	for _, m := range moves {
		if m.Kind != cluster.Failover || len(m.After) > 0 {
			continue
		}
		if why := unsynced(p.View, p.Instances[p.Shards[m.Shard].Instance]); why != "" {
			list = append(list, cluster.Refuse(cluster.CodeNotInSync, "wait until it is in sync: haulout status shards",
				"redis:%d can not fail over before it moves: redis:%d on node:%d %s", m.Old, m.Shard, m.To, why))
		}
	}
	return list
}
