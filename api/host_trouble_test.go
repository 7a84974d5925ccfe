package api

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestClocksThatDifferAreTrouble(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for ahead, want := range map[time.Duration]string{
		0:                 "",
		-29 * time.Second: "",
		time.Hour:         "its clock is 1h0m0s ahead of that of node:1, the cluster master",
		-time.Hour:        "its clock is 1h0m0s behind that of node:1, the cluster master",
	} {
		v := cluster.View{Leader: 1, HeardAt: map[int]time.Time{2: now}, Reports: map[int]cluster.Report{2: {Clock: now.Add(ahead)}}}
		var said []string
		for _, e := range hostTroubles(v, cluster.Node{ID: 2}) {
			said = append(said, e.Message)
		}
		if got := strings.Join(said, "; "); got != want {
			t.Errorf("%s: %q", ahead, got)
		}
	}
	if said := hostTroubles(cluster.View{}, cluster.Node{ID: 2}); len(said) > 0 {
		t.Errorf("a node that was not heard: %v", said)
	}
}
