package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// What is amiss with hosts and with the cluster as a whole stands below the
// tables, with what to do.
func TestStatusTellsTheTroublesOfHosts(t *testing.T) {
	d := apitest.Cluster()
	d.Troubles = map[int][]*cluster.Error{2: {cluster.Refuse(cluster.CodeDiskFull, "make space", "the disk of /data is full")}}
	b := newBench(t, d)
	const line = "node:2: the disk of /data is full; make space"
	for command, want := range map[string]string{
		"status": "\nTROUBLE:\n* " + line + "\n", "status nodes": "* " + line, "status node 2": "* " + line, "info node 2": "trouble: the disk of /data is full; make space",
		"status nodes --json": `"disk_full"`,
	} {
		if code, text, errText := b.run(command); code != 0 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s%s", command, code, text, errText)
		}
	}
	if _, text, _ := b.run("status node 1"); strings.Contains(text, "TROUBLE") {
		t.Errorf("node:1 is blamed: %s", text)
	}
	const ends = "the certificate authority of cluster haulout.local ends 2060-01-01T00:00:00Z; "
	if _, text, _ := b.run("status"); strings.Contains(text, ends) {
		t.Errorf("warned decades before: %s", text)
	}
	d.Pass(apitest.AuthorityUntil.Sub(apitest.Start) - 100*24*3600e9)
	for _, command := range []string{"status", "status nodes", "info cluster"} {
		if _, text, _ := b.run(command); !strings.Contains(text, ends) {
			t.Errorf("%s: %s", command, text)
		}
	}
}
