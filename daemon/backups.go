package daemon

import (
	"cmp"
	"context"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/store"
)

// backupEvery is how often a host with a member saves the cluster's state.
const backupEvery = time.Hour

func (c Config) backups() string { return c.path("backups") }

// keepBackups saves the cluster's state when the daemon starts, or as soon as there
// is a cluster, and then every hour. What goes wrong is reported, and tried again at
// the next turn.
func (r *rooms) keepBackups(ctx context.Context) error {
	looking, stop := context.WithCancel(ctx)
	defer stop()
	if !r.store.Member() || !formed(r.store.Subscribe(looking)) {
		return nil
	}
	stop()
	tick := time.NewTicker(backupEvery)
	defer tick.Stop()
	for r.store.Member() {
		r.backUp()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// formed waits for a board with a cluster on it, which may just be being made. False:
// none came.
func formed(boards <-chan *cluster.Board) bool {
	for b := range boards {
		if b.Cluster.ID != "" {
			return true
		}
	}
	return false
}

// backUp saves the state and remembers what came of it for the reports.
func (r *rooms) backUp() {
	if r.store.Board().Cluster.ID == "" {
		return // it is just being made
	}
	_, err := r.store.Save(r.cfg.backups(), time.Now())
	failed := ""
	if err != nil {
		r.log.Error("the cluster's state was not saved", "error", err)
		failed = err.Error()
	}
	r.backupFailed.Store(&failed)
}

// backupReport tells the leader what this host has.
func (r *rooms) backupReport() cluster.StateBackups {
	var report cluster.StateBackups
	if failed := r.backupFailed.Load(); failed != nil {
		report.Failed = *failed
	}
	list, err := store.Backups(r.cfg.backups())
	if err != nil {
		report.Failed = cmp.Or(report.Failed, err.Error())
	}
	if len(list) > 0 {
		report.Count, report.Newest, report.Revision = len(list), list[0].Time, list[0].Revision
	}
	return report
}

// Log implements api.Node.
func (d *Daemon) Log(ctx context.Context, from, to time.Time, limit, offset int, desc bool) ([]cluster.Entry, error) {
	r := d.inCluster()
	if r == nil {
		return nil, cluster.Refuse(cluster.CodeNotBootstrapped, "haulout cluster create, or haulout cluster join", "this host belongs to no cluster")
	}
	return r.store.Log(ctx, from, to, limit, offset, desc)
}

// SaveState implements api.Node.
func (d *Daemon) SaveState(context.Context) (api.StateBackup, error) {
	r := d.inCluster()
	if r == nil {
		return api.StateBackup{}, cluster.Refuse(cluster.CodeNotBootstrapped, "haulout cluster create, or haulout cluster join", "this host belongs to no cluster")
	}
	if !r.store.Member() {
		return api.StateBackup{}, cluster.Refuse(cluster.CodeNodeNotVoter, "ask a node that votes", "node:%d holds no copy of the cluster's state", r.node)
	}
	b, err := r.store.Save(r.cfg.backups(), time.Now())
	return api.StateBackup{Path: b.Path, Time: b.Time, Revision: b.Revision, Size: b.Size}, err
}
