package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// What finds a process again may be damaged: it is found all the same, and that there
// is none is seen, too.
func TestDamagedRecord(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	r := h.eventually("a linked replica", func(r cluster.Report) bool { return r.Instances[two.ID].Linked })
	h.stop()
	kill(t, r.Instances[one.ID].PID)
	stray := filepath.Join(h.dir, "shards", "3.1")
	spec := engine.Spec{Name: "3.1", Dir: stray, Binary: h.binary, Address: "127.0.0.1", Port: freePort(t), Users: engine.Users{Agent: "a", Replica: "b", Proxy: "c"}}
	p, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []string{"1.1", "2.1", "3.1"} {
		if err := os.WriteFile(filepath.Join(h.dir, "shards", name, "instance.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	h.eventually("the master gone, its replica as it was", func(now cluster.Report) bool {
		return now.Instances[one.ID].State == cluster.Absent && now.Instances[two.ID].State == cluster.Up &&
			now.Instances[two.ID].PID == r.Instances[two.ID].PID
	})
	h.eventually("nothing left of what nobody ordered", func(now cluster.Report) bool {
		_, there := now.Instances[cluster.InstanceID{Shard: 3, Incarnation: 1}]
		return !there && !p.Alive()
	})
}

// A process whose folder was deleted under it is found by the next daemon, too: taken for
// gone it would be replaced, and nobody would ever end it.
func TestProcessWithoutItsFolder(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	up := func(r cluster.Report) bool {
		return r.Instances[one.ID].State == cluster.Up && r.Instances[two.ID].Linked
	}
	r := h.eventually("master and replica", up)
	h.stop()
	if err := errors.Join(os.RemoveAll(filepath.Join(h.dir, "shards", "1.1")), os.Remove(filepath.Join(h.dir, "shards", "2.1", "instance.json"))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, o := range r.Instances {
			_ = syscall.Kill(o.PID, syscall.SIGKILL) // also if nobody finds it any more
		}
	})
	h.reports = nil
	h.start()
	now := h.eventually("both again", up)
	for _, id := range []cluster.InstanceID{one.ID, two.ID} {
		if now.Instances[id].PID != r.Instances[id].PID || now.Instances[id].Role != r.Instances[id].Role {
			t.Errorf("%s was %+v and is %+v", id, r.Instances[id], now.Instances[id])
		}
	}
}

// A process that can not be looked for counts as silent.
func TestSilenceOfWhatCanNotBeLookedAt(t *testing.T) {
	h := newHost(t)
	one, _ := h.database()
	h.stop()
	record := filepath.Join(h.dir, "shards", "1.1", "instance.json")
	good, err := os.ReadFile(record)
	if err == nil {
		err = os.Remove(record)
	}
	if err == nil {
		err = os.Mkdir(record, 0o700) // reading it fails
	}
	if err != nil {
		t.Fatal(err)
	}
	h.start()
	h.eventually("a time that grows", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return o.State == cluster.Unresponsive && o.SilentFor > time.Second
	})
	if err = os.Remove(record); err == nil {
		err = os.WriteFile(record, good, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.eventually("it is found", func(r cluster.Report) bool { return r.Instances[one.ID].State == cluster.Up })
}

// A folder on a disk that does not answer keeps nobody from hearing of the others.
func TestOneFolderHoldsNobodyUp(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	h.stop()
	record := filepath.Join(h.dir, "shards", "1.1", "instance.json")
	good, err := os.ReadFile(record)
	if err == nil {
		err = errors.Join(os.Remove(record), syscall.Mkfifo(record, 0o600)) // opening it takes until somebody writes
	}
	if err != nil {
		t.Fatal(err)
	}
	answer := sync.OnceFunc(func() {
		w, err := os.OpenFile(record, os.O_RDWR, 0)
		if err == nil {
			err = errors.Join(os.Remove(record), os.WriteFile(record, good, 0o600), w.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
	defer answer()
	h.start()
	r := h.eventually("the other one", func(r cluster.Report) bool {
		o := r.Instances[one.ID]
		return r.Instances[two.ID].Linked && o.State == cluster.Unresponsive && o.SilentFor > turnFor && strings.Contains(o.Reason, "takes long")
	})
	kill(t, r.Instances[two.ID].PID)
	h.eventually("the other one started again", func(now cluster.Report) bool {
		return now.Instances[two.ID].Linked && now.Instances[two.ID].PID != r.Instances[two.ID].PID
	})
	answer()
	h.eventually("both", func(r cluster.Report) bool {
		return r.Instances[one.ID].State == cluster.Up && r.Instances[two.ID].Linked
	})
}

// A disk that does not even list its folders is named, and the host goes on telling of what
// runs, on the board of now: others wait for its word before they promote anybody.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	h.stop()
	var hangs atomic.Bool
	answers := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answers) })
	h.scan = func(root string) ([]string, error) {
		if hangs.Load() {
			<-answers
		}
		return engine.Scan(root)
	}
	h.reports = nil
	h.start()
	t.Cleanup(answer)
	silent := func(r cluster.Report) bool {
		return len(r.Troubles) == 1 && r.Troubles[0].Code == cluster.CodeDiskSilent
	}
	up := func(r cluster.Report) bool {
		return r.Instances[one.ID].State == cluster.Up && r.Instances[two.ID].Linked
	}
	r := h.eventually("both", up)
	hangs.Store(true)
	h.eventually("the disk named", func(r cluster.Report) bool { return up(r) && silent(r) })
	d := h.Board().Databases[1]
	d.MemorySize *= 2
	h.commit(t, raw{cluster.Change{Put: []cluster.Object{d}}})
	kill(t, r.Instances[one.ID].PID)
	h.eventually("the master gone, on the newest board", func(r cluster.Report) bool {
		return silent(r) && r.Instances[one.ID].State == cluster.Absent && r.Instances[two.ID].State == cluster.Up && r.Host.DataFolder == h.dir
	})
	answer()
	h.eventually("no word of the disk", func(r cluster.Report) bool { return len(r.Troubles) == 0 })
}
