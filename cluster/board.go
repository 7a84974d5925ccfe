package cluster

import (
	"fmt"
	"maps"
	"strconv"
)

// Kind names a family of objects on the board.
type Kind string

// The kinds of objects.
const (
	KindCluster   Kind = "cluster"
	KindAuthority Kind = "authority"
	KindNode      Kind = "node"
	KindDatabase  Kind = "database"
	KindSecrets   Kind = "secrets"
	KindRange     Kind = "range"
	KindShard     Kind = "shard"
	KindInstance  Kind = "instance"
	KindEndpoint  Kind = "endpoint"
	KindAction    Kind = "action"
	KindSnapshot  Kind = "snapshot"
	KindUser      Kind = "user"
	KindUserRole  Kind = "role"
	KindToken     Kind = "token"
)

// Key identifies an object. ID never contains a slash.
type Key struct {
	Kind Kind
	ID   string
}

// Object is anything that stands on the board under one key. Objects are
// values: nobody changes one in place, slices and maps inside included.
type Object interface {
	Key() Key
}

// NewObject returns a pointer to a fresh object of the kind, for decoding.
// Unknown kinds (a newer version wrote them) return nil.
func NewObject(k Kind) any {
	switch k {
	case KindCluster:
		return new(Cluster)
	case KindAuthority:
		return new(Authority)
	case KindNode:
		return new(Node)
	case KindDatabase:
		return new(Database)
	case KindSecrets:
		return new(Secrets)
	case KindRange:
		return new(SlotRange)
	case KindShard:
		return new(Shard)
	case KindInstance:
		return new(Instance)
	case KindEndpoint:
		return new(Endpoint)
	case KindAction:
		return new(Action)
	case KindSnapshot:
		return new(Snapshot)
	case KindUser:
		return new(User)
	case KindUserRole:
		return new(UserRole)
	case KindToken:
		return new(Token)
	}
	return nil
}

// Sealed reports whether values of the kind are encrypted where they are stored.
func (k Kind) Sealed() bool { return k == KindSecrets || k == KindAuthority }

// Board is the committed state of the cluster at one revision. It is
// immutable: [Board.With] returns another one. Safe for concurrent use.
type Board struct {
	// Revision is the store's revision of the newest change in this board.
	Revision int64

	Cluster   Cluster
	Authority Authority
	Nodes     map[int]Node
	Databases map[int]Database
	Secrets   map[int]Secrets
	Ranges    map[RangeID]SlotRange
	Shards    map[int]Shard
	Instances map[InstanceID]Instance
	Endpoints map[EndpointID]Endpoint
	Actions   map[string]Action
	Snapshots map[SnapshotID]Snapshot
	Users     map[int]User
	UserRoles map[int]UserRole // those somebody made: see [Board.AllUserRoles]
	Tokens    map[string]Token
}

// Change is what a command wants written, in one transaction: objects, and the
// activity entries that tell people about it.
type Change struct {
	Put    []Object
	Delete []Key
	Log    []Entry
}

// Empty reports whether the change would write nothing.
func (c Change) Empty() bool { return len(c.Put) == 0 && len(c.Delete) == 0 && len(c.Log) == 0 }

// Merge appends other to c.
func (c Change) Merge(other Change) Change {
	return Change{
		Put:    append(c.Put[:len(c.Put):len(c.Put)], other.Put...),
		Delete: append(c.Delete[:len(c.Delete):len(c.Delete)], other.Delete...),
		Log:    append(c.Log[:len(c.Log):len(c.Log)], other.Log...),
	}
}

// Command is one intended change of the board. Apply is pure: it returns the
// objects to write, or an error and nothing. The leader applies commands one
// after the other.
type Command interface {
	Apply(b *Board) (Change, error)
}

// With returns the board after the change, at the given revision. A zero or
// nil board counts as empty.
func (b *Board) With(revision int64, c Change) *Board {
	next := Board{}
	if b != nil {
		next = *b
	}
	next.Revision = revision
	touched := map[Kind]bool{}
	own := func(k Kind) {
		if touched[k] {
			return
		}
		touched[k] = true
		next.ownMap(k)
	}
	for _, o := range c.Put {
		own(o.Key().Kind)
		next.put(o)
	}
	for _, k := range c.Delete {
		own(k.Kind)
		next.remove(k)
	}
	return &next
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

func (b *Board) ownMap(k Kind) {
	switch k {
	case KindNode:
		b.Nodes = clone(b.Nodes)
	case KindDatabase:
		b.Databases = clone(b.Databases)
	case KindSecrets:
		b.Secrets = clone(b.Secrets)
	case KindRange:
		b.Ranges = clone(b.Ranges)
	case KindShard:
		b.Shards = clone(b.Shards)
	case KindInstance:
		b.Instances = clone(b.Instances)
	case KindEndpoint:
		b.Endpoints = clone(b.Endpoints)
	case KindAction:
		b.Actions = clone(b.Actions)
	case KindSnapshot:
		b.Snapshots = clone(b.Snapshots)
	case KindUser:
		b.Users = clone(b.Users)
	case KindUserRole:
		b.UserRoles = clone(b.UserRoles)
	case KindToken:
		b.Tokens = clone(b.Tokens)
	}
}

func (b *Board) put(o Object) {
	switch o := o.(type) {
	case Cluster:
		b.Cluster = o
	case Authority:
		b.Authority = o
	case Node:
		b.Nodes[o.ID] = o
	case Database:
		b.Databases[o.ID] = o
	case Secrets:
		b.Secrets[o.Database] = o
	case SlotRange:
		b.Ranges[o.ID] = o
	case Shard:
		b.Shards[o.ID] = o
	case Instance:
		b.Instances[o.ID] = o
	case Endpoint:
		b.Endpoints[o.ID] = o
	case Action:
		b.Actions[o.ID] = o
	case Snapshot:
		b.Snapshots[o.ID] = o
	case User:
		b.Users[o.ID] = o
	case UserRole:
		b.UserRoles[o.ID] = o
	case Token:
		b.Tokens[o.ID] = o
	default:
		panic(fmt.Sprintf("cluster: object of unknown kind %T", o))
	}
}

func (b *Board) remove(k Key) {
	switch k.Kind {
	case KindCluster:
		b.Cluster = Cluster{}
	case KindAuthority:
		b.Authority = Authority{}
	case KindNode:
		delete(b.Nodes, atoi(k.ID))
	case KindDatabase:
		delete(b.Databases, atoi(k.ID))
	case KindSecrets:
		delete(b.Secrets, atoi(k.ID))
	case KindRange:
		delete(b.Ranges, parseRangeID(k.ID))
	case KindShard:
		delete(b.Shards, atoi(k.ID))
	case KindInstance:
		delete(b.Instances, parseInstanceID(k.ID))
	case KindEndpoint:
		delete(b.Endpoints, parseEndpointID(k.ID))
	case KindAction:
		delete(b.Actions, k.ID)
	case KindSnapshot:
		delete(b.Snapshots, parseSnapshotID(k.ID))
	case KindUser:
		delete(b.Users, atoi(k.ID))
	case KindUserRole:
		delete(b.UserRoles, atoi(k.ID))
	case KindToken:
		delete(b.Tokens, k.ID)
	}
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
