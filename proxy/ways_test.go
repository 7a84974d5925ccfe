package proxy

import (
	commandline "flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = commandline.Bool("update", false, "write the golden files")

// wayOf says what becomes of a command on a database of several shards.
func wayOf(c *command) string {
	parent, _, _ := strings.Cut(c.name, "|")
	_, joined := joins[c.name]
	_, split := splits[c.name]
	switch {
	case c.never:
		return "refused"
	case split:
		return "split by keys"
	case joined, c.name == "slowlog|get":
		return "sent to all shards, joined"
	case fans[c.name] != nil:
		return "over lines of its own to the shards it concerns, joined"
	case slices.Contains(alone, c.name) || c.flags.has(allShards) && c.own != nil && parent != "ping" && parent != "client":
		return "for one shard only"
	case c.own != nil && c.queues && len(c.keys) > 0:
		return "by its keys, over a line of its own if it waits"
	case c.own != nil:
		return "by the proxy"
	case len(c.keys) > 0:
		return "by its keys, CROSSSLOT if they are apart"
	case c.tells:
		return "sent to the first shard"
	case slices.Contains(anywhere, c.name) || slices.Contains(anywhere, parent):
		return "any shard knows"
	}
	return ""
}

// Every command must have its way, so that none is forgotten.
func TestEveryCommandHasItsWay(t *testing.T) {
	var lines []string
	var note func(map[string]*command)
	note = func(list map[string]*command) {
		for _, c := range list {
			if c.subs != nil {
				note(c.subs)
				continue
			}
			way := wayOf(c)
			if way == "" {
				t.Errorf("%s: nobody has said what becomes of it", c.name)
			}
			lines = append(lines, fmt.Sprintf("%-24s %s\n", c.name, way))
		}
	}
	note(commands)
	slices.Sort(lines)
	golden, got := "testdata/ways.txt", strings.Join(lines, "")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, _ := os.ReadFile(golden); string(want) != got {
		t.Errorf("%s is not what the proxy does; run go test -run Way -update and look at the difference", golden)
	}
}
