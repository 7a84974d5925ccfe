package api

import "encoding/json"

// place is where a route is carried out.
type place int

const (
	here     place = iota // on this daemon
	atLeader              // on the leader, or not at all
	reading               // on the leader, or from the local board while there is none
)

// route is one line of the contract. The server, the roles and the OpenAPI
// document are made of it.
type route struct {
	pattern string // method and path
	says    string // what it does, for the document
	may     permission
	at      place
	handle  func(*call) (any, error)
	in      any      // a value of the body's type; nil: there is none
	out     any      // a value of the answer's type; nil: it is empty
	query   []string // parameters it understands
}

// maxBody is how many bytes a body may have. Whoever may come without a login has
// little to say: a login, or what a host tells of itself.
func (r route) maxBody() int64 {
	switch {
	case r.may == anyone && r.at == here:
		return 4 << 10
	case r.may == anyone, r.may == bootstrapper:
		return 64 << 10
	}
	return 1 << 20
}

// either is an answer of one kind or the other; fieldsOf one that may lack fields.
type (
	either   []any
	fieldsOf struct{ whole any }
)

func routes() []route {
	return []route{
		{"GET /v1/openapi.json", "this document", anyone, here, getOpenAPI, nil, json.RawMessage{}, nil},
		{"GET /v1/jsonschema", "the JSON schema of an object: bdb, node, cluster, policy, action, shard, user or role", see, here, getJSONSchema, nil, json.RawMessage{}, []string{"object"}},
		{"GET /v1/bootstrap", "how far the node is on its way into a cluster", seeBootstrap, here, getBootstrap, nil, BootstrapAnswer{}, nil},
		{"POST /v1/bootstrap/create_cluster", "make a cluster of this node", bootstrapper, here, postCreateCluster, BootstrapRequest{}, nil, nil},
		{"POST /v1/bootstrap/join_cluster", "let this node join a cluster", bootstrapper, here, postJoinCluster, BootstrapRequest{}, nil, nil},
		{"POST /v1/bootstrap/recover_cluster", "bring the cluster of this node back when its quorum is gone, or tell what that would do", bootstrapper, here, postRecoverCluster, RecoveryRequest{}, RecoveryPlan{}, []string{"dry_run"}},
		{"POST /v1/local/cluster/backup", "save the cluster's state on this node now", administer, here, postBackup, nil, StateBackup{}, nil},
		{"POST /v1/join", "what a joining daemon asks the leader, with a join token or an admin's login", anyone, atLeader, postJoin, json.RawMessage{}, json.RawMessage{}, nil},
		{"GET /v1/local/node/master_healthcheck", "whether this node is the cluster master", see, here, getMasterCheck, nil, MasterCheck{}, nil},

		{"GET /v1/cluster", "the cluster as a whole", see, reading, getCluster, nil, Cluster{}, nil},
		{"PUT /v1/cluster", "change what the cluster asks of passwords, and whether it tells clients of planned work", administer, atLeader, putCluster, ChangeCluster{}, Cluster{}, []string{"dry_run"}},
		{"GET /v1/cluster/policy", "the settings of the cluster", see, reading, getPolicy, nil, ClusterPolicy{}, nil},
		{"PUT /v1/cluster/policy", "change settings of the cluster", administer, atLeader, putPolicy, ChangePolicy{}, nil, nil},
		{"GET /v1/cluster/certificates", "what clients may be shown", see, reading, getCertificates, nil, Certificates{}, nil},
		{"PUT /v1/cluster/update_cert", "replace the certificate that endpoints show, or take it back", administer, atLeader, putCertificate, UpdateCertificate{}, Certificates{}, nil},
		{"POST /v1/cluster/actions/change_master", "hand the lead of the cluster to a node", administer, atLeader, postChangeMaster, ChangeMaster{}, nil, nil},
		{"POST /v1/cluster/tokens", "make a token that lets one host join, or as many as its uses", administer, atLeader, postToken, CreateToken{}, Token{}, nil},
		{"GET /v1/logs", "the activity; type is a part of one, severity the least", seeLogs, reading, getLogs, nil, []Event{},
			[]string{"stime", "etime", "order", "limit", "offset", "node_uid", "bdb_uid", "shard_uid", "task_id", "type", "severity"}},
		{"GET /v4/cluster/health", "what is well and what is not; issues_only leaves the rest out", see, atLeader, getClusterHealth, nil, ClusterHealth{}, []string{"issues_only"}},
		{"GET /v4/db/{uid}/health", "the health of a database", see, atLeader, getDatabaseHealth, nil, DatabaseHealth{}, []string{"issues_only"}},
		{"GET /v4/bdb/{uid}/health", "the same", see, atLeader, getDatabaseHealth, nil, DatabaseHealth{}, []string{"issues_only"}},

		{"GET /v1/users", "the users", manageUsers, reading, getUsers, nil, []User{}, nil},
		{"POST /v1/users", "make a user", manageUsers, atLeader, postUser, ChangeUser{}, User{}, nil},
		{"POST /v1/users/authorize", "log in and get a token", anyone, here, postAuthorize, Authorize{}, AccessToken{}, nil},
		{"POST /v1/users/refresh_jwt", "get a further token for one that is still good", anyUser, here, postRefresh, TTL{}, AccessToken{}, nil},
		{"PUT /v1/users/password", "replace the own passwords", anyUser, atLeader, putPassword, ChangePassword{}, nil, nil},
		{"POST /v1/users/password", "add a password of one's own", anyUser, atLeader, postPassword, ChangePassword{}, nil, nil},
		{"DELETE /v1/users/password", "delete a password of one's own", anyUser, atLeader, deletePassword, ChangePassword{}, nil, nil},
		{"GET /v1/users/{uid}", "a user", ownUser, reading, getUser, nil, User{}, nil},
		{"PUT /v1/users/{uid}", "change a user; users change their own name and password", ownUser, atLeader, putUser, ChangeUser{}, User{}, nil},
		{"DELETE /v1/users/{uid}", "delete a user", manageUsers, atLeader, deleteUser, nil, nil, nil},
		{"GET /v1/roles", "the roles", manageUsers, reading, getRoles, nil, []UserRole{}, nil},
		{"POST /v1/roles", "make a role", administer, atLeader, postRole, ChangeRole{}, UserRole{}, nil},
		{"GET /v1/roles/{uid}", "a role", manageUsers, reading, getRole, nil, UserRole{}, nil},
		{"PUT /v1/roles/{uid}", "change a role", administer, atLeader, putRole, ChangeRole{}, UserRole{}, nil},
		{"DELETE /v1/roles/{uid}", "delete a role that no user has", administer, atLeader, deleteRole, nil, nil, nil},

		{"GET /v1/nodes", "the nodes", see, reading, getNodes, nil, []NodeObject{}, nil},
		{"GET /v1/nodes/{uid}", "a node", see, reading, getNode, nil, NodeObject{}, nil},
		{"PUT /v1/nodes/{uid}", "change settings of a node", administer, atLeader, putNode, TuneNode{}, nil, nil},
		{"GET /v1/nodes/status", "what is observed of the nodes, by uid", see, reading, getNodeStatuses, nil, map[TextID]NodeStatus{}, nil},
		{"GET /v1/nodes/{uid}/status", "what is observed of a node", see, reading, getNodeStatus, nil, NodeStatus{}, nil},
		{"GET /v1/nodes/{uid}/snapshots", "the snapshots of a node", see, reading, getSnapshots, nil, []SnapshotItem{}, nil},
		{"POST /v1/nodes/{uid}/snapshots", "write down what stands on a node", administer, atLeader, postSnapshot, SnapshotRequest{}, SnapshotItem{}, nil},
		{"DELETE /v1/nodes/{uid}/snapshots/{name}", "delete a snapshot that was made by hand", administer, atLeader, deleteSnapshot, nil, SnapshotItem{}, nil},
		{"GET /v1/nodes/{uid}/former_files", "what a node has set aside since the cluster was recovered", see, reading, getFormerFiles, nil, []FormerFiles{}, nil},
		{"DELETE /v1/nodes/{uid}/former_files/{name}", "delete files that a node has set aside", administer, atLeader, deleteFormerFiles, nil, FormerFiles{}, nil},
		{"GET /v1/nodes/{uid}/maintenance/verify", "whether a node may be shut down", see, atLeader, getVerify, nil, Verdict{}, nil},
		{"GET /v1/nodes/{uid}/explain", "why a node carries what it does, and what it waits for", see, atLeader, explainNode, nil, Explanation{}, nil},

		{"GET /v1/actions", "the actions", see, reading, getActions, nil, Actions{}, nil},
		{"GET /v1/actions/{task}", "an action", see, reading, getActionByTask, nil, Action{}, nil},
		{"GET /v1/actions/bdb/{uid}", "the actions on a database", see, reading, getDatabaseActions, nil, []Action{}, nil},
		{"GET /v2/actions", "the actions, in the newer form", see, reading, getTasks, nil, []Task{}, nil},
		{"GET /v2/actions/{task}", "an action, in the newer form", see, reading, getTask, nil, Task{}, nil},
		{"GET /v1/nodes/actions", "the actions", see, reading, getActions, nil, Actions{}, nil},
		{"GET /v1/nodes/{uid}/actions", "the actions of a node", see, reading, getNodeActions, nil, NodeActions{}, nil},
		{"GET /v1/nodes/{uid}/actions/{action}", "the newest action of the name on a node", see, reading, getAction, nil, Action{}, nil},
		{"POST /v1/nodes/{uid}/actions/{action}", "start maintenance_on, maintenance_off, vacate, enslave_node, snapshot_restore or remove, or tell what it would do", administer, atLeader, postAction, MaintenanceRequest{}, either{Queued{}, DryRun{}}, []string{"dry_run"}},
		{"DELETE /v1/actions/{task}", "cancel an action, or forget one that has ended", administer, atLeader, deleteActionByTask, nil, Queued{}, nil},
		{"DELETE /v1/nodes/{uid}/actions/{action}", "cancel an action, or forget one that has ended", administer, atLeader, deleteAction, nil, Queued{}, nil},

		{"GET /v1/bdbs", "the databases", see, reading, getDatabases, nil, []fieldsOf{{Database{}}}, []string{"fields"}},
		{"POST /v1/bdbs", "create a database", changeDatabase, atLeader, postDatabase, CreateDatabase{}, Database{}, nil},
		{"GET /v1/bdbs/{uid}", "a database", see, reading, getDatabase, nil, fieldsOf{Database{}}, []string{"fields"}},
		{"PUT /v1/bdbs/{uid}", "change a database, or how clients reach it", changeDatabase, atLeader, putDatabase, UpdateDatabase{}, Database{}, nil},
		{"DELETE /v1/bdbs/{uid}", "delete a database", changeDatabase, atLeader, deleteDatabase, nil, Database{}, nil},
		{"GET /v1/bdbs/{uid}/users", "whom the clients of a database may log in as", see, reading, getDatabaseUsers, nil, []DatabaseUser{}, nil},
		{"PUT /v1/bdbs/{uid}/users/{name}", "make or change a user of the clients of a database", changeDatabase, atLeader, putDatabaseUser, ChangeDatabaseUser{}, DatabaseUser{}, nil},
		{"DELETE /v1/bdbs/{uid}/users/{name}", "delete a user of the clients of a database, and close those that are logged in as it", changeDatabase, atLeader, deleteDatabaseUser, nil, nil, nil},
		{"GET /v1/bdbs/{uid}/actions/recover", "what is lost of a database, and what is left of it", see, reading, getDatabaseRecovery, nil, DatabaseRecovery{}, nil},
		{"POST /v1/bdbs/{uid}/actions/recover", "serve what is left of what is lost, or begin empty where nothing is", changeDatabase, atLeader, postDatabaseRecovery, RecoverDatabase{}, DatabaseRecovery{}, nil},
		{"GET /v1/bdbs/{uid}/availability", "whether clients can use a database: 200, or 503 and why", see, atLeader, getAvailability, nil, nil, nil},
		{"GET /v1/bdbs/{uid}/shards", "the shards of a database", see, reading, getDatabaseShards, nil, []Shard{}, nil},
		{"GET /v1/shards", "the shards", see, reading, getShards, nil, []Shard{}, nil},
		{"GET /v1/shards/{uid}", "a shard", see, reading, getShard, nil, Shard{}, nil},
		{"GET /v1/shards/{uid}/explain", "why a shard is where it is, and where else it could be", see, atLeader, explainShard, nil, Explanation{}, nil},
		{"POST /v1/shards/{uid}/actions/failover", "make the replica of a master the master", changeDatabase, atLeader, onShard((*call).failover), FailoverRequest{}, Triggered{}, []string{"dry_run"}},
		{"POST /v1/shards/actions/failover", "make the replicas of masters of one database masters", changeDatabase, atLeader, onShards((*call).failover), FailoverRequest{}, Triggered{}, []string{"dry_run"}},
		{"POST /v1/shards/{uid}/actions/migrate", "bring a shard to another node", changeDatabase, atLeader, onShard((*call).migrate), MigrateRequest{}, Triggered{}, []string{"dry_run"}},
		{"POST /v1/shards/actions/migrate", "bring shards to another node", changeDatabase, atLeader, onShards((*call).migrate), MigrateRequest{}, Triggered{}, []string{"dry_run"}},
	}
}
