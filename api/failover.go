package api

import (
	"slices"

	"github.com/google/uuid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// onShard and onShards make the two handlers of an action on shards: of the one
// in the path, and of those the body names.
func onShard(start func(c *call, o *object, shards []int) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s, err := c.shard()
		if err != nil {
			return nil, err
		}
		o, err := readObject(c.Request)
		if err != nil {
			return nil, err
		}
		return start(c, o, []int{s.ID})
	}
}

func onShards(start func(c *call, o *object, shards []int) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		o, err := readObject(c.Request)
		if err != nil {
			return nil, err
		}
		return start(c, o, o.uids("shard_uids"))
	}
}

// failover starts the action that makes the replicas of the shards masters.
func (c *call) failover(o *object, shards []int) (any, error) {
	dry := c.dryRun(o)
	o.neutral("force_rebind", "false")
	o.neutral("dead_nodes", "[]")
	o.neutral("dead_uids", "[]")
	o.rest("dead_uid", "redis_version_upgrade", "immediate")
	if err := o.err(); err != nil {
		return nil, err
	}
	if err := c.known(shards); err != nil {
		return nil, err
	}
	a := cluster.Action{
		ID: uuid.NewString(), Name: cluster.ShardFailover, Database: c.view.Shards[shards[0]].Range.Database,
		Options: cluster.MaintenanceOptions{Shards: shards}, By: c.id.Name, Created: c.view.Now,
	}
	return c.trigger(a, "Failover", dry)
}

// trigger starts the action on shards; dry, it only asks whether it could be.
func (c *call) trigger(a cluster.Action, what string, dry bool) (any, error) {
	if dry {
		v := c.leader.View()
		if err := v.Settled(); err != nil {
			return nil, err
		}
		if err := v.Beside(a); err != nil {
			return nil, err
		}
		if err := maintenance.Refusals(maintenance.Preflight(v, a.Node, a.Name, a.Options)); err != nil {
			return nil, err
		}
		return Triggered{Description: what + " is possible; nothing was triggered"}, nil
	}
	if err := c.leader.StartAction(c.Context(), a); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	return Triggered{ActionUID: a.ID, Description: what + " was triggered"}, nil
}

// uids reads a list of ids, each once.
func (o *object) uids(name string) []int {
	var given []TextID
	take(o, name, "a list of ids", &given)
	var ids []int
	for _, id := range given {
		if !slices.Contains(ids, int(id)) {
			ids = append(ids, int(id))
		}
	}
	return ids
}
