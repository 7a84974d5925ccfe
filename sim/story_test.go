package sim

import "testing"

func TestFirst(t *testing.T) {
	o := Run(Script{"nodes 3", "database orders 2", "do maintenance_on 2", "wait 5s", "do maintenance_off 2"})
	for _, l := range o.Trace {
		t.Log(l)
	}
	t.Log(o.Places, o.Ends, o.Simulated, o.Boundaries)
	if o.Err != nil {
		t.Fatal(o.Err)
	}
}
