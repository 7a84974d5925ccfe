package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestVerifyBalance(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	code, text, errText := b.run("verify balance")
	if code != 0 || errText != "" {
		t.Errorf("balanced: %d %s", code, errText)
	}
	golden(t, "verify_balanced", text)
	id := cluster.EndpointID{Database: 2, Index: 1}
	d.Apply(cluster.Bind{Endpoint: id, Step: cluster.BindOpen, Nodes: []int{3}}, cluster.Bind{Endpoint: id, Step: cluster.BindSwitch}, cluster.Bind{Endpoint: id, Step: cluster.BindClose})
	code, text, errText = b.run("verify balance")
	if code != exitFailed || errText != "" {
		t.Errorf("unbalanced: %d %s", code, errText)
	}
	golden(t, "verify_unbalanced", text)
	var list []unbalanced
	if code, text, _ = b.run("verify balance node 3 --json"); code != exitFailed || json.Unmarshal([]byte(text), &list) != nil || len(list) != 1 || list[0].Endpoint != "2:1" {
		t.Errorf("%d %s", code, text)
	}
	if code, text, _ = b.run("verify balance node 2 --json"); code != exitDone || strings.TrimSpace(text) != "[]" {
		t.Errorf("%d %s", code, text)
	}
	if code, _, errText = b.run("verify balance node 9"); code != exitFailed || !strings.Contains(errText, "there is no node:9") {
		t.Errorf("%d %s", code, errText)
	}
}

func TestMisplaced(t *testing.T) {
	open := api.NodeObject{UID: 2, AcceptServers: true, Status: "active"}
	closed, down := api.NodeObject{UID: 2, Status: "active"}, api.NodeObject{UID: 2, AcceptServers: true, Status: "down"}
	here, away := []api.NumberID{2}, []api.NumberID{1}
	for name, c := range map[string]struct {
		e       api.Endpoint
		n       api.NodeObject
		masters int
		want    bool
	}{
		"single, one elsewhere":             {api.Endpoint{ProxyPolicy: "single", Nodes: here}, open, 1, false},
		"single, none here":                 {api.Endpoint{ProxyPolicy: "single", Nodes: here}, open, 0, true},
		"single, not here":                  {api.Endpoint{ProxyPolicy: "single", Nodes: away}, open, 0, false},
		"all nodes, here":                   {api.Endpoint{ProxyPolicy: "all-nodes", Nodes: here}, open, 0, false},
		"all nodes, missing":                {api.Endpoint{ProxyPolicy: "all-nodes", Nodes: away}, open, 0, true},
		"all nodes, missing where excluded": {api.Endpoint{ProxyPolicy: "all-nodes", Nodes: away, Exclude: here}, open, 0, false},
		"all nodes, missing where closed":   {api.Endpoint{ProxyPolicy: "all-nodes", Nodes: away}, closed, 0, false},
		"all nodes, missing where down":     {api.Endpoint{ProxyPolicy: "all-nodes", Nodes: away}, down, 0, false},
		"masters, here":                     {api.Endpoint{ProxyPolicy: "all-master-shards", Nodes: here}, open, 1, false},
		"masters, none here":                {api.Endpoint{ProxyPolicy: "all-master-shards", Nodes: here}, open, 0, true},
		"masters, none here but included":   {api.Endpoint{ProxyPolicy: "all-master-shards", Nodes: here, Include: here}, open, 0, false},
		"masters, one without endpoint":     {api.Endpoint{ProxyPolicy: "all-master-shards", Nodes: away}, open, 1, true},
	} {
		if got := misplaced(c.e, c.n, c.masters); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestVerifyRackAware(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	code, text, errText := b.run("verify rack_aware")
	if code != exitDone || errText != "" || text != "Cluster policy is not configured for rack awareness.\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	d.Racks("a", "B", "c")
	if code, text, errText = b.run("verify rack_aware"); code != exitDone || errText != "" {
		t.Errorf("%d %q", code, errText)
	}
	golden(t, "verify_racks", text)
	d.Racks("a", "b", "B")
	if code, text, errText = b.run("verify rack_aware"); code != exitFailed || errText != "" {
		t.Errorf("%d %q", code, errText)
	}
	golden(t, "verify_collisions", text)
	var list []collision
	if code, text, _ = b.run("verify rack_aware --json"); code != exitFailed || json.Unmarshal([]byte(text), &list) != nil || len(list) != 1 || list[0].Master != 3 {
		t.Errorf("%d %s", code, text)
	}
}
