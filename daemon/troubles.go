package daemon

import (
	"context"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/store"
)

const (
	// lowDisk is what has to be free for the quorum to write its log for a while:
	// its member takes 64 MiB at a time, and ends where it gets none.
	lowDisk = 256 << 20
	// lowFiles is the part of the allowed open files that may be in use.
	lowFiles = 0.9
)

// diskEvery is the pause between two looks at the disk.
const diskEvery = time.Second

// onDisk is what a look at the disk shows.
type onDisk struct {
	backups  cluster.StateBackups
	troubles []*cluster.Error
}

// watchDisk looks at the disk beside what reports: it may not answer, which the agent
// tells. The proxy lives for months, so its log is kept short meanwhile.
func (r *rooms) watchDisk(ctx context.Context) error {
	tick := time.NewTicker(diskEvery)
	defer tick.Stop()
	for {
		r.disk.Store(&onDisk{r.backupReport(), r.diskTroubles()})
		if err := engine.TrimLog(r.cfg.proxyLog()); err != nil {
			r.log.Warn("the proxy's log could not be cut", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// diskTroubles are what is amiss with the disks of the data folder.
func (r *rooms) diskTroubles() (list []*cluster.Error) {
	for i, folder := range []string{r.cfg.Data, r.cfg.shards()} {
		free, err := store.Free(folder)
		if i > 0 && (err != nil || sameDisk(folder, r.cfg.Data)) {
			continue // it is not made yet, or told already
		}
		if trouble := diskTrouble(folder, free, err); trouble != nil {
			list = append(list, trouble)
		}
	}
	return list
}

// troubles are what else is amiss with this host itself, for the leader to show.
func (r *rooms) troubles(now time.Time) []*cluster.Error {
	failed := ""
	if f := r.renewalFailed.Load(); f != nil {
		failed = *f
	}
	list := []*cluster.Error{certificateTrouble(r.node, r.credential.Identity(), failed, now), r.store.Space().Trouble(r.node), filesTrouble()}
	return slices.DeleteFunc(list, func(trouble *cluster.Error) bool { return trouble == nil })
}

func diskTrouble(folder string, free int64, err error) *cluster.Error {
	const hint = "make space: on a full disk databases with append-only files take no writes, and a daemon whose host votes ends until there is some"
	switch {
	case err != nil:
		return cluster.Refuse(cluster.CodeDiskFull, "look after the disk: it can not even be asked how full it is", "%v", err)
	case free < 1<<20:
		return cluster.Refuse(cluster.CodeDiskFull, hint, "the disk of %s is full", folder)
	case free < lowDisk:
		return cluster.Refuse(cluster.CodeDiskFull, hint, "the disk of %s has only %d MiB left", folder, free>>20)
	}
	return nil
}

func sameDisk(a, b string) bool {
	var one, other unix.Stat_t
	return unix.Stat(a, &one) == nil && unix.Stat(b, &other) == nil && one.Dev == other.Dev
}

func filesTrouble() *cluster.Error {
	var limit unix.Rlimit
	open, err := os.ReadDir("/proc/self/fd")
	switch {
	case unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil:
		return nil
	case err != nil: // reading it takes one, too
		return filesUsed(limit.Cur, limit.Cur)
	}
	return filesUsed(uint64(len(open)), limit.Cur)
}

func filesUsed(open, limit uint64) *cluster.Error {
	if float64(open) < lowFiles*float64(limit) {
		return nil
	}
	return cluster.Refuse(cluster.CodeOutOfFiles, "raise the limit of the service (systemd: LimitNOFILE) and start the daemon again; databases run on meanwhile",
		"its daemon has %d of %d allowed files open", open, limit)
}
