package api

import (
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func getShards(c *call) (any, error) {
	list := []Shard{}
	for _, s := range cluster.Sorted(c.view.Shards) {
		list = append(list, shardObject(c.view, s))
	}
	return list, nil
}

func getShard(c *call) (any, error) {
	s, err := c.shard()
	if err != nil {
		return nil, err
	}
	return shardObject(c.view, s), nil
}

func getDatabaseShards(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	list := []Shard{}
	for _, r := range c.view.RangesOf(d.ID) {
		for _, s := range c.view.ShardsOf(r.ID) {
			list = append(list, shardObject(c.view, s))
		}
	}
	return list, nil
}

func shardObject(v cluster.View, s cluster.Shard) Shard {
	r, i := v.Ranges[s.Range], v.Instances[s.Instance]
	seen, known := v.Observed(s.Instance)
	o := Shard{
		UID: TextID(s.ID), Role: string(v.RoleOf(s)), Slots: r.SlotsText(), Database: NumberID(s.Range.Database),
		Loading: ShardLoading{"idle"}, Node: TextID(i.Node), Lost: r.Lost && v.RoleOf(s) == cluster.Master, Unsettled: r.Unsettled,
		Info: ShardInfo{UsedMemory: seen.UsedMemory, Keys: seen.Keys, Port: i.Port, Fragmentation: seen.Fragmentation, Version: seen.Engine.Version},
	}
	o.Status, o.DetailedStatus = shardStatus(seen.State, known, v.Alive[i.Node])
	o.Trouble = maintenance.ShardTrouble(v, s)
	if known {
		o.Reported = v.HeardAt[i.Node].UTC()
	}
	if seen.State == cluster.Loading {
		o.Loading.Status = "in_progress"
	}
	if o.Role == string(cluster.Slave) && known {
		o.Sync = shardSync(seen)
	}
	return o
}

func shardStatus(state cluster.ProcessState, known, alive bool) (status, detailed string) {
	switch {
	case !known:
		return "inactive", "unknown"
	case !alive:
		return "inactive", "down"
	case state == cluster.Up:
		return "active", "ok"
	case state == cluster.Loading:
		return "inactive", "loading"
	case state == cluster.Unresponsive:
		return "inactive", "timeout"
	}
	return "inactive", "down"
}

func shardSync(seen cluster.Observed) *ShardSync {
	switch {
	case seen.Syncing:
		return &ShardSync{"in_progress", max(seen.SyncTotal-seen.SyncedBytes, 0)}
	case seen.Linked:
		return &ShardSync{"idle", 0}
	}
	return &ShardSync{"link_down", 0}
}
