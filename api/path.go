package api

import (
	"slices"
	"strconv"

	"github.com/haulout/haulout/cluster"
)

// uid returns the id in the path; 0 where it is no number, which is the id of nothing.
func (c *call) uid() int {
	n, _ := strconv.Atoi(c.PathValue("uid"))
	return n
}

// collection reports whether what stands in the place of an id is a part of the
// contract that is not served yet.
func (c *call) collection() bool {
	return slices.Contains([]string{"alerts", "stats"}, c.PathValue("uid"))
}

func (c *call) node() (cluster.Node, error) {
	n, ok := c.view.Nodes[c.uid()]
	if c.collection() {
		return n, elsewhere(c.Method, c.URL.Path)
	}
	if !ok {
		return n, cluster.Refuse(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%s", c.PathValue("uid"))
	}
	return n, nil
}

func (c *call) database() (cluster.Database, error) {
	d, ok := c.view.Databases[c.uid()]
	if c.collection() {
		return d, elsewhere(c.Method, c.URL.Path)
	}
	if !ok {
		return d, cluster.Refuse(cluster.CodeDatabaseNotFound, "see haulout status databases", "there is no db:%s", c.PathValue("uid"))
	}
	return d, nil
}

func (c *call) shard() (cluster.Shard, error) {
	s, ok := c.view.Shards[c.uid()]
	if c.collection() {
		return s, elsewhere(c.Method, c.URL.Path)
	}
	if !ok {
		return s, cluster.Refuse(cluster.CodeShardNotFound, "see haulout status shards", "there is no redis:%s", c.PathValue("uid"))
	}
	return s, nil
}
