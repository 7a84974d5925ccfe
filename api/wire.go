package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// The wire types. Names and kinds of fields are those of the contract; where it
// writes the same id once as a number and once as a string, so does this file.

// TextID is an id that is written as a string. It is read from either kind.
type TextID int

func (id TextID) String() string { return strconv.Itoa(int(id)) }

// MarshalJSON implements json.Marshaler.
func (id TextID) MarshalJSON() ([]byte, error) { return json.Marshal(id.String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (id *TextID) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*id = TextID(n)
	return err
}

// NumberID is an id that is written as a number. It is read from either kind.
type NumberID int

// UnmarshalJSON implements json.Unmarshaler.
func (id *NumberID) UnmarshalJSON(b []byte) error { return (*TextID)(id).UnmarshalJSON(b) }

// SnapshotTime is a time in the form 2024-09-06 20:47:23, UTC.
type SnapshotTime struct{ time.Time }

const snapshotTime = "2006-01-02 15:04:05"

// MarshalJSON implements json.Marshaler.
func (t SnapshotTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Format(snapshotTime))
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *SnapshotTime) UnmarshalJSON(b []byte) error {
	parsed, err := time.Parse(snapshotTime, strings.Trim(string(b), `"`))
	t.Time = parsed
	return err
}

// NodeObject is a host in the cluster.
type NodeObject struct {
	UID               NumberID     `json:"uid"`
	AcceptServers     bool         `json:"accept_servers"` // false: closed for shards and endpoints
	Address           string       `json:"addr"`
	Cores             int          `json:"cores"`
	ExternalAddresses []string     `json:"external_addr"`
	MaxListeners      int          `json:"max_listeners"`
	MaxRedisForks     int          `json:"max_redis_forks"`
	MaxShards         int          `json:"max_redis_servers"`
	MaxSlaveFullSyncs int          `json:"max_slave_full_syncs"`
	RackID            string       `json:"rack_id"`
	ShardCount        int          `json:"shard_count"`
	Shards            []NumberID   `json:"shard_list"`
	Version           string       `json:"software_version"`
	Status            string       `json:"status"` // active or down
	SystemTime        time.Time    `json:"system_time"`
	TotalMemory       int64        `json:"total_memory"` // bytes offered to shards
	Hostname          string       `json:"hostname"`
	Role              string       `json:"role"`       // master leads the cluster, slave does not
	Membership        string       `json:"membership"` // voter, learner or client
	QuorumOnly        bool         `json:"quorum_only"`
	Maintenance       *Maintenance `json:"maintenance,omitempty"` // while it is out of service
	// CertificateUntil is when its certificate ends; it is renewed months before.
	CertificateUntil time.Time `json:"certificate_until,omitzero"`
	// Troubles are what is amiss with the host itself.
	Troubles []*cluster.Error `json:"troubles,omitempty"`
	// What the host is made of, as far as it is known.
	Architecture string          `json:"architecture,omitempty"`
	OSName       string          `json:"os_name,omitempty"`
	OSVersion    string          `json:"os_version,omitempty"`
	Uptime       int64           `json:"uptime,omitempty"` // seconds
	DataFolder   string          `json:"persistent_storage_path,omitempty"`
	DataSize     int64           `json:"persistent_storage_size,omitempty"` // bytes
	Engines      []EngineVersion `json:"supported_database_versions,omitempty"`
}

// EngineVersion is what new processes on a node are.
type EngineVersion struct {
	Type    string `json:"db_type"`
	Version string `json:"version"`
}

// Maintenance is why a node is out of service.
type Maintenance struct {
	Since     time.Time `json:"since"`
	Snapshot  string    `json:"snapshot"`
	Returning bool      `json:"returning"` // maintenance_off is at work
	Holds     []Hold    `json:"holds"`
}

// Hold is somebody's reason to keep a node out of service.
type Hold struct {
	TaskID  string    `json:"task_id"`
	Owner   string    `json:"originator"`
	Cause   string    `json:"cause,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // its planned end, if it has one
	Overdue bool      `json:"overdue"`        // the planned end is past
}

// NodeStatus is what is observed of a node.
type NodeStatus struct {
	Cores                int                  `json:"cores"`
	FreeProvisionalRAM   int64                `json:"free_provisional_ram"` // bytes for new shards; 0 on a closed node
	FreeRAM              int64                `json:"free_ram"`             // bytes; 0 on a node that is down or has not reported yet
	Hostname             string               `json:"hostname"`
	MaintenanceSnapshot  *SnapshotItem        `json:"maintenance_snapshot,omitempty"`
	MasterShards         []NumberID           `json:"master_shards"`
	OverbookingDepth     int64                `json:"node_overbooking_depth"` // bytes; negative: more was promised than there is
	NodeStatus           string               `json:"node_status"`            // active or down
	Role                 string               `json:"role"`                   // master or slave
	SlaveShards          []NumberID           `json:"slave_shards"`
	Version              string               `json:"software_version"`
	VersionSHA           string               `json:"software_version_sha"`
	TotalMemory          int64                `json:"total_memory"`
	TotalProvisionalRAM  int64                `json:"total_provisional_ram"`
	EndpointCount        int                  `json:"endpoint_count"`
	EndpointsListening   int                  `json:"endpoints_listening"`
	EndpointsConnections int                  `json:"endpoints_connections"` // of clients
	ClientCounts         cluster.ClientCounts `json:"client_counts"`         // of all endpoints there, since the proxy started
	// Bound: what the host promised to others on an older board, or its daemon may have
	// promised before it was started anew, still holds. So long it does not count as one
	// that knows of new copies.
	Bound            bool                `json:"bound_by_promises"`
	WithoutQuorum    cluster.AloneCounts `json:"without_quorum"`     // how often it asked what it may serve so, since its daemon started
	ShutdownBlockers []string            `json:"shutdown_blockers"`  // empty: the node may be shut down
	LastSeen         time.Time           `json:"last_seen,omitzero"` // of a node that is down
}

// Verdict says whether a node may be shut down without harm.
type Verdict struct {
	Node          NumberID `json:"node_uid"`
	Safe          bool     `json:"safe"`
	Missing       []string `json:"missing"` // what stands against it
	Notes         []string `json:"notes"`   // what is worth knowing before
	InMaintenance bool     `json:"in_maintenance"`
	Busy          bool     `json:"busy"`     // an action is queued or running on it
	Observed      bool     `json:"observed"` // the verdict rests on a report of now
}

// SnapshotItem is a node snapshot in a list.
type SnapshotItem struct {
	Created SnapshotTime `json:"created_time"`
	Name    string       `json:"name"`
	Node    TextID       `json:"node_uid"`
}

// Queued is the answer to a request that starts an action (queued) or cancels one
// (cancelling).
type Queued struct {
	Status string   `json:"status"`
	TaskID string   `json:"task_id"`
	Notes  []string `json:"notes,omitempty"` // options that have no effect, explained
}

// Action is an operator's request carried out by the cluster.
type Action struct {
	ActionUID    string   `json:"action_uid"`
	Name         string   `json:"name"`
	Node         TextID   `json:"node_uid,omitempty"`
	Database     TextID   `json:"bdb_uid,omitempty"` // of an action on a database, which has no node
	Status       string   `json:"status"`            // queued, running, cancelling, completed, failed or cancelled
	TaskID       string   `json:"task_id"`
	Progress     float64  `json:"progress"` // percent
	ErrorCode    string   `json:"error_code,omitempty"`
	ErrorMessage string   `json:"error_message,omitempty"`
	ErrorHint    string   `json:"error_hint,omitempty"`
	BytesTotal   int64    `json:"bytes_total"`
	BytesDone    int64    `json:"bytes_done"`
	SecondsLeft  int      `json:"seconds_left"` // -1: not known
	WaitingFor   string   `json:"waiting_for"`
	Closed       bool     `json:"node_closed"` // the node's mark stands, or its return has begun
	Left         []string `json:"left"`        // what could not be moved
	Skipped      string   `json:"skipped_step,omitempty"`

	Snapshot *ActionSnapshot `json:"snapshot,omitempty"`
	Moves    []Move          `json:"moves"`
	Checks   []Check         `json:"checks"`
	Proof    *Proof          `json:"proof,omitempty"`

	ShardsMoved      int   `json:"shards_moved"`
	BytesMoved       int64 `json:"bytes_moved"`
	ConnectionsMoved int   `json:"connections_moved"`
	ConnectionsCut   int   `json:"connections_cut"`

	Originator string    `json:"originator"`
	Cause      string    `json:"cause,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Created    time.Time `json:"created"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
}

// StatusCancelling is the status of an action that was cancelled and is on its
// way to the end.
const StatusCancelling = "cancelling"

// Over reports whether the status is final.
func (a Action) Over() bool {
	return a.Status != StatusCancelling && cluster.ActionStatus(a.Status).Ended()
}

// Triggered is the answer to an accepted action on shards.
type Triggered struct {
	ActionUID   string `json:"action_uid,omitempty"` // absent: a dry run
	Description string `json:"description"`
}

// ActionSnapshot is the node snapshot an action made, keeps or restores.
type ActionSnapshot struct {
	Name    string        `json:"name"`
	Created *SnapshotTime `json:"created_time,omitempty"` // absent once a snapshot made by hand is deleted
	Reused  bool          `json:"reused"`
}

// Move is one step of placement inside an action.
type Move struct {
	ID           int    `json:"id"`
	Kind         string `json:"kind"` // migrate, failover or rebind
	Shard        TextID `json:"shard_uid,omitempty"`
	Endpoint     string `json:"endpoint,omitempty"`
	From         TextID `json:"from,omitempty"` // node
	To           TextID `json:"to,omitempty"`   // node
	Status       string `json:"status"`         // waiting, running, done, failed or abandoned
	Text         string `json:"text"`
	Reason       string `json:"reason"`
	Bytes        int64  `json:"bytes"`           // expected to be copied
	After        []int  `json:"after,omitempty"` // moves that must be done first
	Attempt      int    `json:"attempt"`
	ErrorCode    string `json:"error_code,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
}

// Check is one line of the checks before an action.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Waived bool   `json:"waived"`
	Text   string `json:"description"`
	// Why it did not pass.
	ErrorCode    string `json:"error_code,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
	ErrorHint    string `json:"error_hint,omitempty"`
}

// DryRun is what an action would do if it started now. Nothing was touched.
type DryRun struct {
	DryRun      bool     `json:"dry_run"` // true
	Name        string   `json:"name"`
	Node        TextID   `json:"node_uid"`
	EndsWell    bool     `json:"ends_well"` // safe to shut down, or back in service
	Outcome     string   `json:"outcome"`   // in one sentence
	Against     []string `json:"against"`   // why it would not end well
	Checks      []Check  `json:"checks"`
	Moves       []Move   `json:"moves"`
	BytesTotal  int64    `json:"bytes_total"`
	Stays       []string `json:"stays"`           // what is not to be moved
	Left        []string `json:"left"`            // what should be moved and has nowhere to go
	Notes       []string `json:"notes,omitempty"` // options that have no effect, explained
	Differences []string `json:"differences"`     // what can not be as the snapshot saw it
}

// Proof compares a node with its snapshot after the return. Compared counts
// shards, endpoints and limits.
type Proof struct {
	Exact       bool     `json:"restored_exactly"`
	Compared    int      `json:"compared"`
	Differences []string `json:"differences"`
}

// NodeActions is the answer of /v1/nodes/{uid}/actions.
type NodeActions struct {
	Actions []Action `json:"actions"`
}

// Actions is the answer of /v1/actions.
type Actions struct {
	Actions       []Action `json:"actions"`
	StateMachines []Action `json:"state-machines"` // always empty: everything here is an action
}

// MaintenanceRequest is the body of the actions on a node.
type MaintenanceRequest struct {
	KeepSlaveShards   bool     `json:"keep_slave_shards,omitempty"`
	EvictHAReplica    *bool    `json:"evict_ha_replica,omitempty"`
	EvictAAReplica    *bool    `json:"evict_active_active_replica,omitempty"`
	DemoteNode        bool     `json:"demote_node,omitempty"`
	OverwriteSnapshot bool     `json:"overwrite_snapshot,omitempty"`
	SnapshotName      string   `json:"snapshot_name,omitempty"`
	SkipShardsRestore bool     `json:"skip_shards_restore,omitempty"`
	MaxConcurrent     int      `json:"max_concurrent_actions,omitempty"`
	IgnoreChecks      []string `json:"ignore_check,omitempty"`
	Idempotency       string   `json:"idempotency_key,omitempty"` // asked again with the same key, it is the same request
	Cause             string   `json:"cause,omitempty"`
	Reason            string   `json:"reason,omitempty"`
	EvictDatabases    []string `json:"evict_dbs,omitempty"` // ids, db:<id>, or names
	For               string   `json:"for,omitempty"`       // see ParseDuration
	Until             string   `json:"until,omitempty"`     // instead of for, a time: 2030-01-31T18:00:00Z
	DryRun            bool     `json:"dry_run,omitempty"`   // tell what would happen, and do nothing
	WaitPersistence   *bool    `json:"wait_for_persistence,omitempty"`
	OverrideRack      bool     `json:"override_rack_policy,omitempty"`
	EndpointsOnly     bool     `json:"endpoints_only,omitempty"`
	ShardsOnly        bool     `json:"shards_only,omitempty"`
}

// TuneNode is the body of PUT /v1/nodes/{uid}. Nil leaves a setting alone.
type TuneNode struct {
	AcceptServers *bool `json:"accept_servers,omitempty"`
	MaxListeners  *int  `json:"max_listeners,omitempty"`
	MaxShards     *int  `json:"max_redis_servers,omitempty"`
	MaxForks      *int  `json:"max_redis_forks,omitempty"`      // copies taken from the node at a time; 0: any number, -1: the cluster's setting
	MaxFullSyncs  *int  `json:"max_slave_full_syncs,omitempty"` // copies made on the node at a time; 0: any number, -1: the cluster's setting
}

// Database is what a user creates: a bdb.
type Database struct {
	UID         NumberID   `json:"uid"`
	Name        string     `json:"name"`
	Type        string     `json:"type"`
	Status      string     `json:"status"`      // pending, active, active-change-pending, recovery or delete-pending
	MemorySize  int64      `json:"memory_size"` // bytes over all shards, replicas included
	Replication bool       `json:"replication"`
	Sharding    bool       `json:"sharding"`
	ShardsCount int        `json:"shards_count"` // masters
	Shards      []NumberID `json:"shard_list"`
	Port        int        `json:"port"`
	Persistence string     `json:"data_persistence"`
	Eviction    string     `json:"eviction_policy"`
	Events      string     `json:"notify_keyspace_events,omitempty"` // the engine's classes: K, E or both, and A or some of g$lshzxetdnm
	RackAware   bool       `json:"rack_aware"`
	ProxyPolicy string     `json:"proxy_policy"`
	MinReplicas int        `json:"min_replicas,omitempty"`
	Placement   string     `json:"shards_placement"`
	OSSCluster  bool       `json:"oss_cluster"`
	Created     time.Time  `json:"created_time"`
	Endpoints   []Endpoint `json:"endpoints"`
	UsedMemory  int64      `json:"used_memory"`             // bytes, masters only
	Version     string     `json:"redis_version,omitempty"` // of its first master, once it is seen

	TLSMode        string       `json:"tls_mode"`
	EnforceClients string       `json:"enforce_client_authentication"` // enabled or disabled
	ClientCerts    []ClientCert `json:"authentication_ssl_client_certs"`
}

// ClientCert is a certificate that clients show, or that has signed theirs.
type ClientCert struct {
	PEM string `json:"client_cert"`
}

// UpdateDatabase is the body of PUT /v1/bdbs/{uid}. Nil leaves a setting alone;
// the lists replace the former ones.
type UpdateDatabase struct {
	MemorySize     *int64        `json:"memory_size,omitempty"` // bytes over all shards, replicas included
	Eviction       *string       `json:"eviction_policy,omitempty"`
	Events         *string       `json:"notify_keyspace_events,omitempty"`
	ProxyPolicy    *string       `json:"proxy_policy,omitempty"`
	Endpoint       string        `json:"endpoint,omitempty"` // uid; empty: the only one
	Include        *[]int        `json:"include_proxies,omitempty"`
	Exclude        *[]int        `json:"exclude_proxies,omitempty"`
	TLSMode        *string       `json:"tls_mode,omitempty"`
	EnforceClients *string       `json:"enforce_client_authentication,omitempty"`
	ClientCerts    *[]ClientCert `json:"authentication_ssl_client_certs,omitempty"`
}

// Certificates are what clients may be shown, as PEM.
type Certificates struct {
	CA    string `json:"ca_cert"`    // the cluster's own authority
	Proxy string `json:"proxy_cert"` // an operator's, shown by endpoints; empty: the authority's
}

// UpdateCertificate is the body of PUT /v1/cluster/update_cert. An empty
// certificate and key take an operator's back.
type UpdateCertificate struct {
	Name        string `json:"name"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Endpoint is the address clients use.
type Endpoint struct {
	UID         string     `json:"uid"`
	DNSName     string     `json:"dns_name"`
	Port        int        `json:"port"`
	Addresses   []string   `json:"addr"`
	AddrType    string     `json:"addr_type"`
	ProxyPolicy string     `json:"proxy_policy"`
	Include     []NumberID `json:"include_proxies"`
	Exclude     []NumberID `json:"exclude_proxies"`
	Nodes       []NumberID `json:"node_uids"`         // bound to
	Connections int        `json:"connections"`       // of clients
	Listening   bool       `json:"listening"`         // on every node it is bound to
	Trouble     string     `json:"trouble,omitempty"` // why it does not
}

// CreateDatabase is the body of POST /v1/bdbs. Zero values take the defaults.
type CreateDatabase struct {
	Name        string `json:"name"`
	MemorySize  int64  `json:"memory_size"`
	ShardsCount int    `json:"shards_count,omitempty"`
	Replication bool   `json:"replication,omitempty"`
	Port        int    `json:"port,omitempty"`
	Persistence string `json:"data_persistence,omitempty"`
	Eviction    string `json:"eviction_policy,omitempty"`
	Events      string `json:"notify_keyspace_events,omitempty"`
	RackAware   bool   `json:"rack_aware,omitempty"`
	ProxyPolicy string `json:"proxy_policy,omitempty"`
	MinReplicas int    `json:"min_replicas,omitempty"`
	Password    string `json:"authentication_redis_pass,omitempty"`

	TLSMode        string       `json:"tls_mode,omitempty"`
	EnforceClients string       `json:"enforce_client_authentication,omitempty"`
	ClientCerts    []ClientCert `json:"authentication_ssl_client_certs,omitempty"`
}

// Shard is a slot range's data in one role.
type Shard struct {
	UID            TextID       `json:"uid"`
	Role           string       `json:"role"`
	Slots          string       `json:"assigned_slots"`
	Database       NumberID     `json:"bdb_uid"`
	DetailedStatus string       `json:"detailed_status"` // ok, loading, down, timeout or unknown
	Loading        ShardLoading `json:"loading"`
	Node           TextID       `json:"node_uid"`
	Info           ShardInfo    `json:"redis_info"`
	Reported       time.Time    `json:"report_timestamp,omitzero"`
	Status         string       `json:"status"`            // active or inactive
	Sync           *ShardSync   `json:"sync,omitempty"`    // of a slave
	Lost           bool         `json:"lost,omitempty"`    // no eligible copy of its slots is left
	Trouble        string       `json:"trouble,omitempty"` // what is amiss, and why
	// Unsettled says, in a recovered cluster, why it is not known who serves its slots.
	Unsettled string `json:"unsettled,omitempty"`
}

// ShardLoading says whether the shard reads its files.
type ShardLoading struct {
	Status string `json:"status"` // idle or in_progress
}

// ShardSync is how a slave stands to its master.
type ShardSync struct {
	Status   string `json:"status"`   // idle, in_progress or link_down
	Progress int64  `json:"progress"` // bytes left
}

// ShardInfo is what the engine says of itself.
type ShardInfo struct {
	UsedMemory int64 `json:"used_memory"` // bytes
	Keys       int64 `json:"keys"`
	Port       int   `json:"tcp_port"`
	// Fragmentation is what the process holds of memory and does not use, in bytes.
	Fragmentation int64  `json:"mem_fragmentation_bytes"`
	Version       string `json:"redis_version,omitempty"`
}

// Event is a line of the activity.
type Event struct {
	Time        time.Time `json:"time"`
	Type        string    `json:"type"`
	Severity    string    `json:"severity"`
	Node        NumberID  `json:"node_uid,omitempty"`
	Database    TextID    `json:"bdb_uid,omitempty"`
	Shard       TextID    `json:"shard_uid,omitempty"`
	TaskID      string    `json:"task_id,omitempty"`
	Originator  string    `json:"originator,omitempty"`
	Cause       string    `json:"cause,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Description string    `json:"description"`
}

// CreateToken is the body of POST /v1/cluster/tokens.
type CreateToken struct {
	TTL  int `json:"ttl,omitempty"`  // seconds, from 1 to 86400; an hour unless given
	Uses int `json:"uses,omitempty"` // hosts that may join with it, from 1 to 100; one unless given
}

// Token is the answer of POST /v1/cluster/tokens.
type Token struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"`
}

// BootstrapAnswer is the answer of GET /v1/bootstrap.
type BootstrapAnswer struct {
	Status BootstrapStatus `json:"bootstrap_status"`
	Local  LocalNodeInfo   `json:"local_node_info"`
}

// BootstrapStatus is how far a node is on its way into a cluster.
type BootstrapStatus struct {
	State        string    `json:"state"`
	Start        time.Time `json:"start_time,omitzero"`
	End          time.Time `json:"end_time,omitzero"`
	ErrorCode    string    `json:"error_code,omitempty"`
	ErrorDetails string    `json:"error_details,omitempty"`
	ErrorHint    string    `json:"error_hint,omitempty"`
}

// LocalNodeInfo is what a daemon says of its host.
type LocalNodeInfo struct {
	UID         NumberID `json:"uid"` // 0: in no cluster
	Address     string   `json:"addr"`
	Hostname    string   `json:"hostname"`
	Cores       int      `json:"cores"`
	TotalMemory int64    `json:"total_memory"`
	Version     string   `json:"software_version"`
}

// BootstrapRequest is the body of create_cluster and join_cluster.
type BootstrapRequest struct {
	Action      string               `json:"action,omitempty"`
	Cluster     BootstrapCluster     `json:"cluster,omitzero"`
	Node        BootstrapNode        `json:"node,omitzero"`
	Credentials BootstrapCredentials `json:"credentials,omitzero"`
	Policy      BootstrapPolicy      `json:"policy,omitzero"`
}

// BootstrapCluster names the cluster to make, or nodes of the one to join.
type BootstrapCluster struct {
	Name  string   `json:"name,omitempty"`
	Nodes []string `json:"nodes,omitempty"`
}

// BootstrapNode is what the operator says of the node.
type BootstrapNode struct {
	Identity BootstrapIdentity `json:"identity,omitzero"`
	Limits   BootstrapLimits   `json:"limits,omitzero"`
}

// BootstrapIdentity is where the node stands.
type BootstrapIdentity struct {
	Address           string   `json:"addr,omitempty"`
	ExternalAddresses []string `json:"external_addr,omitempty"`
	RackID            string   `json:"rack_id,omitempty"`
}

// BootstrapLimits is what the node carries at most.
type BootstrapLimits struct {
	MaxListeners int `json:"max_listeners,omitempty"`
	MaxShards    int `json:"max_redis_servers,omitempty"`
}

// BootstrapCredentials are the first admin's when a cluster is made, and a
// token or an admin's login when one is joined.
type BootstrapCredentials struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
	CAHash   string `json:"ca_hash,omitempty"`
}

// BootstrapPolicy is what the new cluster keeps to.
type BootstrapPolicy struct {
	RackAware bool `json:"rack_aware,omitempty"`
}
