package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stories are what operators do and what hosts suffer; each is also run with one
// more fault at every boundary it has.
var Stories = map[string]Script{
	"on and off": {
		"nodes 3", "database orders 2",
		"do maintenance_on 2", "do maintenance_off 2",
	},
	"on, with the replicas kept": {
		"nodes 4", "database orders 2", "database carts 1",
		"do maintenance_on 2 keep_slave_shards", "do maintenance_off 2",
	},
	"on, with one database's replicas kept": {
		"nodes 4", "database orders 2", "database carts 1",
		"do maintenance_on 1 keep_slave_shards evict_dbs=1", "do maintenance_off 1",
	},
	"a database without replication moves": {
		"nodes 3", "database notes 2 lone", "database files 1 lone aof",
		"do maintenance_on 1", "do maintenance_off 1",
	},
	"the leader is drained": {
		"nodes 3", "database orders 1",
		"do maintenance_on 1 demote_node", "do maintenance_off 1",
	},
	"on, cancelled": {
		"nodes 3", "database orders 2",
		"ask maintenance_on 2", "wait 2s", "cancel", "wait 60s",
	},
	"off, cancelled and run again": {
		"nodes 3", "database orders 2",
		"do maintenance_on 2", "ask maintenance_off 2", "wait 2s", "cancel", "wait 30s", "do maintenance_off 2",
	},
	"two nodes at once": {
		"nodes 5", "database orders 2", "database carts 1",
		"ask maintenance_on 1", "do maintenance_on 2", "wait 20s", "ask maintenance_off 1", "do maintenance_off 2",
	},
	"zones": {
		"nodes 4 zones a b", "database orders 1 aware", "database carts 1 aware",
		"do maintenance_on 2", "do maintenance_off 2",
	},
	"masters fail over by hand": {
		"nodes 3", "database orders 2",
		"do shard_failover 1 3", "do shard_failover 2",
	},
	"shards migrate by hand": {
		"nodes 4", "database orders 1", "database notes 1 lone",
		"do migrate_shards 4 1 3",
	},
	"a node leaves": {
		"nodes 4", "database orders 1",
		"do maintenance_on 3", "do remove_node 3",
	},
	"databases come and go while a node is out": {
		"nodes 4", "database orders 1", "database carts 1",
		"do maintenance_on 2", "delete 1", "database late 1 all-nodes", "do maintenance_off 2",
	},
	"an endpoint follows its lists": {
		"nodes 4", "database orders 1 all-nodes",
		"bind 1 exclude 3", "do maintenance_on 2", "bind 1 policy all-master-shards include 4", "do maintenance_off 2",
	},
	"a snapshot is restored": {
		"nodes 4", "database orders 2",
		"snapshot 2 before", "do migrate_shards 4 1 4 preserve_roles", "do enslave_node 2", "do snapshot_restore 2 snapshot=before",
	},
	"a host is lost and returns": {
		"nodes 3", "database orders 2",
		"now power 1 40s", "wait 70s",
	},
	"a host is lost and rebuilt": {
		"nodes 4", "grace 30", "database orders 2",
		"now power 1 120s", "wait 200s",
	},
	"a host refuses": {
		"nodes 3", "database orders 2",
		"now reset 1 20s", "wait 40s",
	},
}

// With is the script with one more fault: when as many boundaries as that have
// passed since the databases were ready.
func (s Script) With(boundary int, f Fault) Script {
	n := slices.IndexFunc(s, func(line string) bool {
		return !slices.Contains([]string{"nodes", "database", "grace"}, strings.Fields(line)[0])
	})
	return slices.Insert(slices.Clone(s), n, fmt.Sprintf("at %d %s", boundary, f))
}

// usual is how long a fault of the kind lasts in the matrix: longer than a lease
// for what stands still or is cut off.
func usual(kind string) time.Duration {
	switch kind {
	case "freeze", "cut", "deaf", "mute", "stuck", "one-way", "doze", "hang":
		return 12 * time.Second
	case "daemon", "forget":
		return 3 * time.Second
	case "slow":
		return 5 * time.Minute
	case "proxy", "replicas", "masters":
		return 0
	}
	return 20 * time.Second
}
