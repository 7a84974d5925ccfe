package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// lonely puts a database with append-only files and without replicas on the board.
func (h *host) lonely() cluster.Instance {
	id := cluster.RangeID{Database: 1}
	one := cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Range: id, Node: 1, Port: freePort(h.t)}
	h.commit(h.t, raw{cluster.Change{Put: []cluster.Object{
		cluster.Database{ID: 1, Name: "orders", MemorySize: 64 << 20, ShardsCount: 1, Persistence: "aof", Eviction: "noeviction"},
		cluster.Secrets{Database: 1, Agent: "agent-secret", Replica: "replica-secret", Proxy: "proxy-secret"},
		cluster.SlotRange{ID: id, Last: 16383, Master: one.ID, Generation: 1},
		cluster.Shard{ID: 1, Range: id, Instance: one.ID, NextIncarnation: 2}, one,
	}}})
	h.eventually("a master", func(r cluster.Report) bool { return r.Instances[one.ID].Role == cluster.Master })
	h.commit(h.t, cluster.MarkStarted{Instances: []cluster.InstanceID{one.ID}})
	return one
}

// Where much is to be loaded, an engine finds only after a while that it can not.
func TestFilesThatDoNotLoadInTheEnd(t *testing.T) {
	h := newHost(t)
	one := h.lonely()
	r := h.eventually("a master", func(r cluster.Report) bool { return r.Instances[one.ID].Role == cluster.Master })
	h.stop()
	slow := filepath.Join(h.dir, "slow-engine")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] || sleep 2.5\nexec %s \"$@\"\n", h.binary.Path)
	if err := os.WriteFile(slow, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h.binary.Path = slow
	h.start()
	manifest := filepath.Join(h.dir, "shards", "1.1", "appendonlydir", "appendonly.aof.manifest")
	if err := os.WriteFile(manifest, bytes.Repeat([]byte("what is this\n"), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, r.Instances[one.ID].PID)
	h.eventually("the files named", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return o.State == cluster.Absent && strings.HasPrefix(o.Reason, cluster.NotLoaded)
	})
}

// A disk that was replaced has no files to load: that is named like those that do not load.
func TestFilesThatAreGone(t *testing.T) {
	h := newHost(t)
	one := h.lonely()
	r := h.eventually("a master", func(r cluster.Report) bool { return r.Instances[one.ID].Role == cluster.Master })
	h.stop()
	kill(t, r.Instances[one.ID].PID)
	if err := os.RemoveAll(filepath.Join(h.dir, "shards")); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.eventually("that there are none", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return o.State == cluster.Absent && o.Kept.Bytes == 0 && strings.HasPrefix(o.Reason, cluster.NotLoaded)
	})
}

// A replica that ends soon after each start is not copied anew at once each time, and why
// it ends is told.
func TestProcessThatEndsAgainAndAgain(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	up := func(r cluster.Report) bool { return r.Instances[two.ID].Linked }
	for range 3 {
		r := h.eventually("a linked replica", up)
		kill(t, r.Instances[two.ID].PID)
		h.eventually("it is gone", func(now cluster.Report) bool { return now.Instances[two.ID].PID != r.Instances[two.ID].PID })
	}
	r := h.eventually("that it ends again and again", func(r cluster.Report) bool {
		return r.Instances[two.ID].State == cluster.Absent && strings.Contains(r.Instances[two.ID].Reason, "ends again and again: ")
	})
	if r.Instances[one.ID].State != cluster.Up {
		t.Errorf("its master is %+v", r.Instances[one.ID])
	}
	h.eventually("it is started all the same", up)
}
