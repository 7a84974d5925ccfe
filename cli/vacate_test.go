package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestNodeVacateWithoutItsHost(t *testing.T) {
	d := apitest.Cluster()
	d.SetAlive(2, false)
	b := newBench(t, d)
	lost := cluster.Refuse(cluster.CodeShardLost, "their data comes back with node:2 or its disk", "redis:11 (db:3 cache) is lost until restored: slots 0-16383")
	b.script(cluster.VacateNode, func(s *apitest.Script) { s.Checks() }, func(s *apitest.Script) { s.Vacate(true) }, func(s *apitest.Script) {
		s.Fail(lost, "redis:11 (db:3 cache) is lost until restored: slots 0-16383")
	})
	code, text, errText := b.run("node 2 vacate cause host_lost reason burnt")
	golden(t, "vacate_lost", text+errText)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	code, text, _ = b.run("node 2 vacate dry_run")
	golden(t, "vacate_dry_run", text)
	if code != 0 || strings.Contains(text, "refused") {
		t.Errorf("exit code %d", code)
	}
}

// What is amiss is said below the tables, with the reason.
func TestStatusTellsTrouble(t *testing.T) {
	d := apitest.Cluster()
	d.SetAlive(3, false)
	d.Apply(cluster.LoseRange{At: d.View().Now, Range: cluster.RangeID{Database: 3}, Reason: "redis:11 had the only copy and is gone"},
		cluster.NoteRebuild{At: d.View().Now, Shard: 4, Reason: "node:1 has 0 bytes left"})
	b := newBench(t, d)
	for name, words := range map[string]string{"trouble": "status databases", "trouble_of_one": "status shards node 3"} {
		code, text, _ := b.run(words)
		golden(t, name, text)
		if code != 0 {
			t.Errorf("%s: exit code %d", words, code)
		}
	}
}
