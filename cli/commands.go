package cli

// extras are what status may show besides: words without a column of their own in
// a table change nothing there.
const extras = "all|frag|maintenance|nodestats|rack_id|redis_version|shardstats|state_machine|traffic_manually_disabled|watchdog"

// commands is the grammar.
func commands() []command {
	list := []command{
		{pattern: "status [extra " + extras + "] [issues_only]", help: "Show nodes, databases, endpoints and shards", run: status, looks: true},
		{pattern: "status node <node> [extra " + extras + "] [issues_only]", help: "Show a node and what is on it", run: statusOf, looks: true},
		{pattern: "status db <db> [extra " + extras + "] [issues_only]", help: "Show a database, its endpoints and its shards", run: statusOf, looks: true},
		{pattern: "status nodes [extra " + extras + "] [sort <COLUMN>...] [issues_only]", help: "Show the nodes", run: statusNodes, looks: true},
		{pattern: "status databases [extra " + extras + "] [sort <COLUMN>...] [issues_only]", help: "Show the databases", run: statusDatabases, looks: true},
		{pattern: "status endpoints [node <node>] [db <db>] [extra " + extras + "] [sort <COLUMN>...] [issues_only]", help: "Show the endpoints", run: statusEndpoints, looks: true},
		{pattern: "status shards [node <node>] [db <db>] [extra " + extras + "] [sort <COLUMN>...] [issues_only]", help: "Show the shards", run: statusShards, looks: true},
		{pattern: "status activity [node <node>] [db <db>] [shard <shard>] [task <task>] [type <text>] [severity debug|info|warning|error|critical]" +
			" [since <duration>] [limit <count>]", help: "Show what happened, the newest last: why a master changed, who asked for what", run: statusActivity, looks: true},
		{pattern: "status former_files [node <node>]", help: "Show what nodes have set aside since the cluster was recovered", run: statusFormerFiles, looks: true},
		{pattern: "status modules [db <db>...] [extra all|compatible_redis_version|min_redis_version|module_id]", help: "Show the modules, of which there are none", run: statusModules, looks: true},

		{pattern: "node <node> maintenance_mode on [keep_slave_shards] [evict_ha_replica enabled|disabled]" +
			" [evict_active_active_replica enabled|disabled] [demote_node] [overwrite_snapshot] [max_concurrent_actions <count>]" +
			" [ignore_check quorum...] [cause hardware|host_lost|patching|announced|other] [reason <text>] [evict_dbs <db>...] [for <duration>]" +
			" [override_rack_policy] [dry_run] [async] [idempotency_key <text>]",
			help: "Take a node out of service: move its shards and endpoints away", run: maintenanceOn},
		{pattern: "node <node> maintenance_mode off [snapshot_name <name>] [skip_shards_restore] [max_concurrent_actions <count>]" +
			" [cause hardware|host_lost|patching|announced|other] [reason <text>] [dry_run] [async] [idempotency_key <text>]",
			help: "Put a node back into service exactly as it was", run: maintenanceOff},
		{pattern: "node <node> maintenance_mode verify", help: "Say whether a node may be shut down, or what is missing", run: maintenanceVerify, looks: true},
		{pattern: "node <node> maintenance_mode wait (until safe|returned) [timeout <duration>]",
			help: "Wait until a node may be shut down, or is back in service, for an hour or the timeout", run: maintenanceWait},
		{pattern: "node <node> snapshot create <name>", help: "Write down what stands on a node", run: snapshotCreate},
		{pattern: "node <node> snapshot delete <name>", help: "Delete a snapshot that was made by hand", run: snapshotDelete},
		{pattern: "node <node> snapshot list", help: "List the snapshots of a node", run: snapshotList, looks: true},
		{pattern: "node <node> snapshot restore <name> [async]", help: "Bring back what a snapshot saw on a node in service", run: snapshotRestore},

		{pattern: "node <node> former_files delete <name>", help: "Delete files of a former life that a node has set aside", run: formerFilesDelete},

		{pattern: "node <node> vacate [max_concurrent_actions <count>] [cause hardware|host_lost|patching|announced|other] [reason <text>] [dry_run] [async]",
			help: "Move everything off a node; if it is down, make it anew elsewhere", run: nodeVacate},
		{pattern: "node <node> remove [wait_for_persistence enabled|disabled] [cause hardware|host_lost|patching|announced|other] [reason <text>] [dry_run] [async]",
			help: "Take a node that carries nothing out of the cluster, alive or not", run: nodeRemove},

		{pattern: "node <node> enslave [endpoints_only] [shards_only] [demote_node] [cause hardware|host_lost|patching|announced|other] [reason <text>]" +
			" [dry_run] [async] {retry_timeout_seconds}", help: "Make the masters on a node slaves where they are, and move its endpoints away", run: nodeEnslave},

		{pattern: "failover (shard <shard>...) [db <db>] [async] {immediate}", help: "Make the replicas of these masters masters, without losing a write", run: failover},
		{pattern: "migrate [shard <shard>...] [db <db>] [node <node>] [all_master_shards] [all_slave_shards] [all_shards] (target_node <node>)" +
			" [preserve_roles] [override_policy] [max_concurrent_actions <count>] [max_concurrent_bdb_migrations <count>] [async]",
			help: "Move shards to a node: those named, or all, or all in a role, of a database or node", run: migrate},

		{pattern: "explain shard <shard>", help: "Say why a shard is where it is, where it can not go and what it waits for", run: explainShard, looks: true},
		{pattern: "explain node <node>", help: "Say why a node takes shards or not, where its own could go and what it waits for", run: explainNode, looks: true},
		{pattern: "verify balance [node <node>]", help: "List endpoints that are not where the masters of their database are", run: verifyBalance, looks: true},
		{pattern: "verify rack_aware", help: "List slots whose copies share a rack", run: verifyRacks, looks: true},

		{pattern: "bind endpoint <endpoint> [policy single|all-master-shards|all-nodes] [include <proxy>...] [exclude <proxy>...]",
			help: "Say on which nodes an endpoint is bound", run: bind},
		{pattern: "bind db <db> endpoint <endpoint> [policy single|all-master-shards|all-nodes] [include <proxy>...] [exclude <proxy>...]",
			help: "Say on which nodes an endpoint of a database is bound", run: bind},
		{pattern: "migrate endpoint_to_shards [restrict_target_node <node>] [commit] [max_concurrent_bdb_migrations <count>]",
			help: "Bind endpoints of one node to where their masters are; without commit, say which", run: endpointsToShards, looks: true},
		{pattern: "migrate db <db> endpoint_to_shards [restrict_target_node <node>] [commit] [max_concurrent_bdb_migrations <count>]",
			help: "Bind the endpoint of a database to where its masters are; without commit, say where", run: endpointsToShards, looks: true},
		{pattern: "tune db <db> [memory_size <size>] [eviction_policy <policy>] [notify_keyspace_events <classes>]" +
			" [proxy_policy single|all-master-shards|all-nodes] [tls_mode enabled|disabled]" +
			" [enforce_client_authentication enabled|disabled] [client_cert_files <file>...]",
			help: "Change a database, or how its clients reach it; no connection is cut", run: tuneDatabase},

		{pattern: "info node <node>", help: "Show the settings of a node", run: infoNode, looks: true},
		{pattern: "info db", help: "Show the settings of all databases", run: infoDatabases, looks: true},
		{pattern: "info db <db>", help: "Show the settings of a database", run: infoDatabases, looks: true},
		{pattern: "info proxy <node|all>", help: "Show what the proxy of a node, or each of them, does", run: infoProxies, looks: true},
		{pattern: "info cluster", help: "Show the settings of the cluster and its CA's fingerprint", run: infoCluster, looks: true},
		{pattern: "tune node <node|all> [max_listeners <number>] [max_redis_forks <limit>] [max_redis_servers <number>]" +
			" [max_slave_full_syncs <limit>] [quorum_only enabled|disabled]",
			help: "Change the settings of a node, or of all; what one can not have, none gets", run: tuneNode},
		{pattern: "tune cluster [slave_ha_grace_period <number>] [default_concurrent_restore_actions <number>|all] [state_machine_smart_client_handoffs_delay_ms <number>] [login_lockout_threshold <number>] " +
			"[login_lockout_duration <number>] [login_lockout_counter_reset_after <number>] [password_min_length <count>] [password_complexity enabled|disabled]" +
			" [client_maint_notifications enabled|disabled]", help: "Change the settings of the cluster; failed logins count on each node by itself", run: tuneCluster},

		{pattern: "cluster create (name <name>) (username <email>) [password <password>] [password_file <file>] [rack_aware] [rack_id <rack>]" +
			" [addr <address>] [external_addr <address>...]",
			help: "Make a cluster of this node", run: clusterCreate},
		{pattern: "cluster join (nodes <address>...) [token <token>] [token_file <file>] [username <email>] [password <password>] [password_file <file>]" +
			" [ca_hash <hash>] [rack_id <rack>] [addr <address>] [external_addr <address>...]",
			help: "Let this node join a cluster", run: clusterJoin},
		{pattern: "cluster reset_password <email> [password <password>] [password_file <file>]",
			help: "Give a user another password, and end a lockout", run: clusterResetPassword},
		{pattern: "cluster backup", help: "Save the cluster's state on this node now, besides once an hour", run: clusterBackup},
		{pattern: "cluster recover [filename <file>] [key_file <file>] [lost_nodes <node>...] [masters <shard>...] [dry_run]",
			help: "Bring the cluster back on this node, when its quorum is gone", run: clusterRecover},
		{pattern: "cluster certificate set <certificate> (certificate_file <file>) (key_file <file>)",
			help: "Replace the certificate that endpoints show: proxy", run: certificateSet},
		{pattern: "cluster certificate reset <certificate>", help: "Have endpoints show certificates of the cluster's own authority again", run: certificateReset},
		{pattern: "cluster certificate show <certificate>", help: "Print a certificate: ca, the cluster's own authority, or proxy", run: certificateShow, looks: true},
		{pattern: "cluster token [uses <count>] [ttl <duration>]", help: "Make a token by which one host may join, or uses of them, within an hour or ttl", run: clusterToken},
		{pattern: "cluster master", help: "Show which node leads the cluster", run: clusterMaster, looks: true},
		{pattern: "cluster master set <node>", help: "Let another node lead the cluster", run: clusterMasterSet},
		{pattern: "cluster cancel_action <task>", help: "Cancel an action: stop it and put back what it has moved", run: cancelAction},
		{pattern: "cluster follow_action <task>", help: "Follow an action that runs, or see how it ended", run: followAction},
		{pattern: "cluster running_actions", help: "List the actions that are queued or running", run: runningActions, looks: true},

		{pattern: "db create (name <name>) (memory_size <size>) [shards_count <number>] [replication] [port <number>]" +
			" [persistence disabled|aof] [eviction_policy <policy>] [notify_keyspace_events <classes>] [password_file <file>] [rack_aware] [min_replicas <number>]" +
			" [proxy_policy single|all-master-shards|all-nodes] [tls_mode enabled|disabled]",
			help: "Create a database; with min_replicas 1 a write is answered when a replica has it", run: databaseCreate},
		{pattern: "db delete <db>", help: "Delete a database and its data", run: databaseDelete},
		{pattern: "db user list <db>", help: "List whom the clients of a database may log in as", run: userList, looks: true},
		{pattern: "db user set <db> <user> [rules <rule>...] [password_file <file>] [further_password_file <file>] [nopass] [login enabled|disabled]",
			help: "Make or change a user of a database's clients: what it may do, and its one or two passwords", run: userSet},
		{pattern: "db user delete <db> <user>", help: "Delete a user of a database's clients, and close those that are logged in as it", run: userDelete},
		{pattern: "db list", help: "List the databases", run: statusDatabases, looks: true},
		{pattern: "recover list", help: "Show of which databases something is lost, and what is left of it", run: recoverList, looks: true},
		{pattern: "recover db <db> [only_configuration] [lost_nodes <node>...]", help: "Serve what is left of the lost slots of a database, or begin empty where nothing is", run: recoverDatabase},
		{pattern: "recover all [only_configuration] [lost_nodes <node>...]", help: "Do so with all databases", run: recoverAll},

		{pattern: "completion <bash|zsh|fish>", help: "Print what teaches a shell to complete commands: source <(haulout completion bash)", run: completion, offline: true},
		{pattern: "version", help: "Show the version of this program", run: version, offline: true},
		{pattern: "help", help: "Show this list, or the options of what is named: help node", offline: true,
			run: func(s *session, _ words) error { return s.helpAbout(nil) }},
	}
	for i, c := range list {
		list[i] = c.compile()
	}
	return list
}
