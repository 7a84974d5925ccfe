package api

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func getDatabases(c *call) (any, error) {
	list := []any{}
	for _, d := range cluster.Sorted(c.view.Databases) {
		o, err := c.pick(databaseObject(c.view, d))
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func getDatabase(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	return c.pick(databaseObject(c.view, d))
}

// pick leaves of the object what the parameter fields names; all without it.
func (c *call) pick(o Database) (any, error) {
	names := strings.FieldsFunc(c.URL.Query().Get("fields"), func(r rune) bool { return r == ',' })
	if len(names) == 0 {
		return o, nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for name := range all {
		if !slices.Contains(names, name) {
			delete(all, name)
		}
	}
	for _, name := range names {
		if _, ok := all[name]; !ok {
			return nil, badRequest("leave it out", "a bdb has no field %s", name)
		}
	}
	return all, nil
}

func postDatabase(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	d, password := takeDatabase(o)
	if err := allFaults(o, d.Check(c.view.Board)); err != nil {
		return nil, err
	}
	d, err = c.leader.CreateDatabase(c.Context(), d, password, c.id.Name)
	if err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	return databaseObject(c.view, d), nil
}

// allFaults joins the faults of the form with those of the content, so that all
// are told at once.
func allFaults(o *object, content error) error {
	if more, ok := content.(cluster.Refusals); ok {
		o.faults.add(more...)
	} else if content != nil && o.err() == nil {
		return content
	}
	return o.err()
}

func takeDatabase(o *object) (cluster.Database, string) {
	d := cluster.Database{ShardsCount: 1, Persistence: "disabled", Eviction: "volatile-lru", ProxyPolicy: "single"}
	var password string
	o.text("name", &d.Name)
	o.large("memory_size", &d.MemorySize)
	o.number("shards_count", &d.ShardsCount)
	o.flag("replication", &d.Replication)
	o.number("port", &d.Port)
	o.text("data_persistence", &d.Persistence)
	o.text("eviction_policy", &d.Eviction)
	takeEvents(o, &d.Events)
	o.flag("rack_aware", &d.RackAware)
	o.number("min_replicas", &d.MinReplicas)
	o.text("proxy_policy", &d.ProxyPolicy)
	d.TLS = takeTLS(o).Of(cluster.TLS{})
	o.text("authentication_redis_pass", &password)
	checkPassword(o, password)
	checkSharding(o, d.ShardsCount)
	takeNeutral(o)
	o.rest(databaseFields...)
	return d, password
}

// takeEvents takes classes of keyspace events in any order.
func takeEvents(o *object, events *string) (given bool) {
	if given = o.text("notify_keyspace_events", events); given {
		if written, ok := cluster.KeyspaceEvents(*events); ok {
			*events = written
		}
	}
	return given
}

func checkPassword(o *object, password string) {
	if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(password) > 512 {
		o.refuse(badRequest("use up to 512 bytes without control characters", "the authentication_redis_pass can not be used"))
	}
}

func checkSharding(o *object, shards int) {
	var sharding bool
	if o.flag("sharding", &sharding) && sharding != (shards > 1) && !sharding {
		o.refuse(cluster.Refuse(cluster.CodeInvalidSharding, "give sharding true", "a database without sharding can not have %d shards", shards))
	}
}

const defaultShardKeys = `[{"regex":".*\\{(?<tag>.*)\\}.*"},{"regex":"(?<tag>.*)"}]`

// takeNeutral lets fields pass that say what happens anyway.
func takeNeutral(o *object) {
	o.neutral("type", `"redis"`)
	o.neutral("shard_key_regex", defaultShardKeys, "[]")
	o.neutral("implicit_shard_key", "false")
	o.neutral("hash_slots_policy", `"16k"`)
	o.neutral("shards_placement", `"dense"`)
	o.neutral("oss_cluster", "false")
	o.neutral("oss_sharding", "false")
	o.neutral("slave_ha", "false")
	o.neutral("bigstore", "false")
	o.neutral("backup", "false")
	o.neutral("ssl", "false")
	o.neutral("data_internode_encryption", "false")
	o.neutral("master_persistence", "false")
	o.neutral("aof_policy", `"appendfsync-every-sec"`)
	o.neutral("default_user", "true")
	o.neutral("max_connections", "0")
	o.neutral("avoid_nodes", "[]")
	o.neutral("use_nodes", "[]")
	o.neutral("module_list", "[]")
	o.neutral("replica_sources", "[]")
	o.neutral("roles_permissions", "[]")
	o.neutral("snapshot_policy", "[]")
	o.neutral("tags", "[]")
	o.neutral("disabled_commands", `""`)
}

// databaseFields are fields of the contract's bdb that are not supported yet.
var databaseFields = []string{
	"account_id", "action_uid", "authentication_admin_pass", "authentication_sasl_pass", "authentication_sasl_uname",
	"authentication_ssl_crdt_certs", "authorized_names", "authorized_subjects",
	"auto_upgrade", "background_op", "backup_failure_reason", "backup_history", "backup_interval", "backup_interval_offset",
	"backup_location", "backup_progress", "backup_status", "bigstore_ram_size", "client_cert_subject_validation_type",
	"conns", "conns_type", "crdt", "created_time", "data_access", "dataset_import_sources", "db_conns_auditing",
	"dns_address_master", "dns_suffixes", "email_alerts", "endpoint", "endpoint_ip", "endpoint_node", "endpoints",
	"gradual_src_mode", "import_progress", "import_status", "internal", "last_changed_time", "last_backup_time",
	"max_aof_file_size", "max_client_pipeline", "max_pipelined", "mkms", "multi_commands_opt", "mtls_allow_outdated_certs",
	"mtls_allow_weak_hashing", "oss_cluster_api_preferred_endpoint_type", "oss_cluster_api_preferred_ip_type",
	"preemptive_drain_timeout_seconds", "recovery_wait_time", "redis_version", "repl_backlog_size", "replica_sync",
	"replica_read_only", "resp3", "sched_policy", "search", "shard_block_crossslot_keys", "shard_block_foreign_keys",
	"shard_list", "shards_blueprint", "skip_import_analyze", "slave_buffer", "slave_ha_priority", "status",
	"support_syncer_reconf", "sync", "sync_dedicated_threads", "sync_sources", "syncer_mode", "throughput_ingress",
	"tracking_table_max_keys", "uid", "version", "wait_command",
}

func deleteDatabase(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	if err := c.leader.Submit(c.Context(), cluster.DeleteDatabase{At: c.view.Now, Database: d.ID, By: c.id.Name}); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	d.Status = cluster.DatabaseDeletePending
	return databaseObject(c.view, d), nil
}

// databaseStatus is active-change-pending while what was asked for is not seen yet, and
// recovery while nobody serves some of the slots and an operator has to say what becomes of
// them. Otherwise it is what the board says.
func databaseStatus(v cluster.View, d cluster.Database) string {
	abandoned := func(r cluster.SlotRange) bool { return r.Lost || r.Unsettled != "" }
	switch {
	case d.Status != cluster.DatabaseActive:
	case maintenance.Changing(v, d):
		return "active-change-pending"
	case slices.ContainsFunc(v.RangesOf(d.ID), abandoned):
		return "recovery"
	}
	return string(d.Status)
}

func databaseObject(v cluster.View, d cluster.Database) Database {
	o := Database{
		UID: NumberID(d.ID), Name: d.Name, Type: "redis", Status: databaseStatus(v, d), MemorySize: d.MemorySize,
		Replication: d.Replication, Sharding: d.ShardsCount > 1, ShardsCount: d.ShardsCount, Shards: []NumberID{},
		Port: d.Port, Persistence: d.Persistence, Eviction: d.Eviction, Events: d.Events, RackAware: d.RackAware, MinReplicas: d.MinReplicas,
		ProxyPolicy: d.ProxyPolicy, Placement: "dense", Created: d.Created, Endpoints: []Endpoint{},
		TLSMode: d.TLS.ModeText(), EnforceClients: onOff(d.TLS.Authenticate), ClientCerts: []ClientCert{},
	}
	for _, text := range d.TLS.Clients {
		o.ClientCerts = append(o.ClientCerts, ClientCert{text})
	}
	for _, r := range v.RangesOf(d.ID) {
		for _, s := range v.ShardsOf(r.ID) {
			o.Shards = append(o.Shards, NumberID(s.ID))
		}
		seen, _ := v.Observed(r.Master)
		o.UsedMemory += seen.UsedMemory
		o.Version = cmp.Or(o.Version, seen.Engine.Version)
	}
	for _, e := range v.EndpointsOf(d.ID) {
		o.Endpoints = append(o.Endpoints, endpointObject(v, d, e))
	}
	return o
}

func onOff(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

func endpointObject(v cluster.View, d cluster.Database, e cluster.Endpoint) Endpoint {
	o := Endpoint{
		UID: e.ID.String(), Port: e.Port, Addresses: []string{}, AddrType: "internal", ProxyPolicy: d.ProxyPolicy,
		Include: []NumberID{}, Exclude: []NumberID{}, Nodes: []NumberID{}, Listening: len(e.Nodes) > 0,
	}
	for _, id := range e.Include {
		o.Include = append(o.Include, NumberID(id))
	}
	for _, id := range e.Exclude {
		o.Exclude = append(o.Exclude, NumberID(id))
	}
	for _, id := range e.Nodes {
		o.Nodes = append(o.Nodes, NumberID(id))
		o.Addresses = append(o.Addresses, v.Nodes[id].Address)
		seen := v.Reports[id].Proxy.Endpoints[e.ID]
		o.Connections += seen.Connections
		o.Listening = o.Listening && seen.Listening && v.Alive[id]
	}
	o.Trouble = maintenance.EndpointTrouble(v, e)
	if len(o.Addresses) > 0 {
		o.DNSName = o.Addresses[0]
	}
	return o
}
