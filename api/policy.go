package api

import (
	"fmt"

	"github.com/haulout/haulout/cluster"
)

func getCluster(c *call) (any, error) { return clusterObject(c.view), nil }

func clusterObject(v cluster.View) Cluster {
	state := v.Cluster
	o := Cluster{
		Name: state.Name, Created: state.Created, RackAware: state.RackAware,
		PasswordLength: state.MinPassword(), PasswordComplexity: state.PasswordComplexity, Notices: !state.NoNotices,
		ConcurrentMoves: state.ConcurrentMoves, ID: state.ID, Master: NumberID(v.Leader), Incarnation: state.Incarnation, NoQuorum: v.NoQuorum,
	}
	if hash, err := CAHash(v.Authority.CertificatePEM); err == nil {
		o.CAHash = hash
	}
	o.AuthorityUntil, o.Troubles = authorityUntil(v.Authority.CertificatePEM), clusterTroubles(v)
	for _, n := range cluster.Sorted(v.Nodes) {
		if b := v.Reports[n.ID].Backups; b.Count > 0 || b.Failed != "" {
			o.Backups = append(o.Backups, NodeBackups{Node: NumberID(n.ID), Count: b.Count, Newest: b.Newest, Revision: b.Revision, Failed: b.Failed})
		}
	}
	return o
}

// clusterFields are fields of the contract's cluster that can not be changed here.
var clusterFields = []string{
	"alert_settings", "availability_lag_tolerance_ms", "bigstore_driver", "ca_hash", "cluster_ssh_public_key",
	"cm_port", "cm_session_timeout_minutes", "cnm_http_max_threads_per_worker", "cnm_http_port", "cnm_http_workers", "cnm_https_port",
	"control_cipher_suites", "control_plane_basic_authentication", "created_time", "crdt_rest_client_retries", "data_cipher_list", "debuginfo_path",
	"default_concurrent_restore_actions", "default_non_sharded_proxy_policy", "default_sharded_proxy_policy", "email_alerts", "email_from",
	"encrypt_pkeys", "envoy_admin_port", "handle_redirects", "handle_metrics_redirects", "http_support", "id", "logrotate_settings",
	"mask_bdb_credentials", "master_node_uid", "metrics_system", "min_control_TLS_version", "min_data_TLS_version", "min_sentinel_TLS_version",
	"mtls_certificate_authentication", "name", "password_expiration_duration", "password_hashing_algorithm", "proxy_certificate", "rack_aware",
	"reserved_ports", "s3_ca_cert", "s3_url", "sentinel_tls_mode", "slave_ha", "slave_ha_bdb_cooldown_period", "slave_ha_cooldown_period",
	"slave_ha_grace_period", "slowlog_in_sanitized_support", "smtp_host", "smtp_password", "smtp_port", "smtp_tls_mode", "smtp_use_tls",
	"smtp_username", "state_machine_smart_client_handoffs_delay_ms", "syncer_certificate", "system_reserved_ports", "upgrade_in_progress",
	"upgrade_mode", "use_external_ipv6", "use_ipv6", "wait_command",
}

func putCluster(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	tune := cluster.TuneCluster{At: c.view.Now, By: c.id.Name}
	o.setting("password_min_length", &tune.PasswordLength)
	var complexity, notices bool
	if o.flag("password_complexity", &complexity) {
		tune.PasswordComplexity = &complexity
	}
	if o.flag("client_maint_notifications", &notices) {
		tune.Notices = &notices
	}
	dry := c.dryRun(&object{fields: o.fields, faults: o.faults})
	o.rest(clusterFields...)
	if err := o.err(); err != nil {
		return nil, err
	}
	if tune == (cluster.TuneCluster{At: tune.At, By: tune.By}) {
		return nil, badRequest("give password_min_length, password_complexity or client_maint_notifications", "nothing to change was given")
	}
	if dry {
		_, err := tune.Apply(c.view.Board)
		return clusterObject(c.view), err
	}
	if err := c.leader.Submit(c.Context(), tune); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	return clusterObject(c.view), nil
}

// setting reads a number that may be left out.
func (o *object) setting(name string, into **int) {
	var n int
	if o.number(name, &n) {
		*into = &n
	}
}

func getPolicy(c *call) (any, error) {
	state := c.view.Cluster
	lockout := state.LoginLockout()
	return ClusterPolicy{
		ReplicaGrace: int(state.Grace().Seconds()), ConcurrentMoves: state.ConcurrentMoves, HandoffDelay: state.HandoffDelay,
		LockoutThreshold: lockout.Threshold, LockoutDuration: lockout.Duration, LockoutForgotten: lockout.Forgotten,
		Placement: "dense", ProxyPolicy: "single", ShardedPolicy: "single", RackAware: state.RackAware, ReplicaHA: true,
	}, nil
}

// policyFields are fields of the contract's policy that can not be changed here.
var policyFields = []string{
	"acl_pubsub_default", "auto_recovery", "automatic_node_offload", "bigstore_migrate_node_threshold", "bigstore_migrate_node_threshold_p",
	"bigstore_provision_node_threshold", "bigstore_provision_node_threshold_p", "data_internode_encryption", "db_conns_auditing_default",
	"db_conns_auditing", "default_fork_evict_ram", "default_oss_sharding", "default_provisioned_redis_version", "default_tracking_table_max_keys_policy",
	"default_upgrade_policy", "endpoint_rebind_propagation_grace_time", "evict_node_use_free_memory", "failure_detection_sensitivity",
	"hide_user_data_from_log", "max_redis_forks", "max_saved_events_per_type", "max_simultaneous_backups", "max_slave_full_syncs",
	"metrics_auth", "node_blocklist_threshold", "redis_migrate_node_threshold", "redis_migrate_node_threshold_p", "redis_provision_node_threshold",
	"redis_provision_node_threshold_p", "redis_upgrade_policy", "resp3_default", "slave_ha_bdb_cooldown_period", "slave_ha_cooldown_period",
	"sparse_placement", "watchdog_profile",
}

func putPolicy(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	tune := cluster.TuneCluster{At: c.view.Now, By: c.id.Name}
	o.setting("slave_ha_grace_period", &tune.ReplicaGrace)
	o.setting("default_concurrent_restore_actions", &tune.ConcurrentMoves)
	o.setting("state_machine_smart_client_handoffs_delay_ms", &tune.HandoffDelay)
	o.setting("login_lockout_threshold", &tune.LockoutThreshold)
	o.setting("login_lockout_duration", &tune.LockoutDuration)
	o.setting("login_lockout_counter_reset_after", &tune.LockoutForgotten)
	given := tune != cluster.TuneCluster{At: tune.At, By: tune.By} || o.faults.count() > 0
	o.neutral("default_shards_placement", `"dense"`)
	o.neutral("default_non_sharded_proxy_policy", `"single"`)
	o.neutral("default_sharded_proxy_policy", `"single"`)
	o.neutral("rack_aware", fmt.Sprint(c.view.Cluster.RackAware))
	o.neutral("slave_ha", "true")
	o.neutral("shards_overbooking", "false")
	o.neutral("persistent_node_removal", "false")
	o.rest(policyFields...)
	if err := o.err(); err != nil {
		return nil, err
	}
	if !given {
		return nil, badRequest("give slave_ha_grace_period, default_concurrent_restore_actions or a login_lockout setting", "nothing to change was given")
	}
	return nil, c.leader.Submit(c.Context(), tune)
}
