package controller

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

// What a master is replaced for, and what that cost, is in the activity: its own
// process can not say any more how far it was.
func TestLossIsTold(t *testing.T) {
	for _, x := range []struct {
		offset  int64 // of the new master
		whole   bool
		minimum int
		told    string
	}{
		{offset: 900, told: "at least 100 bytes that redis:1 had written are lost"},
		{offset: 1000, told: "all that redis:1 was seen to have"},
		{offset: 1100, minimum: 1, told: "no confirmed write is lost"},
		{offset: 1000, whole: true, told: "nothing is lost"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
				return cluster.Outcome{Result: cluster.Moved, ReplID: "second", Offset: x.offset, Whole: x.whole}, nil
			})
			defer o.resign()
			d := o.quorum.Board().Databases[rng.Database]
			d.MinReplicas = x.minimum
			o.quorum.edit(d)
			o.report(func(r *cluster.Report) {
				if r.Node == 1 {
					r.Instances[one] = cluster.Observed{State: cluster.Up, Role: cluster.Master, Offset: 1000, ReplicationID: "first"}
				}
			})
			for range 5 {
				o.report(func(r *cluster.Report) {
					if r.Node == 1 {
						r.Instances[one] = cluster.Observed{State: cluster.Absent}
					}
					shows(cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "first", EverLinked: true, Offset: x.offset})(r)
				})
				time.Sleep(turnEvery)
				synctest.Wait()
			}
			told := o.quorum.told("shard_failover_completed")
			if !strings.Contains(told, "its process has ended") || !strings.Contains(told, x.told) {
				t.Errorf("offset %d, min_replicas %d: %q", x.offset, x.minimum, told)
			}
		})
	}
}

// edit puts an object as nobody decided.
func (q *quorum) edit(o cluster.Object) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.board = q.board.With(q.board.Revision, cluster.Change{Put: []cluster.Object{o}})
}

// told is the reason in the last line of the activity that has the type.
func (q *quorum) told(kind string) (reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.log {
		if e.Type == kind {
			reason = e.Reason
		}
	}
	return reason
}
