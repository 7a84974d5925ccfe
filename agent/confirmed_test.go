package agent

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// With min_replicas a copy that leaves keeps what it has and follows nobody, and
// nobody is promoted while another copy has more, or may have.
func TestNothingIsPromotedThatLacksWhatAnotherCopyHas(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	id := cluster.InstanceID{Shard: 2, Incarnation: 2}
	b := h.Board()
	d, s, r := b.Databases[1], b.Shards[2], b.Ranges[one.Range]
	at := func(i cluster.Instance) engine.Instance {
		return engine.Instance{Name: i.ID.String(), Address: "127.0.0.1", Port: i.Port, AgentPassword: "agent-secret"}
	}
	master := at(one)
	d.MinReplicas, s.NextIncarnation = 1, 3
	r.LastReplID = master.Observe(t.Context()).ReplID
	other := cluster.Instance{ID: id, Range: one.Range, Node: 1, Port: freePort(t)}
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{d, s, r, other}}})
	h.eventually("the second copy linked", func(r cluster.Report) bool { return r.Instances[id].Linked })

	h.commit(t, cluster.SwitchInstance{Instance: id})
	var seen cluster.Report
	h.eventually("the first one follows nobody", func(r cluster.Report) bool {
		seen = r
		return !r.Instances[two.ID].Linked && r.Instances[two.ID].EverLinked && strings.HasSuffix(r.Instances[two.ID].Source, ":1")
	})
	c, err := master.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, words := range [][]string{{"SET", "confirmed", "yes"}, {"WAIT", "1", "5000"}} {
		if _, err := c.Do(t.Context(), words...); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually("nothing that a daemon before this one may have promised holds any more", func(r cluster.Report) bool { return !r.Bound })
	kill(t, seen.Instances[one.ID].PID)
	order := func(name string, to cluster.InstanceID, generation int64) cluster.Outcome {
		t.Helper()
		h.commit(t, cluster.OpenHandover{At: time.Now(), ID: name, To: to, Unplanned: true})
		out, err := h.agent.Handover(t.Context(), cluster.Order{
			ID: name, Epoch: 7, Range: one.Range, From: one.ID, To: to, Generation: generation, Unplanned: true, TTL: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		h.commit(t, cluster.CloseHandover{At: time.Now(), Range: one.Range, ID: name, Moved: out.Result == cluster.Moved, ReplID: out.ReplID})
		return out
	}
	if out := order("h1", two.ID, 2); out.Result != cluster.Unmoved || !strings.Contains(out.Reason, "has more") {
		t.Errorf("to the one that lacks something: %+v", out)
	}
	if err := syscall.Kill(seen.Instances[id].PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if out := order("h2", two.ID, 4); out.Result != cluster.Unmoved || !strings.Contains(out.Reason, "does not answer") {
		t.Errorf("while the other stands still: %+v", out)
	}
	if err := syscall.Kill(seen.Instances[id].PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if out := order("h3", id, 6); out.Result != cluster.Moved {
		t.Errorf("to the one that has it: %+v", out)
	}
}
