package api

import (
	"strconv"

	"github.com/haulout/haulout/cluster"
)

// uid returns the id in the path; 0 where it is no number, which is the id of nothing.
func (c *call) uid() int {
	n, _ := strconv.Atoi(c.PathValue("uid"))
	return n
}

func (c *call) node() (cluster.Node, error) {
	n, ok := c.view.Nodes[c.uid()]
	if !ok {
		return n, cluster.Refuse(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%s", c.PathValue("uid"))
	}
	return n, nil
}

func (c *call) database() (cluster.Database, error) {
	d, ok := c.view.Databases[c.uid()]
	if !ok {
		return d, cluster.Refuse(cluster.CodeDatabaseNotFound, "see haulout status databases", "there is no db:%s", c.PathValue("uid"))
	}
	return d, nil
}

func (c *call) shard() (cluster.Shard, error) {
	s, ok := c.view.Shards[c.uid()]
	if !ok {
		return s, cluster.Refuse(cluster.CodeShardNotFound, "see haulout status shards", "there is no redis:%s", c.PathValue("uid"))
	}
	return s, nil
}
