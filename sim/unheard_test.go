package sim

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A leader that a living host does not hear, or that does not hear it, keeps clients
// waiting no longer than until another leads.
func TestLeaderMakesWay(t *testing.T) {
	for _, file := range []string{"leader_hears_not_everybody", "leader_does_not_reach_everybody"} {
		text, err := os.ReadFile("testdata/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(text), strings.Replace(string(text), " relayed", "", 1)} {
			if o := Run(strings.Split(strings.TrimSpace(text), "\n")); o.Err != nil || o.Gap > time.Minute {
				t.Errorf("clients waited %v: %v\n%s", o.Gap, o.Err, strings.Join(o.Trace, "\n"))
			}
		}
	}
}

// A host that only the leader does not reach keeps its lease, since another leads before
// it ends; nothing fails over.
func TestLeaderAloneDoesNotReachAHost(t *testing.T) {
	for _, kind := range []string{"one-way 1", "one-way 3"} { // packets of 2 to 1, of 1 to 3
		o := Run(Script{"nodes 3", "database orders 2", "database carts 1", "wait 10s", "now " + kind + " 5m", "wait 2m"})
		trace := strings.Join(o.Trace, "\n")
		if o.Err != nil || !strings.Contains(trace, "node:3 leads") && !strings.Contains(trace, "node:2 leads") || strings.Contains(trace, "is down") || strings.Contains(trace, "takes over") {
			t.Errorf("%s: %v\n%s", kind, o.Err, trace)
		}
	}
}
