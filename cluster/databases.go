package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The commands that make and end databases.

// KeyspaceEvents returns classes of keyspace events as the engine writes them (its
// setting notify-keyspace-events), and whether an engine knows them and publishes
// something: K or E say where, the others what. Nothing at all publishes nothing.
func KeyspaceEvents(text string) (written string, ok bool) {
	const whatA, what, where = "g$lshzxetd", "g$lshzxetdnm", "KE"
	text = strings.ReplaceAll(text, "A", whatA)
	for _, class := range whatA + "n" + where + "m" {
		if strings.ContainsRune(text, class) {
			written += string(class)
		}
	}
	if rest, all := strings.CutPrefix(written, whatA); all {
		written = "A" + rest
	}
	known := strings.Trim(text, what+where) == ""
	return written, text == "" || known && strings.ContainsAny(text, what) && strings.ContainsAny(text, where)
}

// EvictionPolicies are the engine's policies, as a database may name them.
var EvictionPolicies = []string{
	"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
	"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
}

// Check returns every fault of a database somebody wants to create, or nil.
func (d Database) Check(b *Board) error {
	var faults Refusals
	refuse := func(code Code, hint, format string, args ...any) {
		faults = append(faults, Refuse(code, hint, format, args...))
	}
	if d.Name == "" {
		refuse(CodeMissingName, "give name", "a database needs a name")
	} else if !validName(d.Name) {
		refuse(CodeBadRequest, "use up to 63 letters, digits and hyphens, beginning and ending with a letter or digit", "%q can not be the name of a database", d.Name)
	} else if other, taken := b.DatabaseNamed(d.Name); taken {
		refuse(CodeNameTaken, "choose another name", "the name %s belongs to db:%d", d.Name, other.ID)
	}
	faults = append(faults, d.settingsFaults()...)
	if d.ShardsCount < 1 || d.ShardsCount > 512 {
		refuse(CodeInvalidSharding, "give a number from 1 to 512", "shards_count can not be %d", d.ShardsCount)
	}
	if d.Port != 0 && (d.Port < FirstDatabasePort || d.Port > LastDatabasePort) {
		refuse(CodePortUnavailable, fmt.Sprintf("choose one from %d to %d, or none to have one chosen", FirstDatabasePort, LastDatabasePort), "port %d is outside the range for databases", d.Port)
	} else if d.Port != 0 && b.databasePortTaken(d.Port) {
		refuse(CodePortUnavailable, "choose another port, or none to have one chosen", "port %d belongs to another database", d.Port)
	}
	if d.Persistence != "disabled" && d.Persistence != "aof" {
		refuse(CodeInvalidPersistence, "use disabled or aof", "data_persistence %q is not supported", d.Persistence)
	}
	if !slices.Contains(ProxyPolicies, d.ProxyPolicy) {
		refuse(CodeInvalidProxyPolicy, "use "+strings.Join(ProxyPolicies, ", "), "proxy_policy %q does not exist", d.ProxyPolicy)
	}
	if most := d.replicas(); d.MinReplicas < 0 || d.MinReplicas > most {
		refuse(CodeBadRequest, "use 0, or 1 with replication", "min_replicas can not be %d: each master has %s", d.MinReplicas, Count(most, "replica"))
	}
	faults = append(faults, d.TLS.faults()...)
	if d.RackAware && !b.Cluster.RackAware {
		refuse(CodeNotRackAware, "create the cluster with rack_aware, or the database without", "cluster %s is not rack aware", b.Cluster.Name)
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// settingsFaults are what is wrong with what its engines are to be told.
func (d Database) settingsFaults() (faults Refusals) {
	refuse := func(code Code, hint, format string, args ...any) {
		faults = append(faults, Refuse(code, hint, format, args...))
	}
	if d.MemorySize == 0 {
		refuse(CodeMissingMemory, "give memory_size in bytes", "a database needs a memory size")
	} else if d.MemorySize < 0 {
		refuse(CodeBadRequest, "give memory_size in bytes", "memory_size can not be %d", d.MemorySize)
	} else if d.MemorySize > MaxMemorySize {
		refuse(CodeBadRequest, fmt.Sprintf("give at most %d bytes", int64(MaxMemorySize)), "memory_size can not be %d", d.MemorySize)
	} else if d.ShardsCount > 0 && d.ShardMemory() < MinShardMemory {
		refuse(CodeBadRequest, "raise memory_size or use fewer shards", "memory_size leaves %s for each shard, the least is %s", Size(d.ShardMemory(), 1), Size(MinShardMemory, 1))
	}
	if !slices.Contains(EvictionPolicies, d.Eviction) {
		refuse(CodeInvalidEviction, "use one of "+strings.Join(EvictionPolicies, ", "), "eviction_policy %q does not exist", d.Eviction)
	}
	if events, ok := KeyspaceEvents(d.Events); !ok || events != d.Events {
		refuse(CodeBadRequest, "use K, E or both, and A or some of g$lshzxetdnm", "notify_keyspace_events %q publishes nothing, or says what no engine knows", d.Events)
	}
	return faults
}

// replicas is how many replicas each master has.
func (d Database) replicas() int {
	if d.Replication {
		return 1
	}
	return 0
}

// MinShardMemory is the least memory limit of a shard, in bytes: an empty
// engine process needs about a megabyte of its own.
const MinShardMemory = 4 << 20

// MaxMemorySize is the most that a database may ask for, in bytes: more than any
// host has, and so little that no sum with it becomes negative, which would fit
// everywhere.
const MaxMemorySize = 1 << 50

func validName(s string) bool {
	alnum := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	if len(s) == 0 || len(s) > 63 || !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// Placement says where the shards of a new database and its endpoint go: for
// each slot range the node of the master and, if replicated, of the replica.
type Placement struct {
	Masters  []int
	Replicas []int // empty without replication
	Endpoint int   // the node that discovery answers
	Also     []int // further nodes of the endpoint
}

// CreateDatabase makes a database with its ranges, shards, instances and endpoint.
type CreateDatabase struct {
	At        time.Time
	Database  Database // without id and status; port 0 means one is chosen
	Secrets   Secrets
	Placement Placement
	By        string
}

// Apply implements Command.
func (c CreateDatabase) Apply(b *Board) (Change, error) {
	if err := c.Database.Check(b); err != nil {
		return Change{}, err
	}
	state, d, secrets := b.Cluster, c.Database, c.Secrets
	d.ID, d.Status, d.Created = state.NextDatabase, DatabasePending, c.At
	if d.Port == 0 {
		d.Port = b.freeDatabasePort(d.ID)
	}
	if d.Port == 0 {
		return Change{}, Refuse(CodePortUnavailable, "delete a database", "no port from %d to %d is free", FirstDatabasePort, LastDatabasePort)
	}
	state.NextDatabase++
	secrets.Database = d.ID

	change := Change{Put: []Object{d, secrets}}
	board := b // grows as instances are added, so that ports do not collide
	place := func(r RangeID, node int) (InstanceID, error) {
		s := Shard{ID: state.NextShard, Range: r, NextIncarnation: 2}
		state.NextShard++
		s.Instance = InstanceID{s.ID, 1}
		port := board.FreePort(node)
		if port == 0 {
			return InstanceID{}, Refuse(CodePortUnavailable, "move shards to other nodes", "node:%d has no shard port left", node)
		}
		made := Change{Put: []Object{s, Instance{ID: s.Instance, Range: r, Node: node, Port: port, Added: b.Revision}}}
		board = board.With(board.Revision, made)
		change = change.Merge(made)
		return s.Instance, nil
	}
	for i := range d.ShardsCount {
		id := RangeID{d.ID, i}
		master, err := place(id, c.Placement.Masters[i])
		if err != nil {
			return Change{}, err
		}
		if d.Replication {
			if _, err := place(id, c.Placement.Replicas[i]); err != nil {
				return Change{}, err
			}
		}
		first, next := i*Slots/d.ShardsCount, (i+1)*Slots/d.ShardsCount
		change.Put = append(change.Put, SlotRange{ID: id, First: first, Last: next - 1, Master: master, Generation: 1, MasterSince: c.At})
	}
	node := c.Placement.Endpoint
	change.Put = append(change.Put, state, Endpoint{ID: EndpointID{d.ID, 1}, Port: d.Port, Nodes: append([]int{node}, c.Placement.Also...), Announced: node})
	change.Log = append(change.Log, Entry{Time: c.At, Type: "bdb_created", Severity: "INFO", Database: d.ID, By: c.By,
		Text: fmt.Sprintf("db:%d (%s) created", d.ID, d.Name)})
	return change, nil
}

// MarkStarted records that an instance has been seen serving. It is never again
// started as an empty master.
type MarkStarted struct{ Instances []InstanceID }

// Apply implements Command.
func (c MarkStarted) Apply(b *Board) (Change, error) {
	var change Change
	for _, id := range c.Instances {
		if i, ok := b.Instances[id]; ok && !i.Started {
			i.Started = true
			change.Put = append(change.Put, i)
		}
	}
	return change, nil
}

// NoteReplication records the replication ids of masters that were seen as such, by which
// a replica is later found eligible for promotion.
type NoteReplication struct{ IDs map[RangeID]string }

// Apply implements Command.
func (c NoteReplication) Apply(b *Board) (Change, error) {
	var change Change
	for id, replid := range c.IDs {
		if r, ok := b.Ranges[id]; ok && (r.LastReplID != replid || r.Unclear) {
			if r.LastReplID != replid {
				r.PrevReplID, r.LastReplID = r.LastReplID, replid
			}
			r.Unclear = false
			change.Put = append(change.Put, r)
		}
	}
	return change, nil
}

// DatabaseReady makes a pending database active, once it was seen serving.
type DatabaseReady struct {
	At       time.Time
	Database int
}

// Apply implements Command.
func (c DatabaseReady) Apply(b *Board) (Change, error) {
	d, err := b.database(c.Database)
	if err != nil || d.Status != DatabasePending {
		return Change{}, err
	}
	d.Status = DatabaseActive
	return Change{Put: []Object{d}, Log: []Entry{{Time: c.At, Type: "bdb_active", Severity: "INFO", Database: d.ID,
		Text: fmt.Sprintf("db:%d (%s) is active", d.ID, d.Name)}}}, nil
}

// DeleteDatabase ends a database: its endpoint closes and its processes stop.
// It stays on the board as delete-pending until they have been seen gone.
type DeleteDatabase struct {
	At       time.Time
	Database int
	By       string
}

// Apply implements Command.
func (c DeleteDatabase) Apply(b *Board) (Change, error) {
	d, err := b.database(c.Database)
	if err != nil {
		return Change{}, err
	}
	if d.Status == DatabaseDeletePending {
		return Change{}, Refuse(CodeBusy, "wait until it is gone", "db:%d (%s) is being deleted", d.ID, d.Name)
	}
	for _, r := range b.RangesOf(d.ID) {
		if a, m, claimed := b.Claimed(r.ID); claimed {
			return Change{}, Refuse(CodeBusy, "wait for it to end", "db:%d (%s) is being moved: %s of redis:%d in %s of node:%d",
				d.ID, d.Name, m.Kind, m.Shard, a.Name, a.Node)
		}
	}
	d.Status = DatabaseDeletePending
	change := Change{Put: []Object{d}, Log: []Entry{{Time: c.At, Type: "bdb_delete_started", Severity: "INFO", Database: d.ID, By: c.By,
		Text: fmt.Sprintf("db:%d (%s) is being deleted", d.ID, d.Name)}}}
	for _, e := range b.EndpointsOf(d.ID) {
		change.Delete = append(change.Delete, e.Key())
	}
	for _, r := range b.RangesOf(d.ID) {
		change.Delete = append(change.Delete, r.Key())
		for _, s := range b.ShardsOf(r.ID) {
			change.Delete = append(change.Delete, s.Key())
		}
	}
	for _, i := range b.InstancesOf(d.ID) {
		change.Delete = append(change.Delete, i.Key())
	}
	return change, nil
}

// InstancesOf returns the instances of a database, by id.
func (b *Board) InstancesOf(database int) []Instance {
	var list []Instance
	for _, n := range Sorted(b.Nodes) {
		for _, i := range b.InstancesOn(n.ID) {
			if i.Range.Database == database {
				list = append(list, i)
			}
		}
	}
	return list
}

// ForgetDatabase removes a deleted database from the board, once nothing of it runs.
type ForgetDatabase struct {
	At       time.Time
	Database int
}

// Apply implements Command.
func (c ForgetDatabase) Apply(b *Board) (Change, error) {
	d, err := b.database(c.Database)
	if err != nil {
		return Change{}, err
	}
	return Change{
		Delete: []Key{d.Key(), Secrets{Database: d.ID}.Key()},
		Log:    []Entry{{Time: c.At, Type: "bdb_deleted", Severity: "INFO", Database: d.ID, Text: fmt.Sprintf("db:%d (%s) deleted", d.ID, d.Name)}},
	}, nil
}
