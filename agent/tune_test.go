package agent

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// Engines are told what the board says of their database, once, on masters and replicas;
// and by the next daemon what they may not have been told. The same processes go on.
func TestEnginesAreTold(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	r := h.eventually("both told at their start", func(r cluster.Report) bool {
		return r.Instances[one.ID].Settings.Memory == 32<<20 && r.Instances[two.ID].Settings.Memory == 32<<20
	})
	change := func(memory int64, events string) cluster.Settings {
		d := h.Board().Databases[1]
		d.MemorySize, d.Eviction, d.Events = memory, "allkeys-lru", events
		h.commit(t, raw{cluster.Change{Put: []cluster.Object{d}}})
		return d.Settings()
	}
	told := func(want cluster.Settings) {
		t.Helper()
		now := h.eventually("both told", func(r cluster.Report) bool {
			return r.Instances[one.ID].Settings == want && r.Instances[two.ID].Settings == want
		})
		for _, i := range []cluster.Instance{one, two} {
			if now.Instances[i.ID].PID != r.Instances[i.ID].PID {
				t.Error("another process")
			}
			got := limitsOf(t, i)
			if want := fmt.Sprint(want.Memory+engine.Backlog, " ", want.Eviction, " ", want.Events); got != want {
				t.Errorf("%s has %s, want %s", i.ID, got, want)
			}
		}
	}
	told(change(128<<20, "AKE"))
	told(change(96<<20, ""))
	h.stop()
	want := change(256<<20, "gKE")
	h.start()
	told(want)
}

// limitsOf asks the engine itself.
func limitsOf(t *testing.T, i cluster.Instance) string {
	t.Helper()
	c, err := engine.Instance{Address: "127.0.0.1", Port: i.Port, AgentPassword: "agent-secret"}.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Do(t.Context(), "CONFIG", "GET", "maxmemory", "maxmemory-policy", "notify-keyspace-events")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for words := v.Strings(); len(words) > 1; words = words[2:] {
		found[words[0]] = words[1]
	}
	memory, _ := strconv.ParseInt(found["maxmemory"], 10, 64)
	return fmt.Sprint(memory, " ", found["maxmemory-policy"], " ", found["notify-keyspace-events"])
}
