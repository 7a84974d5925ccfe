package agent

import (
	"context"
	"os"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// onDisk is what was last seen where a disk has to be asked.
type onDisk struct {
	folders []string // of instances
	host    cluster.Host
	program engine.Binary // of which a process would be started
}

// lookAtDisk sees what is there. A disk that does not answer keeps nobody from hearing of
// the host: what was seen before holds. False: nothing was seen yet, and nothing can be told.
func (a *Agent) lookAtDisk(ctx context.Context) bool {
	a.tryToWrite()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnFor)
	defer cancel()
	if seen, over := a.disk.run(limit, &a.converging, a.glance); over {
		a.onDisk = &seen
	}
	return a.onDisk != nil
}

// writeEvery is the pause between two writes that only show whether the disk takes them.
const writeEvery = time.Second

// tryToWrite says when the folder was last changed, and waits for nothing. Much of what is
// read stands in memory, so that a disk which hangs may show it only so.
func (a *Agent) tryToWrite() {
	if now := time.Now(); now.Sub(a.writing.since) > writeEvery {
		a.writing.begin(&a.converging, func() error { return os.Chtimes(a.cfg.Shards, now, now) }) // it may not be made yet
	}
}

func (a *Agent) glance() onDisk {
	folders, err := a.scan(a.cfg.Shards)
	if err != nil {
		a.cfg.Logger.Error("instance folders can not be listed", "folder", a.cfg.Shards, "error", err)
	}
	return onDisk{folders, a.host(), a.program()}
}

// troubles says that the disk does not answer.
func (a *Agent) troubles() []*cluster.Error {
	took := max(a.disk.late(), a.writing.late())
	if took < turnFor {
		return nil
	}
	return []*cluster.Error{cluster.Refuse(cluster.CodeDiskSilent,
		"look after the disk, or where it is mounted from; masters on this node are replaced where there are copies, and nothing can be started on it",
		"the disk of %s has not answered for %v", a.cfg.Shards, took.Truncate(time.Second))}
}
