package agent

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// A host whose daemon died is believed gone, but its master still has what it
// acknowledged: nobody takes its place before that has arrived.
func TestNothingIsPromotedThatLacksWhatTheLivingPredecessorHas(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	master := engine.Instance{Name: "1.1", Address: "127.0.0.1", Port: one.Port, AgentPassword: "agent-secret"}
	replica := engine.Instance{Name: "2.1", Address: "127.0.0.1", Port: two.Port, AgentPassword: "agent-secret"}
	do := func(i engine.Instance, words ...string) string {
		t.Helper()
		c, err := i.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		v, err := c.Do(t.Context(), words...)
		if err != nil {
			t.Fatal(err)
		}
		return v.Text()
	}
	r := h.Board().Ranges[one.Range]
	r.LastReplID = master.Observe(t.Context()).ReplID
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{r}}})

	do(master, "ACL", "SETUSER", "replica", "off")
	do(master, "CLIENT", "KILL", "TYPE", "replica")
	h.eventually("the link broken", func(r cluster.Report) bool { return !r.Instances[two.ID].Linked })
	do(master, "SET", "acknowledged", "yes")
	h.commit(t, cluster.OpenHandover{At: time.Now(), ID: "h1", To: two.ID, Unplanned: true})
	order := cluster.Order{ID: "h1", Epoch: 7, Range: one.Range, From: one.ID, To: two.ID, Generation: 2, Unplanned: true, TTL: 10 * time.Second}
	out, err := h.agent.Handover(t.Context(), order)
	if err != nil || out.Result != cluster.Unknown || replica.Observe(t.Context()).Role != engine.Slave {
		t.Fatalf("outcome %+v, %v, the replica is %s", out, err, replica.Observe(t.Context()).Role)
	}

	do(master, "ACL", "SETUSER", "replica", "on")
	deadline := time.Now().Add(20 * time.Second)
	for out.Result != cluster.Moved && time.Now().Before(deadline) {
		if out, err = h.agent.Handover(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	if out.Result != cluster.Moved || do(replica, "GET", "acknowledged") != "yes" {
		t.Errorf("outcome %+v, the key is %q", out, do(replica, "GET", "acknowledged"))
	}
}
