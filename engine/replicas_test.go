package engine

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A master that asks for a replica takes no write without one, whoever of the two
// is master after a hand-over.
func TestMinReplicas(t *testing.T) {
	t.Parallel()
	spec := testSpec(t, "1.1", nil)
	spec.MinReplicas, spec.MinReplicasLag = 1, 10*time.Second
	m := start(t, spec)
	eventually(t, "master is up", func() bool { return m.Observe(bounded(t)).State == Up })
	writes := func(p *Process) string {
		v, err := dialProxy(t, p.Instance).Do(bounded(t), "SET", "k", "v")
		if err != nil {
			return err.Error()
		}
		return v.Text()
	}
	if got := writes(m); !strings.Contains(got, "NOREPLICAS") {
		t.Errorf("without a replica: %s", got)
	}
	spec = testSpec(t, "1.2", m)
	spec.MinReplicas, spec.MinReplicasLag = 1, 10*time.Second
	r := start(t, spec)
	eventually(t, "it takes writes", func() bool {
		return slices.Contains(m.Observe(bounded(t)).Feeds(), r.source()) && writes(m) == "OK"
	})
	var out Outcome
	eventually(t, "the replica is master", func() bool {
		out = patient(m.Instance, r.Instance).Run(bounded(t))
		return out.Result == Moved
	})
	checkSwapped(t, out, m, r)
	eventually(t, "the new one takes writes", func() bool { return writes(r) == "OK" })
	if err := m.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "and none when it is alone", func() bool { return strings.Contains(writes(r), "NOREPLICAS") })
}
