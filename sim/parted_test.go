package sim

import (
	"strings"
	"testing"
	"time"
)

// Packets are lost for long between two hosts, and pass everywhere else. A hand-over
// between the two comes to an end all the same, at whatever step it is. Clients go on, but
// for those who need both hosts: with min_replicas, or by an endpoint that has moved away
// from its master.
func TestHandoverBetweenHostsThatAreParted(t *testing.T) {
	for n, s := range []Script{
		{"nodes 3", "database orders 1", "wait 3s", "do shard_failover 1"},
		{"nodes 3", "database orders 1 kept", "wait 3s", "do shard_failover 1"},
		{"nodes 3", "database orders 1", "wait 3s", "do maintenance_on 1"},
	} {
		longest := time.Duration(0)
		for k := 1; k <= Run(s).Boundaries; k++ {
			for node := 1; node <= 3; node++ {
				o := Run(append(s.With(k, Fault{"one-way", node, 40 * time.Minute}), "wait 1s"))
				longest = max(longest, o.Gap)
				if o.Err != nil || n == 0 && o.Gap > 30*time.Second || o.Took > atLast {
					t.Fatalf("%v, at %d, node %d: clients waited %v, the action took %v: %v\n%s", s, k, node, o.Gap, o.Took, o.Err, strings.Join(o.Trace, "\n"))
				}
			}
		}
		t.Logf("%v: the longest wait %v", s, longest)
	}
}
