package engine

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
)

// ProxyRights are the rights of user proxy on a serving master, and so what
// tenants may do, in scripts too. The named commands are taken back from
// @dangerous because each reaches no further than the tenant's own data:
//
//	info, role          clients and their monitoring ask for it; numbers and addresses only
//	keys, sort, sort_ro slow on many keys, but ordinary
//	flushall, flushdb   delete the tenant's data, as DEL would; freed in the background
//	slowlog             tells of the tenant's own commands; how slow is slow stays the operator's
//	client|unblock      said by the proxy, for the calls of its clients; not to be had in scripts
//	restore             how data is loaded; payloads are checked (sanitize-dump-payload)
const ProxyRights = "+@all -@admin -@dangerous +info +role +keys +sort +sort_ro +flushall +flushdb +restore +slowlog|get +slowlog|len +slowlog|reset +client|unblock"

const (
	replicaRights = "+psync +replconf +ping"
	agentRights   = "~* &* +@all"
)

// usersFile is the engine's users, but for those that operators make. It is read
// once, at the start; on a replica user proxy begins without rights.
func (s Spec) usersFile() string {
	proxy, keeper := "on "+ProxyRights, "on "+wardenRights
	if s.Source != nil {
		proxy, keeper = "off -@all", "off -@all"
	}
	return fmt.Sprintf("user default off resetpass -@all\n"+
		"user agent on #%s %s\n"+
		"user replica on #%s %s\n"+
		"user proxy #%s ~* &* %s\n"+
		"user warden #%s %s\n",
		digest(s.Users.Agent), agentRights, digest(s.Users.Replica), replicaRights, digest(s.Users.Proxy), proxy, digest(s.Users.Agent), keeper)
}

func digest(password string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(password))) }

// configFile is the engine's configuration. Every option exists under the same
// name in Redis from 7.0 and in Valkey.
func (s Spec) configFile() string {
	var b strings.Builder
	set := func(option, format string, args ...any) {
		fmt.Fprintf(&b, option+" "+format+"\n", args...)
	}
	s.placeOptions(set)
	s.memoryOptions(set)
	s.replicationOptions(set)
	s.persistenceOptions(set)
	return b.String()
}

func (s Spec) placeOptions(set func(string, string, ...any)) {
	set("bind", "%s", s.Address)
	set("port", "%d", s.Port)
	set("protected-mode", "yes")
	set("aclfile", "%q", filepath.Join(s.Dir, usersName))
	set("dir", "%q", s.Dir)
	set("daemonize", "no")
	set("supervised", "no")
	set("logfile", `""`)
	// The command line keeps naming the folder: ps shows it and Adopt reads it.
	set("set-proc-title", "no")
	set("cluster-enabled", "no")
	set("io-threads", "1")
	set("tcp-backlog", "511")
	set("timeout", "0")
	set("tcp-keepalive", "60")
	set("shutdown-timeout", "10")
	set("enable-debug-command", "no")
	set("enable-module-command", "no")
	set("sanitize-dump-payload", "clients")
	set("notify-keyspace-events", "%q", s.Events)
	set("crash-log-enabled", "yes")
	set("crash-memcheck-enabled", "no")
}

func (s Spec) memoryOptions(set func(string, string, ...any)) {
	if s.MaxMemory > 0 {
		set("maxmemory", "%d", maxMemory(s.MaxMemory))
	}
	policy := s.Eviction
	if policy == "" {
		policy = "noeviction"
	}
	set("maxmemory-policy", "%s", policy)
	set("replica-ignore-maxmemory", "yes")
	for _, what := range []string{"eviction", "expire", "server-del", "user-del", "user-flush"} {
		set("lazyfree-lazy-"+what, "yes")
	}
	set("replica-lazy-flush", "yes")
}

// maxMemory is the engine's limit for so many bytes of data. It counts the backlog as
// data: without the addition a small database would be full after as many written bytes
// as it may hold.
func maxMemory(data int64) int64 { return data + Backlog }

func (s Spec) replicationOptions(set func(string, string, ...any)) {
	set("masteruser", "replica")
	set("masterauth", "%q", s.Users.Replica)
	set("replica-announce-ip", "%s", s.Address)
	set("replica-announce-port", "%d", s.Port)
	set("repl-diskless-sync", "yes")
	set("repl-diskless-sync-delay", "0")
	set("repl-diskless-load", "on-empty-db")
	set("repl-backlog-size", "%d", Backlog)
	set("repl-backlog-ttl", "0")
	set("repl-ping-replica-period", "10")
	set("repl-timeout", "60")
	set("client-output-buffer-limit", "replica 0 0 0")
	// On a replica this means nothing until it is promoted.
	set("min-replicas-to-write", "%d", s.MinReplicas)
	if s.MinReplicas > 0 {
		set("min-replicas-max-lag", "%.0f", s.MinReplicasLag.Seconds())
	}
	set("replica-read-only", "yes")
	set("replica-serve-stale-data", "no")
	if s.Source != nil {
		set("replicaof", "%s %d", s.Source.Address, s.Source.Port)
	}
}

func (s Spec) persistenceOptions(set func(string, string, ...any)) {
	set("save", `""`)
	set("rdbcompression", "no")
	set("aof-use-rdb-preamble", "yes")
	set("appenddirname", aofName)
	set("appendfsync", "everysec")
	if s.AOF {
		set("appendonly", "yes")
	} else {
		set("appendonly", "no")
	}
}
