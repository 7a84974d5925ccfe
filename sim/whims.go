package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// whims is an operator who wants something else all the time: databases come and go,
// endpoints are bound elsewhere, nodes are removed, settings change.
type whims struct {
	r                        *rand.Rand
	nodes, databases, shards int // that may be there
	created                  int
	zoned, begun             bool
	snapshots                []string // NODE NAME
}

// add puts something in front of every third line or so. It begins when the databases
// that were there first are ready.
func (w *whims) add(s Script) Script {
	if !w.begun {
		w.begun = true
		return append(s, "wait 1s")
	}
	if w.r.IntN(3) > 0 {
		return s
	}
	s = append(s, w.lines()...)
	if w.r.IntN(2) == 0 {
		s = append(s, fmt.Sprintf("wait %ds", 1+w.r.IntN(10)))
	}
	return s
}

func (w *whims) pick(list ...string) string { return list[w.r.IntN(len(list))] }

func (w *whims) node() int { return 1 + w.r.IntN(w.nodes) }

func (w *whims) database() int { return 1 + w.r.IntN(w.databases) }

// some are none to three of so many, each preceded by a space.
func (w *whims) some(most int) string {
	text := ""
	for range w.r.IntN(4) {
		text += fmt.Sprintf(" %d", 1+w.r.IntN(most))
	}
	return text
}

func (w *whims) lines() []string {
	asked := w.pick("do ", "ask ")
	line := func(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }
	switch w.r.IntN(16) {
	case 0, 1:
		return line("%s", w.create())
	case 2:
		return line("delete %d", w.database())
	case 3, 4:
		return line("%s", w.bind())
	case 5:
		return line("to_shards %d", w.database())
	case 6, 7, 8:
		return w.withSnapshot(asked)
	case 9:
		return line("tune cluster %s", w.pick(fmt.Sprintf("slave_ha_grace_period %d", 1+w.r.IntN(90)), fmt.Sprintf("default_concurrent_restore_actions %d", w.r.IntN(4)),
			fmt.Sprintf("state_machine_smart_client_handoffs_delay_ms %d", w.r.IntN(10_000))))
	case 10, 11:
		return line("tune node %d %s %d", w.node(), w.pick("max_redis_servers", "max_redis_servers", "max_listeners", "max_redis_forks", "max_slave_full_syncs"), w.r.IntN(6))
	case 12:
		return line("lead %d", w.node())
	case 13:
		return line("cancel %d", w.r.IntN(3))
	case 14:
		return line("%smigrate_shards %d %d%s%s", asked, w.node(), 1+w.r.IntN(w.shards), w.some(w.shards), w.pick("", " preserve_roles", " override_rack_policy", " max_concurrent_actions=3"))
	}
	node := w.node()
	return []string{
		fmt.Sprintf("do %s %d", w.pick("vacate", "vacate", "maintenance_on", "enslave_node"), node),
		fmt.Sprintf("%s%s", asked, w.pick(fmt.Sprintf("remove_node %d", node), fmt.Sprintf("enslave_node %d shards_only", node), fmt.Sprintf("shard_failover %d%s", 1+w.r.IntN(w.shards), w.some(w.shards)))),
		w.pick("wait 3s", fmt.Sprintf("tune node %d quorum_only %d", node, w.r.IntN(2))),
	}
}

// withSnapshot takes a snapshot of a node, or does something with one.
func (w *whims) withSnapshot(asked string) []string {
	if len(w.snapshots) == 0 || w.r.IntN(3) == 0 {
		w.snapshots = append(w.snapshots, fmt.Sprintf("%d %s", w.node(), w.pick("one", "two")))
		return []string{"snapshot " + w.snapshots[len(w.snapshots)-1]}
	}
	node, name, _ := strings.Cut(w.pick(w.snapshots...), " ")
	restore := fmt.Sprintf("%ssnapshot_restore %s snapshot=%s", asked, node, name)
	switch w.r.IntN(6) {
	case 0:
		return []string{fmt.Sprintf("forget_snapshot %s %s", node, name)}
	case 1, 2:
		return []string{"do maintenance_on " + node + w.pick("", " overwrite_snapshot"), fmt.Sprintf("%smaintenance_off %s snapshot=%s", asked, node, name)}
	case 3:
		return []string{restore}
	case 4:
		return []string{"do enslave_node " + node, restore}
	}
	return []string{fmt.Sprintf("do migrate_shards %s %d%s", node, 1+w.r.IntN(w.shards), w.some(w.shards)), restore}
}

// create makes one more database.
func (w *whims) create() string {
	w.created++
	w.databases++
	shards := 1 + w.r.IntN(2)
	line := fmt.Sprintf("database late%d %d", w.created, shards)
	if w.r.IntN(4) == 0 {
		line += w.pick(" lone", " lone aof")
	} else {
		shards *= 2
		line += w.pick("", " aof") + w.pick("", " kept")
		if w.zoned {
			line += w.pick("", " aware")
		}
	}
	w.shards += shards
	return strings.TrimSpace(line + " " + w.pick("", w.pick(cluster.ProxyPolicies...)))
}

// bind changes anything of a database's endpoint.
func (w *whims) bind() string {
	line := fmt.Sprintf("bind %d", w.database())
	if w.r.IntN(3) > 0 {
		line += " policy " + w.pick(cluster.AllNodes, cluster.AllNodes, cluster.AllMasterShards, cluster.AllMasterShards, cluster.Single)
	}
	if w.r.IntN(2) == 0 {
		line += " include" + w.some(w.nodes)
	}
	if w.r.IntN(2) == 0 {
		line += " exclude" + w.some(w.nodes)
	}
	return line
}
