package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Files that do not load are named, tried again and kept; mended, they are served.
func TestFilesThatDoNotLoad(t *testing.T) {
	h := newHost(t)
	id := cluster.RangeID{Database: 1}
	one := cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Range: id, Node: 1, Port: freePort(t)}
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{
		cluster.Database{ID: 1, Name: "orders", MemorySize: 64 << 20, ShardsCount: 1, Persistence: "aof", Eviction: "noeviction"},
		cluster.Secrets{Database: 1, Agent: "agent-secret", Replica: "replica-secret", Proxy: "proxy-secret"},
		cluster.SlotRange{ID: id, Last: 16383, Master: one.ID, Generation: 1},
		cluster.Shard{ID: 1, Range: id, Instance: one.ID, NextIncarnation: 2}, one,
	}}})
	up := func(r cluster.Report) bool { return r.Instances[one.ID].Role == cluster.Master }
	r := h.eventually("a master", up)
	h.commit(t, cluster.MarkStarted{Instances: []cluster.InstanceID{one.ID}})
	manifest, err := filepath.Glob(filepath.Join(h.dir, "shards", "1.1", "*", "*.manifest"))
	if err != nil || len(manifest) != 1 {
		t.Fatal(manifest, err)
	}
	good, err := os.ReadFile(manifest[0])
	if err != nil {
		t.Fatal(err)
	}
	write := func(content []byte) {
		if err := os.WriteFile(manifest[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.Repeat([]byte("what is this\n"), 3))
	kill(t, r.Instances[one.ID].PID)
	r = h.eventually("the files named", func(r cluster.Report) bool {
		return strings.HasPrefix(r.Instances[one.ID].Reason, cluster.NotLoaded)
	})
	if strings.Contains(r.Instances[one.ID].Reason, "secret") {
		t.Error(r.Instances[one.ID].Reason)
	}
	write(good)
	r = h.eventually("a master with its files", up)

	mark := filepath.Join(h.dir, "shards", "1.1", "unsaved")
	pid := r.Instances[one.ID].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.eventually("nobody looks at it any more", func(r cluster.Report) bool { return r.Instances[one.ID].State == cluster.Unresponsive })
	if err := os.WriteFile(mark, nil, 0o600); err != nil { // as while a copy is not in the files
		t.Fatal(err)
	}
	kill(t, pid)
	h.eventually("files from before its copy named", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return strings.HasPrefix(o.Reason, cluster.NotLoaded) && strings.Contains(o.Reason, mark) && o.Kept.Unsaved
	})
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	h.eventually("a master with them, since they are wanted", up)
}

// A process that is there and does not answer tells for how long.
func TestHungProcessCountsItsSilence(t *testing.T) {
	h := newHost(t)
	one, _ := h.database()
	r := h.eventually("no time while it answers", func(r cluster.Report) bool { return r.Instances[one.ID].State == cluster.Up })
	pid := r.Instances[one.ID].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.eventually("a time that grows", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return o.State == cluster.Unresponsive && o.SilentFor > time.Second
	})
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.eventually("it answers again", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return o.State == cluster.Up && o.SilentFor == 0
	})
}

// A replica tells how long it has been without its source.
func TestReplicaCountsHowLongItIsWithoutItsSource(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	r := h.eventually("no time while it is linked", func(r cluster.Report) bool {
		return r.Instances[two.ID].Linked && r.Instances[two.ID].UnlinkedFor < time.Millisecond
	})
	kill(t, r.Instances[one.ID].PID)
	h.eventually("a time that grows", func(r cluster.Report) bool {
		return !r.Instances[two.ID].Linked && r.Instances[two.ID].UnlinkedFor > time.Second
	})
}
