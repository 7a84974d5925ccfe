package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Slots is the number of hash slots of a database.
const Slots = 16384

// Port ranges: databases are reached on the first, shards listen on the second.
const (
	FirstDatabasePort, LastDatabasePort = 10000, 19999
	FirstShardPort, LastShardPort       = 20000, 29999
)

// Cluster is the one object that describes the cluster as a whole. Its
// counters hand out ids; an id is never used twice.
type Cluster struct {
	ID          string    `json:"id"` // random, made at creation
	Name        string    `json:"name"`
	Created     time.Time `json:"created"`
	Incarnation int64     `json:"incarnation"` // raised by each recovery from a saved state
	// Recovered is when that was last. SkippedShards is the first of the ids that
	// were skipped by any recovery, ResumedShards the first after those that the last
	// one skipped; so it is with nodes. See [Board.FormerLife] and [Board.FormerNode].
	Recovered     time.Time `json:"recovered,omitzero"`
	SkippedNodes  int       `json:"skipped_nodes,omitempty"`
	ResumedNodes  int       `json:"resumed_nodes,omitempty"`
	SkippedShards int       `json:"skipped_shards,omitempty"`
	ResumedShards int       `json:"resumed_shards,omitempty"`
	RackAware     bool      `json:"rack_aware"`

	NextNode     int `json:"next_node"`
	NextDatabase int `json:"next_database"`
	NextShard    int `json:"next_shard"`
	NextUser     int `json:"next_user"`
	NextRole     int `json:"next_role,omitempty"` // 0: none was made yet

	// ConcurrentMoves is how many copies of one action are made at a time when the
	// action does not say; 0, as a cluster begins, means one for every two cores of the
	// node it is about, and one more while one of them is nearly done.
	ConcurrentMoves int `json:"default_concurrent_restore_actions"`
	// ReplicaGrace is how many seconds a node may be down before its replicas are
	// rebuilt elsewhere; 0 means the default. See [Cluster.Grace].
	ReplicaGrace int `json:"slave_ha_grace_period,omitempty"`
	// HandoffDelay is how many milliseconds a planned failover waits between the
	// notice to clients and the act; 0: not at all. See [Cluster.Handoff].
	HandoffDelay int `json:"state_machine_smart_client_handoffs_delay_ms,omitempty"`
	// NoNotices keeps proxies from telling clients of planned work.
	NoNotices bool `json:"no_client_maint_notifications,omitempty"`
	// Lockout is when failed logins lock a user out; nil means the default. See
	// [Cluster.LoginLockout].
	Lockout *LoginLockout `json:"login_lockout,omitempty"`
	// PasswordLength is the least length of a new password in characters; 0 means
	// the default. See [Cluster.MinPassword].
	PasswordLength     int  `json:"password_min_length,omitempty"`
	PasswordComplexity bool `json:"password_complexity,omitempty"`
}

// Key implements Object.
func (Cluster) Key() Key { return Key{KindCluster, "cluster"} }

// Authority is the cluster's own certificate authority. The store encrypts it.
type Authority struct {
	CertificatePEM string `json:"certificate"`
	KeyPEM         string `json:"key"`
	// Proxy is what an operator has endpoints show in place of what the authority
	// issues; zero: nothing.
	Proxy Certificate `json:"proxy,omitzero"`
}

// Certificate is a certificate and its key, both PEM.
type Certificate struct {
	CertificatePEM string `json:"certificate"`
	KeyPEM         string `json:"key"`
}

// Key implements Object.
func (Authority) Key() Key { return Key{KindAuthority, "ca"} }

// Membership is a node's part in the quorum.
type Membership string

// The memberships. A learner follows the quorum without a vote; a client only talks to it.
const (
	Voter   Membership = "voter"
	Learner Membership = "learner"
	Client  Membership = "client"
)

// Node is a host in the cluster.
type Node struct {
	ID                int        `json:"uid"`
	Identity          string     `json:"identity"` // random, lives in the data folder; the same data folder is the same node
	Address           string     `json:"addr"`
	ExternalAddresses []string   `json:"external_addr,omitempty"`
	Hostname          string     `json:"hostname"`
	RackID            string     `json:"rack_id,omitempty"`
	Cores             int        `json:"cores"`
	TotalMemory       int64      `json:"total_memory"` // bytes the node offers to shards
	Version           string     `json:"software_version"`
	Joined            time.Time  `json:"joined"`
	Membership        Membership `json:"membership"`
	MemberID          uint64     `json:"member_id,omitempty"` // etcd's id of it; 0 for clients

	MaxShards    int  `json:"max_redis_servers"`
	MaxListeners int  `json:"max_listeners"`
	QuorumOnly   bool `json:"quorum_only"` // set by an operator, not by maintenance
	// Limits are what an operator set for copies; see CopyLimits.
	Limits *CopyLimits `json:"copy_limits,omitempty"`

	// Seen is a revision of the board that the node's host is known to have had; see
	// [View.Knows].
	Seen int64 `json:"seen,omitempty"`

	// DownSince is when the leader saw that the node's lease had ended; zero while it stands.
	DownSince time.Time `json:"down_since,omitzero"`

	// Abandoned says that the cluster has vacated it by itself since it went down.
	Abandoned bool `json:"abandoned,omitempty"`

	// Removing is the id of the remove_node action that is taking the node out of
	// the cluster.
	Removing string `json:"removing,omitempty"`

	// Vacating is the id of the vacate action that moves everything off the node.
	Vacating string `json:"vacating,omitempty"`
	// Absence is set while a node of a recovered cluster has not come back.
	Absence Absence `json:"absence,omitempty"`
	// Deleting are the names of the files of former lives that the host is to delete.
	Deleting []string `json:"deleting,omitempty"`

	// Maintenance is set while the node is out of service.
	Maintenance *Maintenance `json:"maintenance,omitempty"`
}

// Key implements Object.
func (n Node) Key() Key { return Key{KindNode, strconv.Itoa(n.ID)} }

// Said is what a host may say of itself when it joins. Everything else is the
// cluster's to say, whatever comes to it later.
func (n Node) Said() Node {
	return Node{
		Identity: n.Identity, Address: n.Address, ExternalAddresses: n.ExternalAddresses, Hostname: n.Hostname, RackID: n.RackID,
		Cores: n.Cores, TotalMemory: n.TotalMemory, Version: n.Version, MaxShards: n.MaxShards, MaxListeners: n.MaxListeners,
		Membership: Client,
	}
}

// Closed reports whether nothing new may be placed on the node.
func (n Node) Closed() bool {
	return n.QuorumOnly || n.Maintenance != nil || n.Removing != "" || n.Vacating != ""
}

// Maintenance is the mark on a node that is out of service, and who keeps it out.
type Maintenance struct {
	Since    time.Time `json:"since"`
	Snapshot string    `json:"snapshot"` // name of the snapshot to return to
	Holds    []Hold    `json:"holds"`
	// Returning is the id of the maintenance_off action that is bringing the node
	// back: the node then admits the shards of its own snapshot, and only those.
	Returning string `json:"returning,omitempty"`
}

// Hold is somebody's reason to keep a node out of service.
type Hold struct {
	ID     string    `json:"id"` // the action that placed it
	Owner  string    `json:"owner"`
	Cause  string    `json:"cause,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // its planned end; it stands until it is released all the same
	// Idempotency is the key of the action that placed it. An action with the same
	// key takes the hold over.
	Idempotency string `json:"idempotency_key,omitempty"`
	// Reported says that the activity tells that it is overdue.
	Reported bool `json:"overdue_reported,omitempty"`
	// Complete says that the action that placed the hold completed. Without it the
	// next maintenance_on takes the hold over instead of adding one.
	Complete bool `json:"complete,omitempty"`
	// Kept are the options by which slaves stay on the node.
	Kept MaintenanceOptions `json:"kept,omitzero"`
}

// KeepsSlaves reports whether slaves of the database may stay on the node: what the
// newest hold says.
func (m *Maintenance) KeepsSlaves(database int) bool {
	return m != nil && len(m.Holds) > 0 && m.Holds[len(m.Holds)-1].Kept.KeepsSlaves(database)
}

// Overdue reports whether the hold is past its planned end.
func (h Hold) Overdue(now time.Time) bool { return !h.Until.IsZero() && now.After(h.Until) }

// DatabaseStatus is where a database is in its life.
type DatabaseStatus string

// The database statuses.
const (
	DatabasePending       DatabaseStatus = "pending"
	DatabaseActive        DatabaseStatus = "active"
	DatabaseDeletePending DatabaseStatus = "delete-pending"
)

// Database is what a user creates; the REST API calls it bdb.
type Database struct {
	ID          int            `json:"uid"`
	Name        string         `json:"name"`
	Status      DatabaseStatus `json:"status"`
	MemorySize  int64          `json:"memory_size"` // bytes over all shards, replicas included
	Replication bool           `json:"replication"`
	ShardsCount int            `json:"shards_count"` // masters
	Port        int            `json:"port"`
	Persistence string         `json:"data_persistence"` // disabled or aof
	Eviction    string         `json:"eviction_policy"`
	Events      string         `json:"notify_keyspace_events,omitempty"` // as [KeyspaceEvents] writes them; empty: none
	RackAware   bool           `json:"rack_aware"`
	ProxyPolicy string         `json:"proxy_policy"` // one of ProxyPolicies
	// MinReplicas is how many replicas must have a write before it is answered, so
	// that it outlives its master; 0: none. A master that has not heard of so many in
	// the last [MinReplicasLag] takes no write at all.
	MinReplicas int       `json:"min_replicas,omitempty"`
	TLS         TLS       `json:"tls,omitzero"`
	Created     time.Time `json:"created_time"`
}

// Key implements Object.
func (d Database) Key() Key { return Key{KindDatabase, strconv.Itoa(d.ID)} }

// MinReplicasLag is how old the last word of a replica may be for it to count.
const MinReplicasLag = 10 * time.Second

// ShardMemory is the memory limit of one shard of the database, in bytes.
func (d Database) ShardMemory() int64 {
	n := int64(d.ShardsCount)
	if d.Replication {
		n *= 2
	}
	return d.MemorySize / max(n, 1)
}

// Backlog is what a process may use besides its data, in bytes: the writes that it
// keeps for its replica.
const Backlog = 64 << 20

// Settings are what each engine of a database is told of it.
type Settings struct {
	Memory   int64  `json:"memory"` // bytes of data
	Eviction string `json:"eviction"`
	Events   string `json:"events,omitempty"`
}

// Settings returns what each engine of the database is to be told.
func (d Database) Settings() Settings { return Settings{d.ShardMemory(), d.Eviction, d.Events} }

// ProcessMemory is what one process of the database may come to use, in bytes: its
// data and its backlog. It is what a node has to have room for.
func (d Database) ProcessMemory() int64 { return d.ShardMemory() + Backlog }

// Secrets are the passwords of one database: its own, which clients give, and
// those of the three engine users. The store encrypts them.
type Secrets struct {
	Database int    `json:"database"`
	Client   string `json:"client,omitempty"` // empty: no password asked
	Agent    string `json:"agent"`
	Replica  string `json:"replica"`
	Proxy    string `json:"proxy"`
	// Users are whom clients may log in as beside the default user, by name.
	Users []ClientUser `json:"users,omitempty"`
	// NoDefault says that clients must log in as one of them.
	NoDefault      bool  `json:"no_default,omitempty"`
	DefaultChanged int64 `json:"default_changed,omitempty"` // the revision of the last board on which that was otherwise
}

// Key implements Object.
func (s Secrets) Key() Key { return Key{KindSecrets, strconv.Itoa(s.Database)} }

// RangeID names a slot range: the Index-th of its database, counted from 0.
type RangeID struct {
	Database int `json:"database"`
	Index    int `json:"index"`
}

func (r RangeID) String() string { return fmt.Sprintf("%d-%d", r.Database, r.Index) }

// MarshalText makes a RangeID usable as a JSON object key.
func (r RangeID) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (r *RangeID) UnmarshalText(b []byte) error { *r = parseRangeID(string(b)); return nil }

func parseRangeID(s string) RangeID {
	a, b, _ := strings.Cut(s, "-")
	return RangeID{atoi(a), atoi(b)}
}

// SlotRange is a part of a database's slots and who serves it: the one place
// that says which instance is master. Its generation rises with each change of
// master; proxies and orders carry it.
type SlotRange struct {
	ID          RangeID    `json:"id"`
	First       int        `json:"first"`
	Last        int        `json:"last"`
	Master      InstanceID `json:"master"` // zero while nobody may serve
	Generation  int64      `json:"generation"`
	Handover    *Handover  `json:"handover,omitempty"`
	LastReplID  string     `json:"last_replication_id,omitempty"` // of the master, last committed; decides who is eligible
	PrevReplID  string     `json:"prev_replication_id,omitempty"` // the one before it
	Lost        bool       `json:"lost,omitempty"`                // no eligible copy is left
	LostReason  string     `json:"lost_reason,omitempty"`
	MasterSince time.Time  `json:"master_since,omitzero"`
	// Unclear says that the master counts as one because it may have served, and was not
	// seen as one since: what is kept may be with it as one of the copies before.
	Unclear bool `json:"unclear,omitempty"`
	// Unsettled says, in a recovered cluster, why it is not known yet who is
	// master: until then agents leave the range's processes alone and proxies send
	// it nothing. Empty: Master is.
	Unsettled string `json:"unsettled,omitempty"`
	// Withheld says why no copy takes over although the master is gone: one that can
	// not be asked may have more.
	Withheld string `json:"withheld,omitempty"`
}

// Key implements Object.
func (r SlotRange) Key() Key { return Key{KindRange, r.ID.String()} }

// SlotsText is the range in the form 0-4095.
func (r SlotRange) SlotsText() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// Handover is the committed intent to make another instance master. It is
// carried out by one executor: the agent on From's node, or, when From is gone,
// the agent on To's node.
type Handover struct {
	ID         string     `json:"id"`
	From       InstanceID `json:"from"`
	To         InstanceID `json:"to"`
	Generation int64      `json:"generation"` // of the range once To is master
	// Unplanned says that From is gone or not to be trusted: no proxy sends to it
	// any more, and To is promoted when the old generation is closed everywhere.
	Unplanned bool      `json:"unplanned,omitempty"`
	Opened    time.Time `json:"opened"`
	Action    string    `json:"action,omitempty"` // the action it belongs to
	Reason    string    `json:"reason,omitempty"` // of an unplanned one: what became of From
}

// Executor is the side on whose node the hand-over is carried out.
func (h Handover) Executor() InstanceID {
	if h.Unplanned {
		return h.To
	}
	return h.From
}

// Shard is a slot range's data in one role. Its uid survives moves. Whether it
// is master or slave is asked of the board: see [Board.RoleOf].
type Shard struct {
	ID       int        `json:"uid"`
	Range    RangeID    `json:"range"`
	Instance InstanceID `json:"instance"` // the process that is the shard
	// NextIncarnation is the incarnation its next instance gets.
	NextIncarnation int `json:"next_incarnation"`
	// Rebuild is what has become of rebuilding it elsewhere while its node is down;
	// nil if nothing went wrong.
	Rebuild *Rebuild `json:"rebuild,omitempty"`
	// Skipped is the first of the incarnations that any recovery skipped, Resumed the
	// first after those that the last one skipped.
	Skipped int `json:"skipped,omitempty"`
	Resumed int `json:"resumed,omitempty"`
}

// Rebuild is what keeps a replica from being rebuilt.
type Rebuild struct {
	Tried  []int     `json:"tried,omitempty"` // nodes on which it did not work out
	At     time.Time `json:"at"`              // of the last attempt
	Reason string    `json:"reason"`
}

// Key implements Object.
func (s Shard) Key() Key { return Key{KindShard, strconv.Itoa(s.ID)} }

// Role is master or slave.
type Role string

// The roles.
const (
	Master Role = "master"
	Slave  Role = "slave"
)

// InstanceID names one engine process: the shard's uid and the incarnation.
// The zero value names none.
type InstanceID struct {
	Shard       int `json:"shard"`
	Incarnation int `json:"incarnation"`
}

func (i InstanceID) String() string { return fmt.Sprintf("%d.%d", i.Shard, i.Incarnation) }

// IsZero reports whether the id names no instance.
func (i InstanceID) IsZero() bool { return i == InstanceID{} }

// MarshalText makes an InstanceID usable as a JSON object key and compact in values.
func (i InstanceID) MarshalText() ([]byte, error) {
	if i.IsZero() {
		return []byte{}, nil
	}
	return []byte(i.String()), nil
}

// UnmarshalText is the inverse of MarshalText.
func (i *InstanceID) UnmarshalText(b []byte) error { *i = parseInstanceID(string(b)); return nil }

func parseInstanceID(s string) InstanceID {
	a, b, _ := strings.Cut(s, ".")
	return InstanceID{atoi(a), atoi(b)}
}

// Instance is one engine process that shall exist: on which node and port, and
// where its data comes from. A shard has one, during a move two.
type Instance struct {
	ID    InstanceID `json:"id"`
	Range RangeID    `json:"range"`
	Node  int        `json:"node"`
	Port  int        `json:"port"`
	// Added is the revision of the last board without the instance.
	Added int64 `json:"added,omitempty"`
	// Started is committed once the process has been seen serving. From then on
	// it is never again started as an empty master.
	Started bool `json:"started"`
	// Seed is the instance to replicate from while the first copy is made; zero
	// means the master of its range.
	Seed InstanceID `json:"seed,omitzero"`
	// Behind is the offset that its master was seen at while this replica had been
	// without it for long: below it, it is not eligible for promotion. Zero while it follows.
	Behind int64 `json:"behind,omitempty"`
	// Leaving says that it shall go as soon as others have all that it has; see [Board.Leaves].
	Leaving bool `json:"leaving,omitempty"`
	// Owes is the offset that others must have reached before it may go; 0: not known yet.
	Owes int64 `json:"owes,omitempty"`
	// Copied is how many bytes of the first copy of a rebuild were there at CopiedAt:
	// noted from time to time, so that one that goes on is told from one that does not.
	Copied   int64     `json:"copied,omitempty"`
	CopiedAt time.Time `json:"copied_at,omitzero"`
}

// Key implements Object.
func (i Instance) Key() Key { return Key{KindInstance, i.ID.String()} }

// EndpointID names an endpoint of a database: 6:1 is the first of database 6.
type EndpointID struct {
	Database int `json:"database"`
	Index    int `json:"index"`
}

func (e EndpointID) String() string { return fmt.Sprintf("%d:%d", e.Database, e.Index) }

// MarshalText makes an EndpointID usable as a JSON object key and compact in values.
func (e EndpointID) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (e *EndpointID) UnmarshalText(b []byte) error { *e = parseEndpointID(string(b)); return nil }

func parseEndpointID(s string) EndpointID {
	a, b, _ := strings.Cut(s, ":")
	return EndpointID{atoi(a), atoi(b)}
}

// Endpoint is the address clients use: a port on the proxies of the nodes it is
// bound to. Re-binding goes through four committed states, so that no client is
// closed before its new address answers:
//
//	steady     Nodes=[2]
//	opening    Nodes=[2] Opening=[3]    3 starts to listen; discovery says 2
//	draining   Nodes=[3] Draining=[2]   discovery says 3; 2 closes connections at rest points
//	announced  ... Announced            subscribers of discovery are told, for clients that wait for it
//	steady     Nodes=[3]                2 stops to listen
//
// Several nodes go the same way: those that join listen first, and are then
// added to Nodes, while those that leave drain. Discovery answers the first of
// Nodes, which keeps its place for as long as it stays. Its clients are sent on only
// once they have arrived: see [View.Arriving].
type Endpoint struct {
	ID       EndpointID `json:"id"`
	Port     int        `json:"port"`
	Nodes    []int      `json:"nodes"`
	Opening  []int      `json:"opening,omitempty"`
	Draining []int      `json:"draining,omitempty"`
	// Include and Exclude are nodes that the policy is told to add or to leave out.
	Include []int     `json:"include,omitempty"`
	Exclude []int     `json:"exclude,omitempty"`
	Asked   time.Time `json:"asked,omitzero"` // when the policy was last asked for
	// Wanted is the node that an endpoint of one node is to go to, until it is there.
	Wanted int `json:"wanted,omitempty"`
	// Announced is the node that discovery's subscribers were last told of.
	Announced int       `json:"announced"`
	Told      time.Time `json:"told,omitzero"`  // when they were; zero: never
	Since     time.Time `json:"since,omitzero"` // when Opening, then Draining, began
}

// Key implements Object.
func (e Endpoint) Key() Key { return Key{KindEndpoint, e.ID.String()} }

// SnapshotID names a node snapshot.
type SnapshotID struct {
	Node int
	Name string
}

func (s SnapshotID) String() string { return fmt.Sprintf("%d:%s", s.Node, s.Name) }

// MarshalText makes a SnapshotID usable as a JSON object key.
func (s SnapshotID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *SnapshotID) UnmarshalText(b []byte) error { *s = parseSnapshotID(string(b)); return nil }

func parseSnapshotID(s string) SnapshotID {
	a, b, _ := strings.Cut(s, ":")
	return SnapshotID{atoi(a), b}
}

// Snapshot is what stood on a node at one moment: placement, roles, endpoints
// and limits. It holds no data.
type Snapshot struct {
	ID          SnapshotID `json:"id"`
	Created     time.Time  `json:"created"`
	Maintenance bool       `json:"maintenance"` // made by maintenance mode: not deleted by hand
	Shards      []Placed   `json:"shards"`
	Endpoints   []Bound    `json:"endpoints"`
	// Visitors are shards that stood here only because their own node is out;
	// they are never restored by this node's return.
	VisitorShards    []int        `json:"visitor_shards,omitempty"`
	VisitorEndpoints []EndpointID `json:"visitor_endpoints,omitempty"`

	MaxShards    int  `json:"max_redis_servers"`
	MaxListeners int  `json:"max_listeners"`
	QuorumOnly   bool `json:"quorum_only"`
}

// Key implements Object.
func (s Snapshot) Key() Key { return Key{KindSnapshot, s.ID.String()} }

// Placed is a shard's place and role in a snapshot.
type Placed struct {
	Shard    int     `json:"shard"`
	Range    RangeID `json:"range"`
	Database string  `json:"database"` // name at the time, for messages
	Role     Role    `json:"role"`
	// Mixed says that it shared a zone with its partner in spite of the zone rule.
	Mixed bool `json:"mixed,omitempty"`
}

// Bound is an endpoint's binding in a snapshot.
type Bound struct {
	Endpoint EndpointID `json:"endpoint"`
	Database string     `json:"database"` // name at the time, for messages
	Nodes    []int      `json:"nodes"`
	Policy   string     `json:"policy,omitempty"` // at the time; empty in snapshots that did not note it
}

// Entry is one line of the activity: what happened, to what, why, on whose request.
type Entry struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`     // for example node_maintenance_on_completed
	Severity string    `json:"severity"` // DEBUG, INFO, WARNING, ERROR, CRITICAL
	Node     int       `json:"node_uid,omitempty"`
	Database int       `json:"bdb_uid,omitempty"`
	Shard    int       `json:"shard_uid,omitempty"`
	Action   string    `json:"task_id,omitempty"`
	By       string    `json:"originator,omitempty"`
	Cause    string    `json:"cause,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Text     string    `json:"description"`
}
