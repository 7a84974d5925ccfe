package api

import (
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func getNodes(c *call) (any, error) {
	list := []NodeObject{}
	for _, n := range cluster.Sorted(c.view.Nodes) {
		list = append(list, nodeObject(c.view, n))
	}
	return list, nil
}

func getNode(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	return nodeObject(c.view, n), nil
}

func getNodeStatuses(c *call) (any, error) {
	statuses := map[TextID]NodeStatus{}
	for _, n := range c.view.Nodes {
		statuses[TextID(n.ID)] = nodeStatus(c.view, n)
	}
	return statuses, nil
}

func getNodeStatus(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	return nodeStatus(c.view, n), nil
}

// putNode changes the settings of a node, or with the uid all those of every node.
func putNode(c *call) (any, error) {
	n, err := c.node()
	if c.PathValue("uid") == "all" {
		n, err = cluster.Node{}, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	var accept bool
	cmd := cluster.TuneNode{At: c.view.Now, Node: n.ID, By: c.id.Name}
	given := false
	for name, into := range map[string]**int{"max_redis_servers": &cmd.MaxShards, "max_listeners": &cmd.MaxListeners,
		"max_redis_forks": &cmd.MaxForks, "max_slave_full_syncs": &cmd.MaxFullSyncs} {
		if value := 0; o.number(name, &value) {
			*into, given = &value, true
		}
	}
	if o.flag("accept_servers", &accept) {
		quorumOnly := !accept
		cmd.QuorumOnly = &quorumOnly
	}
	o.rest("addr", "external_addr", "rack_id", "recovery_path", "second_rack_id")
	if err := o.err(); err != nil {
		return nil, err
	}
	if !given && cmd.QuorumOnly == nil {
		return nil, badRequest("give max_redis_servers, max_listeners, max_redis_forks, max_slave_full_syncs or accept_servers",
			"nothing to change on node:%s was given", c.PathValue("uid"))
	}
	return nil, c.leader.Submit(c.Context(), cmd)
}

func nodeObject(v cluster.View, n cluster.Node) NodeObject {
	o := NodeObject{
		UID: NumberID(n.ID), AcceptServers: !n.Closed(), Address: n.Address, Cores: n.Cores,
		ExternalAddresses: append([]string{}, n.ExternalAddresses...),
		MaxListeners:      n.MaxListeners, MaxRedisForks: n.CopyLimits().Forks, MaxShards: n.MaxShards, MaxSlaveFullSyncs: n.CopyLimits().FullSyncs,
		RackID: n.RackID, Shards: []NumberID{}, Version: n.Version, Status: liveness(v, n.ID),
		SystemTime: v.Now.UTC(), TotalMemory: n.TotalMemory, Hostname: n.Hostname, Role: nodeRole(v, n.ID),
		Membership: string(n.Membership), QuorumOnly: n.QuorumOnly,
	}
	for _, s := range v.ShardsOn(n.ID) {
		o.Shards = append(o.Shards, NumberID(s.ID))
	}
	o.ShardCount = len(o.Shards)
	o.Troubles = hostTroubles(v, n)
	if report, ok := v.Reports[n.ID]; ok && v.Alive[n.ID] {
		o.CertificateUntil = report.CertificateUntil
		h := report.Host
		o.Architecture, o.OSName, o.OSVersion, o.Uptime, o.DataFolder, o.DataSize = h.Architecture, h.OS, h.OSVersion, int64(h.Uptime.Seconds()), h.DataFolder, h.DataSize
		if e := report.Engine; e.Flavour != "" {
			o.Engines = []EngineVersion{{e.Flavour, e.Version}}
		}
	}
	if m := n.Maintenance; m != nil {
		o.Maintenance = &Maintenance{Since: m.Since, Snapshot: m.Snapshot, Returning: m.Returning != "", Holds: []Hold{}}
		for _, h := range m.Holds {
			o.Maintenance.Holds = append(o.Maintenance.Holds, Hold{TaskID: h.ID, Owner: h.Owner, Cause: h.Cause, Reason: h.Reason, Since: h.Since, Until: h.Until, Overdue: h.Overdue(v.Now)})
		}
	}
	return o
}

func nodeStatus(v cluster.View, n cluster.Node) NodeStatus {
	o := NodeStatus{
		Cores: n.Cores, Hostname: n.Hostname, MasterShards: []NumberID{}, SlaveShards: []NumberID{},
		NodeStatus: liveness(v, n.ID), Role: nodeRole(v, n.ID), Version: n.Version, TotalMemory: n.TotalMemory,
	}
	for _, s := range v.ShardsOn(n.ID) {
		if v.RoleOf(s) == cluster.Master {
			o.MasterShards = append(o.MasterShards, NumberID(s.ID))
		} else {
			o.SlaveShards = append(o.SlaveShards, NumberID(s.ID))
		}
	}
	o.OverbookingDepth = n.TotalMemory - promised(v, n.ID)
	if !n.Closed() {
		o.TotalProvisionalRAM = n.TotalMemory
		o.FreeProvisionalRAM = max(o.OverbookingDepth, 0)
	}
	for _, s := range v.SnapshotsOf(n.ID) {
		if s.Maintenance {
			item := snapshotItem(s)
			o.MaintenanceSnapshot = &item
		}
	}
	o.ShutdownBlockers = append([]string{}, maintenance.Safe(v, n.ID)...)
	o.EndpointCount = len(v.EndpointsOn(n.ID))
	if !v.Alive[n.ID] {
		if o.LastSeen = v.HeardAt[n.ID].UTC(); o.LastSeen.IsZero() {
			o.LastSeen = n.DownSince.UTC()
		}
	}
	if report, ok := v.Reports[n.ID]; ok && v.Alive[n.ID] {
		o.FreeRAM, o.Bound, o.WithoutQuorum = report.FreeMemory, report.Bound, report.AloneCounts
		for _, e := range report.Proxy.Endpoints {
			if e.Listening {
				o.EndpointsListening++
			}
			o.EndpointsConnections += e.Connections
			o.ClientCounts.Add(e.Counts)
		}
	}
	return o
}

// getVerify answers on the leader alone: only the leader has everybody's reports.
func getVerify(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	o := Verdict{
		Node: NumberID(n.ID), InMaintenance: n.Maintenance != nil, Observed: maintenance.Observable(c.view, n.ID),
		Missing: append([]string{}, maintenance.Safe(c.view, n.ID)...), Notes: append([]string{}, maintenance.Notes(c.view, n.ID)...),
	}
	o.Safe = len(o.Missing) == 0
	_, o.Busy = c.view.RunningOn(n.ID)
	return o, nil
}

// promised is the memory that the instances on the node may grow to, in bytes.
func promised(v cluster.View, node int) int64 {
	var sum int64
	for _, i := range v.InstancesOn(node) {
		sum += v.Databases[i.Range.Database].ProcessMemory()
	}
	return sum
}

func liveness(v cluster.View, node int) string {
	switch {
	case v.Nodes[node].Removing != "":
		return "decommissioning"
	case v.Alive[node]:
		return "active"
	}
	return "down"
}

func nodeRole(v cluster.View, node int) string {
	if v.Leader == node {
		return "master"
	}
	return "slave"
}
