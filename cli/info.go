package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// infoDatabases shows the settings of the database that is named, or of all.
func infoDatabases(s *session, w words) error {
	list, err := s.client.Databases(s.ctx)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(d api.Database) bool { return !wantsDatabase(w, d) })
	if w.has("db") && len(list) == 0 {
		return noDatabase(w.text("db"))
	}
	if s.print(list) {
		return nil
	}
	for _, d := range list {
		s.say("db:%d [%s]:", d.UID, d.Name)
		s.say("    memory_size: %s", sizeText(d.MemorySize))
		s.say("    shards_count: %d", d.ShardsCount)
		s.say("    replication: %s", onOff(d.Replication))
		s.say("    min_replicas: %d", d.MinReplicas)
		s.say("    data_persistence: %s", d.Persistence)
		s.say("    eviction_policy: %s", d.Eviction)
		if d.Events != "" {
			s.say("    notify_keyspace_events: %s", d.Events)
		}
		s.say("    rack_aware: %s", onOff(d.RackAware))
		s.say("    proxy_policy: %s", d.ProxyPolicy)
		s.say("    tls_mode: %s", d.TLSMode)
		s.say("    enforce_client_authentication: %s", d.EnforceClients)
		s.say("    oss_cluster: %s", onOff(d.OSSCluster))
		s.say("    endpoint: %s", endpointAddress(d))
	}
	return nil
}

// proxy is what one node's proxy does.
type proxy struct {
	UID         api.NumberID `json:"uid"`
	Status      string       `json:"status"`
	Endpoints   int          `json:"endpoint_count"`
	Listening   int          `json:"endpoints_listening"`
	Connections int          `json:"endpoints_connections"` // of clients

	Counts        cluster.ClientCounts `json:"client_counts"`
	WithoutQuorum cluster.AloneCounts  `json:"without_quorum"`
}

// met says in words which limits of a proxy clients have met, and how often.
func met(c cluster.ClientCounts) (list []string) {
	for _, m := range []struct {
		n    int64
		what string
	}{
		{c.QueueFull, "clients not read for a while: queues full"},
		{c.WindowFull, "clients not read for a while: too many commands unanswered"},
		{c.TurnedAway, "clients turned away: too many"},
		{c.SlowReaders, "clients closed: output left unread"},
		{c.LongInput, "clients closed: command too long"},
		{c.Malformed, "clients closed: malformed input"},
		{c.NoMaster, "commands refused: no master"},
		{c.Unreachable, "commands refused: master not reached"},
		{c.NoContact, "commands refused: no contact with the cluster"},
		{c.Lost, "commands refused: shard lost"},
		{c.Unknown, "commands of unknown outcome"},
	} {
		if m.n > 0 {
			list = append(list, fmt.Sprintf("%s: %d", m.what, m.n))
		}
	}
	return list
}

func infoProxies(s *session, w words) error {
	nodes, err := s.client.Nodes(s.ctx)
	if err != nil {
		return err
	}
	statuses, err := s.client.NodeStatuses(s.ctx)
	if err != nil {
		return err
	}
	all, list := w.text("node|all") == "all", []proxy{}
	for _, n := range nodes {
		if st := statuses[int(n.UID)]; all || int(n.UID) == w.number("node|all") {
			list = append(list, proxy{n.UID, st.NodeStatus, st.EndpointCount, st.EndpointsListening, st.EndpointsConnections, st.ClientCounts, st.WithoutQuorum})
		}
	}
	if len(list) == 0 {
		return noNode(w.number("node|all"))
	}
	if s.print(list) {
		return nil
	}
	for _, p := range list {
		s.say("proxy:%d", p.UID)
		s.say("    status: %s", p.Status)
		s.say("    endpoints: %d", p.Endpoints)
		s.say("    listening: %d", p.Listening)
		s.say("    client connections: %d", p.Connections)
		for _, line := range met(p.Counts) {
			s.say("    %s", line)
		}
		if alone := p.WithoutQuorum; alone.Times > 0 {
			s.say("    times without a lease: %d; ranges left to it, at each look: %d, not: %d", alone.Times, alone.Served, alone.Refused)
		}
	}
	return nil
}

// statusModules shows the tables of modules. Engines run without any.
func statusModules(s *session, w words) error {
	if w.has("db") {
		p, err := s.picture()
		if err == nil {
			err = p.checkFilter(w)
		}
		if err != nil {
			return err
		}
	}
	if s.print(map[string][]string{"modules": {}, "bdb_modules": {}}) {
		return nil
	}
	s.show(table{title: "CLUSTER MODULES:", columns: strings.Fields("MODULE VERSION MIN_REDIS_VERSION ID")})
	fmt.Fprintln(s.out)
	s.show(table{title: "DATABASE MODULES:", columns: strings.Fields("DB:ID NAME MODULE VERSION ARGS STATUS")})
	return nil
}
