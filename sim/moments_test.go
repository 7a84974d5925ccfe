package sim

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// An action on a cluster with a database of each kind, and what is wanted otherwise while
// it is at work.
var (
	moments = Script{
		"nodes 4", "database orders 2 all-nodes", "database carts 1 kept all-master-shards", "database notes 1 lone aof",
		"snapshot 1 before", "do migrate_shards 4 1 preserve_roles", "do enslave_node 3",
	}
	underWay = []Script{
		{"ask maintenance_on 2"}, {"ask maintenance_on 2 keep_slave_shards"}, {"do maintenance_on 2", "ask maintenance_off 2"},
		{"ask snapshot_restore 1 snapshot=before"}, {"ask vacate 2"}, {"ask vacate 1"}, {"ask enslave_node 1"}, {"ask migrate_shards 3 7"}, {"ask shard_failover 1"},
		{"do vacate 3", "ask remove_node 3"}, {"ask maintenance_on 1", "cancel"}, {"now power 2 20s", "wait 5s"}, {"grace 1", "now power 1 3m", "wait 9s"},
	}
	otherwise = []Script{
		{"delete 1"}, {"delete 2"}, {"delete 3"}, {"database late 2 all-nodes"}, {"database late 1 lone", "delete 4"},
		{"bind 1 policy single"}, {"bind 1 exclude 2 3"}, {"bind 2 policy all-nodes exclude 1"}, {"bind 3 policy all-nodes", "bind 3 policy single"}, {"to_shards 3"},
		{"forget_snapshot 1 before"}, {"tune node 3 max_redis_servers 3"}, {"tune node 4 max_listeners 1"}, {"tune node 2 quorum_only 0"},
		{"tune cluster slave_ha_grace_period 1 default_concurrent_restore_actions 1 state_machine_smart_client_handoffs_delay_ms 3000"},
		{"lead 3"}, {"cancel"}, {"ask maintenance_on 3 demote_node"}, {"ask vacate 4"}, {"ask remove_node 3"}, {"now power 3 30s"},
	}
)

// Whatever is wanted otherwise at whatever moment of an action, the action ends, and all
// comes to rest where it is wanted.
func TestWantedOtherwiseAtAnyMoment(t *testing.T) {
	var scripts []Script
	all := 0
	for _, begin := range underWay {
		for _, change := range otherwise {
			for k := range 48 {
				if all++; all%(17*part) != 0 && os.Getenv("MATRIX") != "full" {
					continue
				}
				scripts = append(scripts, slices.Concat(moments, begin, Script{fmt.Sprintf("wait %s", time.Duration(k)*tick)}, change))
			}
		}
	}
	each(t, len(scripts), func(n int) {
		if o := Run(scripts[n]); o.Err != nil && first(t, sortOf(o)) {
			t.Errorf("%v\n%s\n%s", o.Err, strings.Join(scripts[n], "\n"), strings.Join(o.Trace, "\n"))
		}
	})
	t.Logf("%d histories", len(scripts))
}
