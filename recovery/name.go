package recovery

import "github.com/haulout/haulout/cluster"

// Name makes the shard master of its range, as an operator says who knows better
// than the evidence: what the other copies have besides is given up. It refuses
// unless the range is in doubt, every node was heard or given up, and the shard's
// process is up or has files to start from.
func Name(v cluster.View, shard int, by string) (cluster.Command, error) {
	s, known := v.Shards[shard]
	if !known {
		return nil, cluster.Refuse(cluster.CodeShardNotFound, "see haulout status shards", "there is no redis:%d", shard)
	}
	r, node := v.Ranges[s.Range], v.NodeOf(s)
	if waiting := missing(v); waiting != "" && r.Unsettled != "" {
		return nil, cluster.Refuse(cluster.CodeRecovering, "bring the nodes back; those that are lost for good: haulout cluster recover lost_nodes NODE...",
			"who is master of slots %s of db:%d %s", r.SlotsText(), r.ID.Database, waiting)
	}
	if r.Unsettled == "" || !r.Lost {
		return nil, cluster.Refuse(cluster.CodeBadRequest, "see haulout status", "who is master of slots %s of db:%d is not in doubt", r.SlotsText(), r.ID.Database)
	}
	o, seen := v.Observed(s.Instance)
	files := o.State == cluster.Absent && v.Databases[r.ID.Database].Persistence == "aof"
	if !seen || !v.Alive[node] || o.State != cluster.Up && !files {
		return nil, cluster.Refuse(cluster.CodeBadRequest, "name one that is up, or that wrote append-only files", "redis:%d on node:%d has nothing to serve: %s %s", shard, node, o.State, o.Reason)
	}
	return cluster.SettleRange{At: v.Now, Range: r.ID, Master: s.Instance, By: by, ReplicationID: o.ReplicationID, Files: files}, nil
}
