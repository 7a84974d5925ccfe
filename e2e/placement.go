package e2e

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
)

// Placement is where everything is: for each shard its node and role, for each
// endpoint its nodes.
type Placement map[string]string

// Placement reads where everything is from the REST API.
func (c *Cluster) Placement(ctx context.Context) (Placement, error) {
	var shards []api.Shard
	if err := c.REST.Get(ctx, "/v1/shards", &shards); err != nil {
		return nil, err
	}
	var bdbs []api.Database
	if err := c.REST.Get(ctx, "/v1/bdbs", &bdbs); err != nil {
		return nil, err
	}
	p := Placement{}
	for _, s := range shards {
		p[fmt.Sprintf("redis:%d", s.UID)] = fmt.Sprintf("%s on node:%d", s.Role, s.Node)
	}
	for _, d := range bdbs {
		for _, e := range d.Endpoints {
			p["endpoint:"+e.UID] = fmt.Sprintf("%s:%d", strings.Join(e.Addresses, ","), e.Port)
		}
	}
	return p, nil
}

// Differences names what is elsewhere in other, or other than there.
func (p Placement) Differences(other Placement) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] != other[name] {
			list = append(list, fmt.Sprintf("%s: %s, was %s", name, cmp.Or(other[name], "nowhere"), p[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		if _, known := p[name]; !known {
			list = append(list, fmt.Sprintf("%s: %s, was not there", name, other[name]))
		}
	}
	return list
}

// Burden is what a node carries.
type Burden struct {
	Masters, Replicas int
	Unreplicated      int // masters without a replica
	Bytes             int64
	Endpoints         int
	Connections       int // established with the endpoints there, as the kernel counts
}

func (b Burden) String() string {
	return fmt.Sprintf("%d masters (%d without a replica), %d replicas, %d MB, %d endpoints with %d connections",
		b.Masters, b.Unreplicated, b.Replicas, b.Bytes>>20, b.Endpoints, b.Connections)
}

// Burden looks at what node n carries.
func (c *Cluster) Burden(ctx context.Context, n int) (Burden, error) {
	var b Burden
	var shards []api.Shard
	if err := c.REST.Get(ctx, "/v1/shards", &shards); err != nil {
		return b, err
	}
	var bdbs []api.Database
	if err := c.REST.Get(ctx, "/v1/bdbs", &bdbs); err != nil {
		return b, err
	}
	replicated := map[api.NumberID]bool{}
	for _, d := range bdbs {
		replicated[d.UID] = d.Replication
		connections, err := Connections(c.Address(n), d.Port)
		if err != nil {
			return b, err
		}
		b.Connections += connections
		for _, e := range d.Endpoints {
			if slices.Contains(e.Addresses, c.Address(n)) {
				b.Endpoints++
			}
		}
	}
	for _, s := range shards {
		if int(s.Node) != n {
			continue
		}
		b.Bytes += s.Info.UsedMemory
		switch {
		case s.Role != "master":
			b.Replicas++
		case replicated[s.Database]:
			b.Masters++
		default:
			b.Masters++
			b.Unreplicated++
		}
	}
	return b, nil
}
