package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// withLosses is a cluster that has lost all of the database cache, and a range of sessions
// of which an older copy is left.
func withLosses(t *testing.T) *bench {
	d := apitest.Cluster()
	sessions := cluster.RangeID{Database: 1}
	old, master := d.Board().Shards[2].Instance, d.Board().Ranges[sessions].Master
	d.Shown = map[cluster.InstanceID]cluster.Observed{
		{Shard: 11, Incarnation: 1}: {State: cluster.Absent},
		master:                      {State: cluster.Absent},
		old:                         {State: cluster.Up, Role: cluster.Slave, EverLinked: true, ReplicationID: "older", Offset: 70, Keys: 12, UsedMemory: 3 << 20},
	}
	d.Apply(cluster.LoseRange{At: d.View().Now, Range: cluster.RangeID{Database: 3}, Reason: "redis:11 had the only copy and is gone"},
		cluster.LoseRange{At: d.View().Now, Range: sessions, Reason: "redis:1 is gone and redis:2 has data of another history"})
	return newBench(t, d)
}

func TestRecoverWhatIsLost(t *testing.T) {
	b := withLosses(t)
	var all strings.Builder
	say := func(want int, words string) {
		t.Helper()
		code, text, errText := b.run(words)
		all.WriteString("# haulout " + words + "\n" + text + errText + "\n")
		if code != want {
			t.Errorf("%s: exit code %d\n%s%s", words, code, text, errText)
		}
	}
	say(0, "recover list")
	say(0, "status databases")
	say(0, "status databases issues_only")
	say(1, "recover db cache")
	say(1, "recover db sessions only_configuration -y")
	say(1, "recover db carts")
	say(1, "recover db nothing")
	b.in = "n\n"
	say(1, "recover db cache only_configuration")
	b.in = "y\n"
	say(0, "recover db cache only_configuration")
	say(0, "recover all")
	say(0, "recover list")
	say(1, "recover all")
	say(0, "status activity type shard_recovered")
	golden(t, "recover_lost", all.String())
}

// Why is told of each database.
func TestRecoverAllTellsEveryFailure(t *testing.T) {
	b := withLosses(t)
	b.daemon.Shown[b.daemon.Board().Shards[2].Instance] = cluster.Observed{State: cluster.Absent}
	code, text, errText := b.run("recover all -y")
	if code != 1 || !strings.Contains(errText, "ERROR: nothing is left of slots 0-4095 of db:1") || !strings.Contains(errText, "ERROR: nothing is left of slots 0-16383 of db:3") {
		t.Errorf("%d %q %q", code, text, errText)
	}
}

// Whoever reads JSON gets what was recovered, or why nothing was, and not both.
func TestRecoverUnderJSON(t *testing.T) {
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"--json recover db cache":                       {1, ""},
		"--json recover db carts":                       {1, ""},
		"--json -y recover db cache only_configuration": {0, `"recovered"`},
		"--json -y recover all":                         {1, `"bdb_uid": 1`}, // nothing is left of the other
	} {
		code, text, errText := withLosses(t).run(line)
		if code != want.code || (text == "") != (want.text == "") || !strings.Contains(text, want.text) || strings.Contains(errText, `"error_code"`) != (want.code != 0) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}
