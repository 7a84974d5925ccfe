package cli

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestFormerFiles(t *testing.T) {
	d := apitest.Cluster()
	d.Former = map[int][]cluster.FormerFiles{
		2: {
			{Name: "3.1.before-life-2", Instance: cluster.InstanceID{Shard: 3, Incarnation: 1}, Bytes: 64 << 20, SetAside: apitest.Start},
			{Name: "77.12.before-life-2", Instance: cluster.InstanceID{Shard: 77, Incarnation: 12}, Bytes: 900, SetAside: apitest.Start},
		},
	}
	b := newBench(t, d)
	d.SetAlive(3, false)
	code, text, errText := b.run("status former_files")
	if code != 0 || !strings.Contains(errText, "node:3") {
		t.Errorf("%d %s", code, errText)
	}
	golden(t, "status_former_files", text)
	d.SetAlive(3, true)
	if code, text, _ := b.run("status former_files node 1"); code != 0 || strings.Contains(text, "before") {
		t.Errorf("%d %s", code, text)
	}
	if code, _, errText := b.run("status former_files node 9"); code != 1 || !strings.Contains(errText, "node:9") {
		t.Errorf("%d %s", code, errText)
	}
	if code, _, errText := b.run("node 2 former_files delete 3.1.before-life-2"); code != 1 || !strings.Contains(errText, "was not touched") || len(d.View().Nodes[2].Deleting) > 0 {
		t.Errorf("%d %s", code, errText)
	}
	if code, text, errText := b.run("--yes node 2 former_files delete 3.1.before-life-2"); code != 0 || !strings.Contains(text, "64MB") || len(d.View().Nodes[2].Deleting) != 1 {
		t.Errorf("%d %s %s", code, text, errText)
	}
	if code, _, errText := b.run("--yes node 2 former_files delete 4.1"); code != 1 || !strings.Contains(errText, "no files 4.1 of a former life") {
		t.Errorf("%d %s", code, errText)
	}
}
