package controller

import (
	"slices"
	"time"
)

const (
	// recent is how old a report may be that tells of refusals.
	recent = 1500 * time.Millisecond
	// silence is how long a host must not have reported to be believed gone by
	// refusals: one that only lets nobody in goes on reporting.
	silence = time.Second
)

// refusing returns the ports that refuse at least two nodes now, of hosts that
// are silent; see cluster.View. The caller holds the lock.
func (c *Controller) refusing() map[int][]int {
	if !c.leading {
		return nil
	}
	witnesses, ports := map[int]int{}, map[int]map[int]int{}
	for from, r := range c.reports {
		if c.since(c.heardAt[from]) > recent {
			continue
		}
		for node, refused := range r.Refused {
			if node == from || !c.silent(node) {
				continue
			}
			if witnesses[node]++; ports[node] == nil {
				ports[node] = map[int]int{}
			}
			for _, p := range refused {
				ports[node][p]++
			}
		}
	}
	list := map[int][]int{}
	for node, n := range witnesses {
		if n >= 2 {
			list[node] = agreed(ports[node])
		}
	}
	return list
}

// agreed returns the ports that at least two were refused at, in order.
func agreed(ports map[int]int) []int {
	list := []int{}
	for p, n := range ports {
		if n >= 2 {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

func (c *Controller) silent(node int) bool {
	last := c.heardAt[node]
	if last.Before(c.led) {
		last = c.led
	}
	return c.since(last) > silence
}
