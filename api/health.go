package api

import (
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// ClusterHealth is the answer of GET /v4/cluster/health.
type ClusterHealth struct {
	Name      string           `json:"fqdn"`
	Status    string           `json:"status"` // error: a database does not answer; warning: something else is amiss; ok
	Nodes     []NodeHealth     `json:"nodes"`
	Databases []DatabaseHealth `json:"database_infos"`
}

// NodeHealth is how a node is.
type NodeHealth struct {
	ID            TextID        `json:"id"`
	Status        string        `json:"status"`          // active, warning or down
	Detailed      string        `json:"detailed_status"` // active, decommissioning or down
	Role          string        `json:"role"`            // leader of the cluster, or follower
	Version       string        `json:"version"`
	Shards        []ShardHealth `json:"shards"`
	Memory        MemoryHealth  `json:"memory"`
	Observed      time.Time     `json:"observed_at,omitzero"`
	QuorumOnly    bool          `json:"quorum_only"` // nothing may be placed on it, for whatever reason
	InMaintenance bool          `json:"in_maintenance"`
}

// MemoryHealth is a node's memory in bytes.
type MemoryHealth struct {
	Total            int64 `json:"total_ram"`
	Free             int64 `json:"free_ram"`
	FreeProvisional  int64 `json:"free_provisional_ram"`
	TotalProvisional int64 `json:"total_provisional_ram"`
	Overbooking      int64 `json:"overbooking_depth"`
}

// ShardHealth is how a shard is.
type ShardHealth struct {
	ID       TextID `json:"id"`
	Role     string `json:"role"`            // leader or follower
	Status   string `json:"status"`          // active or inactive
	Detailed string `json:"detailed_status"` // ok, loading, timeout, down, unknown or role_mismatch
}

// DatabaseHealth is how a database is, as its clients see it.
type DatabaseHealth struct {
	ID           TextID           `json:"id"`
	Name         string           `json:"name"`
	Status       string           `json:"status"`          // active, warning or down
	Detailed     string           `json:"detailed_status"` // the status of the bdb
	Availability string           `json:"availability"`    // up or down
	Errors       []string         `json:"availability_errors"`
	Replication  HighAvailability `json:"high_availability"`
	Endpoints    []EndpointHealth `json:"endpoints"`
	Work         *Work            `json:"state_machine,omitempty"` // an action on it
}

// HighAvailability says whether every master has a replica that follows it.
type HighAvailability struct {
	Status string `json:"status"` // up, down or disabled
}

// EndpointHealth says whether an endpoint is listened for wherever it is bound.
type EndpointHealth struct {
	Name         string `json:"name"`
	Availability string `json:"availability"` // up or down
}

// Work is an action that is queued or running.
type Work struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// getClusterHealth answers on the leader alone: only the leader has everybody's reports.
func getClusterHealth(c *call) (any, error) {
	v := c.view
	o := ClusterHealth{Name: v.Cluster.Name, Status: "ok", Nodes: []NodeHealth{}, Databases: []DatabaseHealth{}}
	note := func(status string) {
		if status != "active" && o.Status == "ok" {
			o.Status = "warning"
		}
	}
	for _, n := range cluster.Sorted(v.Nodes) {
		o.Nodes = append(o.Nodes, nodeHealth(v, n))
		note(o.Nodes[len(o.Nodes)-1].Status)
	}
	for _, d := range cluster.Sorted(v.Databases) {
		h := databaseHealth(v, d)
		o.Databases = append(o.Databases, h)
		note(h.Status)
		if h.Status == "down" {
			o.Status = "error"
		}
	}
	if c.issuesOnly() {
		o.Nodes = slices.DeleteFunc(o.Nodes, func(n NodeHealth) bool { return n.Status == "active" })
		for i, n := range o.Nodes {
			o.Nodes[i].Shards = slices.DeleteFunc(n.Shards, func(s ShardHealth) bool { return s.Detailed == "ok" })
		}
		o.Databases = slices.DeleteFunc(o.Databases, func(d DatabaseHealth) bool { return d.Status == "active" })
	}
	return o, nil
}

func (c *call) issuesOnly() bool {
	return c.URL.Query().Has("issues_only") && c.URL.Query().Get("issues_only") != "false"
}

func getDatabaseHealth(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	o := databaseHealth(c.view, d)
	if c.issuesOnly() {
		o.Endpoints = slices.DeleteFunc(o.Endpoints, func(e EndpointHealth) bool { return e.Availability == "up" })
	}
	return o, nil
}

// getAvailability is what load balancers ask.
func getAvailability(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	var why cluster.Refusals
	for _, reason := range databaseHealth(c.view, d).Errors {
		code, text := CodeShardUnreachable, "a shard of db:%d does not serve"
		if reason == portUnbound {
			code, text = CodePortUnbound, "an endpoint of db:%d is not listened for"
		}
		why = append(why, cluster.Refuse(code, "see haulout status", text, d.ID))
	}
	if len(why) > 0 {
		return nil, why
	}
	return nil, nil
}

// The reasons why a database is not available.
const shardUnreachable, portUnbound = "shard_unreachable", "port_unbound"

// knownDown reports whether the instance was seen not to serve. A new leader has
// not heard of everybody yet: what it does not know is no fault of theirs.
func knownDown(v cluster.View, id cluster.InstanceID) bool {
	seen, known := v.Observed(id)
	return known && seen.State != cluster.Up
}

// closed reports whether proxies send nothing to the range's master: it was never
// seen up, another is taking over from it, nobody knows yet who it is, or it is lost.
func closed(v cluster.View, r cluster.SlotRange) bool {
	master, ok := v.Instances[r.Master]
	return !ok || !master.Started || r.Handover != nil && r.Handover.Unplanned || r.Unsettled != "" || r.Lost
}

// unbound reports whether a node is known not to listen for the endpoint.
func unbound(v cluster.View, e cluster.Endpoint) bool {
	return len(e.Nodes) == 0 || slices.ContainsFunc(e.Nodes, func(node int) bool {
		report, heard := v.Reports[node]
		return !v.Alive[node] || heard && !report.Proxy.Endpoints[e.ID].Listening
	})
}

func nodeHealth(v cluster.View, n cluster.Node) NodeHealth {
	status := nodeStatus(v, n)
	o := NodeHealth{
		ID: TextID(n.ID), Status: "active", Detailed: liveness(v, n.ID), Role: "follower", Version: n.Version, Shards: []ShardHealth{},
		Memory:   MemoryHealth{status.TotalMemory, status.FreeRAM, status.FreeProvisionalRAM, status.TotalProvisionalRAM, status.OverbookingDepth},
		Observed: v.HeardAt[n.ID], QuorumOnly: n.Closed(), InMaintenance: n.Maintenance != nil,
	}
	if v.Leader == n.ID {
		o.Role = "leader"
	}
	for _, s := range v.ShardsOn(n.ID) {
		h := shardHealth(v, s)
		o.Shards = append(o.Shards, h)
		if h.Detailed != "ok" {
			o.Status = "warning"
		}
	}
	if n.Removing != "" || n.Maintenance != nil && slices.ContainsFunc(n.Maintenance.Holds, func(h cluster.Hold) bool { return h.Overdue(v.Now) }) {
		o.Status = "warning"
	}
	if !v.Alive[n.ID] {
		o.Status = "down"
	}
	return o
}

func shardHealth(v cluster.View, s cluster.Shard) ShardHealth {
	seen, known := v.Observed(s.Instance)
	o := ShardHealth{ID: TextID(s.ID), Role: "follower"}
	role := v.RoleOf(s)
	if role == cluster.Master {
		o.Role = "leader"
	}
	o.Status, o.Detailed = shardStatus(seen.State, known, v.Alive[v.NodeOf(s)])
	if o.Detailed == "ok" && seen.Role != role && v.Ranges[s.Range].Handover == nil {
		o.Detailed = "role_mismatch"
	}
	return o
}

func databaseHealth(v cluster.View, d cluster.Database) DatabaseHealth {
	o := DatabaseHealth{
		ID: TextID(d.ID), Name: d.Name, Status: "active", Detailed: databaseStatus(v, d), Availability: "up", Errors: []string{},
		Replication: HighAvailability{"disabled"}, Endpoints: []EndpointHealth{},
	}
	if d.Replication {
		o.Replication.Status = "up"
	}
	fail := func(why string) {
		o.Availability = "down"
		if !slices.Contains(o.Errors, why) {
			o.Errors = append(o.Errors, why)
		}
	}
	for _, r := range v.RangesOf(d.ID) {
		if closed(v, r) || !v.Alive[v.Instances[r.Master].Node] || knownDown(v, r.Master) {
			fail(shardUnreachable)
		}
		for _, s := range v.ShardsOf(r.ID) {
			seen, known := v.Observed(s.Instance)
			if d.Replication && v.RoleOf(s) == cluster.Slave && (known && (!seen.Linked || seen.Syncing) || !v.Alive[v.NodeOf(s)]) {
				o.Replication.Status = "down"
			}
			if shardHealth(v, s).Detailed != "ok" {
				o.Status = "warning"
			}
		}
	}
	for _, e := range v.EndpointsOf(d.ID) {
		h := EndpointHealth{"endpoint:" + e.ID.String(), "up"}
		if unbound(v, e) {
			h.Availability = "down"
			fail(portUnbound)
		}
		o.Endpoints = append(o.Endpoints, h)
	}
	for _, a := range v.ActionsByAge() {
		if a.Database == d.ID && !a.Status.Ended() {
			o.Work = &Work{string(a.Name), string(a.Status)}
		}
	}
	if o.Replication.Status == "down" {
		o.Status = "warning"
	}
	if o.Availability == "down" {
		o.Status = "down"
	}
	return o
}
