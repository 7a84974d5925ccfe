package api

import (
	"github.com/google/uuid"

	"github.com/haulout/haulout/cluster"
)

// MigrateRequest is the body of POST /v1/shards/actions/migrate.
type MigrateRequest struct {
	Shards        []TextID `json:"shard_uids,omitempty"`
	Node          NumberID `json:"target_node_uid"`
	PreserveRoles bool     `json:"preserve_roles,omitempty"`
	OverrideRack  bool     `json:"override_rack_policy,omitempty"`
	MaxConcurrent int      `json:"max_concurrent_actions,omitempty"` // copies at a time
	MaxDatabases  int      `json:"max_concurrent_bdb_migrations,omitempty"`
	DryRun        bool     `json:"dry_run,omitempty"` // only the checks
}

// migrate starts the action that brings the shards to the node.
func (c *call) migrate(o *object, shards []int) (any, error) {
	a := cluster.Action{ID: uuid.NewString(), Name: cluster.MigrateShards, By: c.id.Name, Created: c.view.Now}
	a.Options.Shards = shards
	faults, given := o.faults.count(), false
	if a.Node, given = o.uid("target_node_uid"); !given && o.faults.count() == faults {
		o.refuse(badRequest("give the uid of a node", "target_node_uid is missing"))
	}
	o.flag("preserve_roles", &a.Options.PreserveRoles)
	o.flag("override_rack_policy", &a.Options.OverrideRack)
	dry := c.dryRun(o)
	if o.number("max_concurrent_actions", &a.Options.MaxConcurrent) && a.Options.MaxConcurrent < 1 {
		o.refuse(badRequest("give a number from 1", "max_concurrent_actions can not be %d", a.Options.MaxConcurrent))
	}
	if databases := 0; o.number("max_concurrent_bdb_migrations", &databases) {
		if databases < 1 {
			o.refuse(badRequest("give a number from 1", "max_concurrent_bdb_migrations can not be %d", databases))
		}
		if a.Options.MaxConcurrent == 0 {
			a.Options.MaxConcurrent = databases // so many copies are of no more databases
		}
	}
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	if err := c.known(shards); err != nil {
		return nil, err
	}
	return c.trigger(a, "Migrate", dry)
}

// known refuses no shards at all, and those that do not exist.
func (c *call) known(shards []int) error {
	if len(shards) == 0 {
		return cluster.Refuse(CodeShardsRequired, "give shard_uids", "no shards were named")
	}
	var unknown cluster.Refusals
	for _, id := range shards {
		if _, ok := c.view.Shards[id]; !ok {
			unknown = append(unknown, cluster.Refuse(cluster.CodeShardNotFound, "see haulout status shards", "there is no redis:%d", id))
		}
	}
	if len(unknown) > 0 {
		return unknown
	}
	return nil
}
