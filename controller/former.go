package controller

import "github.com/haulout/haulout/cluster"

// forget drops what a host reported before its lease ended, once it is back: it
// may have lost all of its processes meanwhile, and what it has now it has not told
// yet. While it is away, what it had is worth knowing. The caller holds the lock.
func (c *Controller) forget(alive map[int]bool) {
	for node, r := range c.reports {
		former, away := c.away[node]
		switch {
		case !alive[node] && !away:
			c.away[node] = r
		case alive[node] && away:
			delete(c.away, node)
			if same(former, r) {
				delete(c.reports, node)
				delete(c.heardAt, node)
			}
		}
	}
}

func same(a, b cluster.Report) bool { return a.BootID == b.BootID && a.Sequence == b.Sequence }
