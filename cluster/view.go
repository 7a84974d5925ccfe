package cluster

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Report is what one host observes: made by its agent, sent to the leader,
// never stored. Everything in it was seen after the host had converged to
// Revision of the board.
type Report struct {
	Node     int   `json:"node"`
	Sequence int64 `json:"sequence"`
	Revision int64 `json:"revision"`
	// BootID changes with each start of the host's daemon.
	BootID string `json:"boot_id"`
	// Incarnation is the cluster's on the host's board.
	Incarnation int64 `json:"incarnation"`

	Instances  map[InstanceID]Observed `json:"instances"`
	Proxy      ProxyReport             `json:"proxy"`
	FreeMemory int64                   `json:"free_memory"` // bytes
	// Engine is the program of which the host starts its next processes.
	Engine Engine `json:"engine,omitzero"`

	// Bound says that what the host promised on an older board may still hold; see
	// [View.Knows].
	Bound bool `json:"bound,omitempty"`
	// Alone is how it stands with the ranges of this host's endpoints while it has no
	// lease, or is about to have none.
	Alone map[RangeID]Alone `json:"alone,omitempty"`

	AloneCounts AloneCounts `json:"alone_counts,omitzero"`

	// Backups are what the host keeps of the cluster's state.
	Backups StateBackups `json:"backups,omitzero"`

	// FormerFiles are what the host has set aside since the cluster was recovered.
	FormerFiles []FormerFiles `json:"former_files,omitempty"`

	// Clock is what the host's clock shows.
	Clock time.Time `json:"clock,omitzero"`
	// CertificateUntil is when the certificate ends by which the host proves itself.
	CertificateUntil time.Time `json:"certificate_until,omitzero"`
	// Troubles are what is amiss with the host itself, each with what to do.
	Troubles []*Error `json:"troubles,omitempty"`
	// Host is what the host is made of.
	Host Host `json:"host,omitzero"`

	// Refused holds, by node, the ports of other hosts that refused a connection
	// from this one a moment ago: of engines, and of all endpoints wherever they
	// are bound. A host is named only if its daemon's port refused too.
	Refused map[int][]int `json:"refused,omitempty"`
	// Reached names the hosts that lately answered when this one knocked at their daemon's
	// port, be it by a refusal; Unreached those that did not for a while. A host that this
	// one has hardly knocked at is neither.
	Reached   []int `json:"reached,omitempty"`
	Unreached []int `json:"unreached,omitempty"`
}

// Kept are files that a process could be started from.
type Kept struct {
	Bytes   int64     `json:"bytes"`
	Written time.Time `json:"written"` // last
	// Unsaved says that they are from before a copy that was not written to them.
	Unsaved bool `json:"unsaved,omitempty"`
}

// Host is what a host is made of. What is not known is empty.
type Host struct {
	Architecture string        `json:"architecture,omitempty"`
	OS           string        `json:"os,omitempty"` // as its maker calls it
	OSVersion    string        `json:"os_version,omitempty"`
	Uptime       time.Duration `json:"uptime,omitempty"`
	DataFolder   string        `json:"data_folder,omitempty"`
	DataSize     int64         `json:"data_size,omitempty"` // bytes of the file system it is on
}

// StateBackups are the saved states of the cluster on one host.
type StateBackups struct {
	Count    int       `json:"count"`
	Newest   time.Time `json:"newest"`
	Revision int64     `json:"revision"`         // that the newest shows
	Failed   string    `json:"failed,omitempty"` // why the last attempt wrote nothing
}

// ProcessState is what the agent sees of a process.
type ProcessState string

// The process states. A report names every instance that the board orders on
// the host and every one that is still there without an order.
const (
	Absent       ProcessState = "absent"       // no process, and no attempt to start one succeeded
	Starting     ProcessState = "starting"     // process there, does not answer yet
	Loading      ProcessState = "loading"      // reads its files
	Up           ProcessState = "up"           // answers
	Unresponsive ProcessState = "unresponsive" // process there, did not answer in time
)

// NotLoaded begins the Reason of an Absent instance whose files are there but
// could not be loaded: without another copy its data is lost until restored.
const NotLoaded = "files could not be loaded"

// PortTaken begins the Reason of an Absent instance whose port a stranger has.
const PortTaken = "its port is taken"

// Observed is what is known of one engine process from itself.
type Observed struct {
	State  ProcessState `json:"state"`
	Reason string       `json:"reason,omitempty"` // why it is not up
	// Age is how long before the report this was seen.
	Age time.Duration `json:"age,omitempty"`
	// Kept are the append-only files of one that is absent.
	Kept Kept `json:"kept,omitzero"`
	// SilentFor is how long an unresponsive process has not answered, as its host counts.
	SilentFor time.Duration `json:"silent_for,omitempty"`
	PID       int           `json:"pid,omitempty"`
	RunID     string        `json:"run_id,omitempty"`
	Engine    Engine        `json:"engine,omitzero"`

	Role    Role `json:"role,omitempty"`
	Serving bool `json:"serving,omitempty"` // clients have their rights on it
	// UsersDue says, of a serving master, why the users of its clients are not yet
	// those of the board that is reported on.
	UsersDue       string `json:"users_due,omitempty"`
	ReplicationID  string `json:"replication_id,omitempty"`
	ReplicationID2 string `json:"replication_id2,omitempty"`
	Offset         int64  `json:"offset"` // master_repl_offset of a master, slave_repl_offset of a replica
	// Of a replica: where it replicates from, whether linked, and the first copy's progress.
	Source string `json:"source,omitempty"` // host:port
	Linked bool   `json:"linked,omitempty"`
	// UnlinkedFor is how long it has been without its source, as its host counts.
	UnlinkedFor time.Duration `json:"unlinked_for,omitempty"`
	Syncing     bool          `json:"syncing,omitempty"`
	SyncedBytes int64         `json:"synced_bytes,omitempty"`
	SyncTotal   int64         `json:"sync_total,omitempty"`
	// Feeds names the replicas, as host:port, that are known to get this process's
	// writes. Right after a full copy a linked replica is not fed yet.
	Feeds []string `json:"feeds,omitempty"`
	// EverLinked says that the first full copy is complete.
	EverLinked bool `json:"ever_linked,omitempty"`
	// Unsaved says that its append-only files are being written anew: those of a copy do
	// not have its data before.
	Unsaved bool `json:"unsaved,omitempty"`
	// BacklogFirst and BacklogLast are the offsets a partial resync can start from.
	BacklogFirst int64 `json:"backlog_first,omitempty"`
	BacklogLast  int64 `json:"backlog_last,omitempty"`

	// Settings are what it was told last; zero: not known.
	Settings Settings `json:"settings,omitzero"`

	UsedMemory int64 `json:"used_memory"` // bytes, buffers included
	Dataset    int64 `json:"dataset"`     // bytes of it that a copy carries
	Keys       int64 `json:"keys"`
	// Fragmentation is what the process holds of memory and does not use, in bytes.
	Fragmentation int64 `json:"fragmentation,omitempty"`
}

// ProxyReport is what an agent knows of its host's proxy process.
type ProxyReport struct {
	Up bool `json:"up"`
	// Silent says that the proxy lives and does not answer: what it listens for and
	// whom it serves is not known.
	Silent bool `json:"silent,omitempty"`
	// Revision is the newest board revision whose routes the proxy applied: from
	// then on it sends nothing by older ones.
	Revision  int64                        `json:"revision"`
	Endpoints map[EndpointID]EndpointState `json:"endpoints,omitempty"`
}

// EndpointState is what a proxy does for one endpoint.
type EndpointState struct {
	Listening   bool   `json:"listening"`
	Reason      string `json:"reason,omitempty"` // why it is not listening
	Connections int    `json:"connections"`
	TLS         bool   `json:"tls,omitempty"` // asked of its clients
	// Waiting counts those of them, while draining, that are in a blocking call or
	// subscribed, which may stay until the cap, or that were told where to go.
	Waiting int `json:"waiting,omitempty"`
	// Drained and Cut count connections closed since draining began: at a rest
	// point, and by the cap.
	Drained int `json:"drained,omitempty"`
	Cut     int `json:"cut,omitempty"`
	// Counts says which limits clients met.
	Counts ClientCounts `json:"counts,omitzero"`
}

// View is all that the deciding rooms see: the board, who is alive, what the
// hosts report, and the time.
type View struct {
	*Board
	Now time.Time
	// Alive holds the nodes whose lease stands. A node that is not in it has
	// passed its serve-until: its proxies send nothing.
	Alive map[int]bool
	// Leader is the node that leads the control plane.
	Leader  int
	Reports map[int]Report
	// HeardAt is when the leader was given each node's last report.
	HeardAt map[int]time.Time
	// FirstSeen is when this leader first saw the times from which it waits; see [View.Age].
	FirstSeen map[int64]time.Time
	// NoQuorum says why the board may be old: this node knows of no quorum.
	NoQuorum *Error
	// Refusing holds, by node, the ports that refuse at least two other nodes now,
	// as in [Report.Refused], of hosts that have not reported meanwhile either.
	Refusing map[int][]int
}

// EngineOf is the engine of the instance's process, and if none was seen the one
// of which its host would start it.
func (v View) EngineOf(id InstanceID) Engine {
	if o, _ := v.Observed(id); o.Engine != (Engine{}) {
		return o.Engine
	}
	return v.Reports[v.Instances[id].Node].Engine
}

// Serving reports whether the node's proxy may still send anything: its lease
// stands, and its daemon or one of its listeners may be there. Without any
// listener a proxy has no client, and only its daemon could give it one.
func (v View) Serving(node int) bool {
	if !v.Alive[node] {
		return false
	}
	for _, e := range v.Endpoints {
		if !v.refuses(node, e.Port) {
			return true
		}
	}
	_, silent := v.Refusing[node]
	return !silent
}

// Gone reports whether the instance's process is known to be gone with its
// host, or to be out of reach of every client because its host is: the lease has
// ended, or its port refuses and so do the host's daemon and proxy.
func (v View) Gone(i Instance) bool {
	return !v.Alive[i.Node] || !v.Serving(i.Node) && v.refuses(i.Node, i.Port)
}

// Down reports whether nothing is left of the node that could act or report.
func (v View) Down(node int) bool {
	return !v.Serving(node) && !slices.ContainsFunc(v.InstancesOn(node), func(i Instance) bool { return !v.Gone(i) })
}

func (v View) refuses(node, port int) bool { return slices.Contains(v.Refusing[node], port) }

// Heard reports whether the node's last report was made on this very board, so
// that what it does not show is not there.
func (v View) Heard(node int) bool {
	r, ok := v.Reports[node]
	return ok && v.Alive[node] && r.Revision >= v.Revision
}

// Reaches reports whether the node's host reaches the other one: it does unless it says
// that it does not.
func (v View) Reaches(node, other int) bool {
	return !slices.Contains(v.Reports[node].Unreached, other)
}

// Beyond returns the first of the live nodes with masters of the database that the node
// does not reach, 0 if it reaches them all: clients of a listener there would wait.
func (v View) Beyond(node, database int) int {
	for _, r := range v.RangesOf(database) {
		if n := v.Instances[r.Master].Node; !r.Lost && v.Alive[n] && !v.Reaches(node, n) {
			return n
		}
	}
	return 0
}

// Fresh reports whether the node's last report was made on this very board and
// is not older than that.
func (v View) Fresh(node int, age time.Duration) bool {
	at, ok := v.HeardAt[node]
	return ok && v.Heard(node) && v.Now.Sub(at) <= age
}

// Observed returns what is last known of the instance, and whether its host
// has been heard of at all.
func (v View) Observed(id InstanceID) (Observed, bool) {
	i, ok := v.Instances[id]
	if !ok {
		return Observed{}, false
	}
	o, ok := v.Reports[i.Node].Instances[id]
	return o, ok
}

// RoleOf returns the shard's role.
func (b *Board) RoleOf(s Shard) Role {
	if m := b.Ranges[s.Range].Master; !m.IsZero() && m.Shard == s.ID {
		return Master
	}
	return Slave
}

// NodeOf returns the node on which the shard's instance is.
func (b *Board) NodeOf(s Shard) int { return b.Instances[s.Instance].Node }

// Partner returns the other shard of the same range, if there is one.
func (b *Board) Partner(s Shard) (Shard, bool) {
	for _, p := range b.ShardsOf(s.Range) {
		if p.ID != s.ID {
			return p, true
		}
	}
	return Shard{}, false
}

// ShardsOf returns the shards of a range, by uid.
func (b *Board) ShardsOf(r RangeID) []Shard {
	return b.shards(func(s Shard) bool { return s.Range == r })
}

// ShardsOn returns the shards whose instance is on the node, by uid.
func (b *Board) ShardsOn(node int) []Shard {
	return b.shards(func(s Shard) bool { return b.NodeOf(s) == node })
}

func (b *Board) shards(keep func(Shard) bool) []Shard {
	var list []Shard
	for _, s := range Sorted(b.Shards) {
		if keep(s) {
			list = append(list, s)
		}
	}
	return list
}

// InstancesOn returns the instances that shall exist on the node, second ones
// of moves included, by id.
func (b *Board) InstancesOn(node int) []Instance {
	var list []Instance
	for _, i := range b.Instances {
		if i.Node == node {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(x, y Instance) int {
		return cmp.Or(cmp.Compare(x.ID.Shard, y.ID.Shard), cmp.Compare(x.ID.Incarnation, y.ID.Incarnation))
	})
	return list
}

// RangesOf returns the slot ranges of a database in slot order.
func (b *Board) RangesOf(database int) []SlotRange {
	var list []SlotRange
	for _, r := range b.Ranges {
		if r.ID.Database == database {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(x, y SlotRange) int { return cmp.Compare(x.ID.Index, y.ID.Index) })
	return list
}

// RangesByID returns all slot ranges, by database and in slot order.
func (b *Board) RangesByID() []SlotRange {
	return slices.SortedFunc(maps.Values(b.Ranges), func(x, y SlotRange) int {
		return cmp.Or(cmp.Compare(x.ID.Database, y.ID.Database), cmp.Compare(x.ID.Index, y.ID.Index))
	})
}

// EndpointsOf returns the endpoints of a database.
func (b *Board) EndpointsOf(database int) []Endpoint {
	return b.endpoints(func(e Endpoint) bool { return e.ID.Database == database })
}

// EndpointsOn returns the endpoints bound to the node or on their way to it.
func (b *Board) EndpointsOn(node int) []Endpoint {
	return b.endpoints(func(e Endpoint) bool {
		return slices.Contains(e.Nodes, node) || slices.Contains(e.Opening, node)
	})
}

// ServedBy reports whether the node's proxy shall listen for the endpoint.
func (e Endpoint) ServedBy(node int) bool {
	return slices.Contains(e.Nodes, node) || slices.Contains(e.Opening, node) || slices.Contains(e.Draining, node)
}

func (b *Board) endpoints(keep func(Endpoint) bool) []Endpoint {
	var list []Endpoint
	for _, e := range b.Endpoints {
		if keep(e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(x, y Endpoint) int {
		return cmp.Or(cmp.Compare(x.ID.Database, y.ID.Database), cmp.Compare(x.ID.Index, y.ID.Index))
	})
	return list
}

// DatabaseNamed returns the database with the name, if there is one.
func (b *Board) DatabaseNamed(name string) (Database, bool) {
	for _, d := range b.Databases {
		if d.Name == name {
			return d, true
		}
	}
	return Database{}, false
}

// SnapshotsOf returns the node's snapshots, oldest first.
func (b *Board) SnapshotsOf(node int) []Snapshot {
	var list []Snapshot
	for _, s := range b.Snapshots {
		if s.ID.Node == node {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(x, y Snapshot) int {
		return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.ID.Name, y.ID.Name))
	})
	return list
}

// ActionsByAge returns the actions, oldest first.
func (b *Board) ActionsByAge() []Action {
	return slices.SortedFunc(maps.Values(b.Actions), func(x, y Action) int {
		return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.ID, y.ID))
	})
}

// Claimed returns the action and move that hold the range, if one does. A
// range belongs to one move at a time.
func (b *Board) Claimed(r RangeID) (Action, Move, bool) {
	for _, a := range b.ActionsByAge() {
		if a.Status.Ended() {
			continue
		}
		for _, m := range a.Moves {
			if m.Status == MoveRunning && m.Shard != 0 && b.Shards[m.Shard].Range == r {
				return a, m, true
			}
		}
	}
	return Action{}, Move{}, false
}

// Sorted returns the map's values in the order of its keys.
func Sorted[K cmp.Ordered, V any](m map[K]V) []V {
	list := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[k])
	}
	return list
}
