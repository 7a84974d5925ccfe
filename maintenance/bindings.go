package maintenance

import (
	"slices"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// Changing reports whether something that was asked for of the database has not been
// seen yet: where its endpoints are bound, how their clients are spoken to, or what its
// engines are told. What a move of an action has in hand is the action's to tell.
func Changing(v cluster.View, d cluster.Database) bool {
	return untold(v, d) || slices.ContainsFunc(v.EndpointsOf(d.ID), func(e cluster.Endpoint) bool {
		if _, _, claimed := v.ClaimedEndpoint(e.ID); claimed {
			return false
		}
		asked := d.Spread() || !e.Asked.IsZero()
		if asked && (len(e.Opening)+len(e.Draining) > 0 || !slices.Equal(e.Nodes, plan.Bound(v, e))) {
			return true
		}
		return slices.ContainsFunc(e.Nodes, func(n int) bool {
			seen := v.Reports[n].Proxy.Endpoints[e.ID]
			return v.Alive[n] && seen.Listening && seen.TLS != d.TLS.Enabled()
		})
	})
}

// untold reports whether an engine of the database that runs has last been told something
// else of it.
func untold(v cluster.View, d cluster.Database) bool {
	return slices.ContainsFunc(v.InstancesOf(d.ID), func(i cluster.Instance) bool {
		o, seen := v.Observed(i.ID)
		return seen && o.State == cluster.Up && o.Settings != (cluster.Settings{}) && o.Settings != d.Settings()
	})
}
