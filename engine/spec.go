package engine

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Backlog is the size in bytes of every engine's replication backlog: what a
// replica may have missed and still continue without a full copy. It comes on
// top of Spec.MaxMemory and is only used as far as writes have filled it.
const Backlog = 64 << 20

// Users are the passwords of an engine's own users.
type Users struct {
	Agent   string `json:"agent"`   // everything; only agents know it; warden has the same
	Replica string `json:"replica"` // replication and nothing else
	Proxy   string `json:"proxy"`   // ProxyRights on a serving master, nothing elsewhere
}

// Source is the instance that a replica copies from.
type Source struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// String returns host:port.
func (s Source) String() string { return net.JoinHostPort(s.Address, strconv.Itoa(s.Port)) }

// Spec says how to start an engine.
type Spec struct {
	Name      string // of the instance, for messages and ps: shard.incarnation
	Dir       string // its own folder; made by Start
	Binary    Binary
	Address   string
	Port      int
	MaxMemory int64  // bytes of data; 0 means no limit
	Eviction  string // the engine's policy name; "" means noeviction
	Events    string // classes of keyspace events that are published
	AOF       bool
	Users     Users
	// MinReplicas and MinReplicasLag, of a master: it refuses writes (NOREPLICAS,
	// nothing was executed) unless that many replicas were heard of lately.
	MinReplicas    int
	MinReplicasLag time.Duration
	// Resume starts a master from the append-only files that an earlier process
	// of the folder left.
	Resume bool
	// Source makes it a replica. Without one it is an empty master that serves
	// at once.
	Source *Source
}

// check finds what would make the engine's files mean something else than told.
func (s Spec) check() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("instance %s: %s", s.Name, what))
		}
	}
	need(filepath.IsAbs(s.Dir), "folder is not an absolute path")
	need(s.Binary.Path != "", "no engine program")
	need(net.ParseIP(s.Address) != nil, "address is not an IP address")
	need(s.Port > 0 && s.Port < 1<<16, "port is out of range")
	need(s.MaxMemory >= 0, "memory limit is negative")
	need(s.MinReplicas == 0 || s.MinReplicas > 0 && s.MinReplicasLag >= time.Second, "least number of replicas is negative or without a time")
	need(s.Users.Agent != "" && s.Users.Replica != "" && s.Users.Proxy != "", "a user has no password")
	need(s.Users.Agent != s.Users.Proxy && s.Users.Agent != s.Users.Replica, "users share a password")
	need(!strings.ContainsAny(s.Name+s.Dir+s.Eviction+s.Events+s.Users.Replica, "\"\\\r\n\x00"), "a setting has a quote, backslash or line end in it")
	need(!s.Resume || s.AOF && s.Source == nil, "only a master with append-only files can resume")
	need(s.Source == nil || net.ParseIP(s.Source.Address) != nil, "source is not an IP address")
	return errors.Join(errs...)
}
