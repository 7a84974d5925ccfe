package maintenance_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// whole is a database of two slot ranges whose masters stand on node 1.
func whole(t *testing.T) *world {
	w := newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.tick()
	w.addDatabase(cluster.Database{Name: "a", MemorySize: 100 * mega, ShardsCount: 2, Replication: true},
		cluster.Placement{Masters: []int{1, 1}, Replicas: []int{2, 3}, Endpoint: 1})
	return w
}

func TestFailoverGoesOnAfterACrashBehindEveryCommand(t *testing.T) {
	for quota := 0; ; quota++ {
		w := whole(t)
		id := w.enqueue(cluster.ShardFailover, 0, cluster.MaintenanceOptions{Shards: []int{1, 3}}, "")
		w.quota = quota
		w.carry()
		if a := w.board.Actions[id]; a.Status != cluster.ActionCompleted || w.board.Ranges[w.board.Shards[2].Range].Master.Shard != 2 {
			t.Fatalf("crash behind %d commands: %+v\n%s", quota, a, w)
		}
		if w.crashes == 0 {
			return
		}
	}
}

func TestMigrationGoesOnAfterACrashBehindEveryCommand(t *testing.T) {
	for quota := 0; ; quota++ {
		w := whole(t)
		id := w.enqueue(cluster.MigrateShards, 3, cluster.MaintenanceOptions{Shards: []int{1}, PreserveRoles: true}, "")
		w.quota = quota
		w.carry()
		s := w.board.Shards[1]
		if a := w.board.Actions[id]; a.Status != cluster.ActionCompleted || w.board.NodeOf(s) != 3 || w.board.RoleOf(s) != cluster.Master {
			t.Fatalf("crash behind %d commands: %+v\n%s", quota, a, w)
		}
		if w.crashes == 0 {
			return
		}
	}
}

// Whatever has the shard's slots in hand keeps others away.
func TestFailoverRefusesBusyShards(t *testing.T) {
	w := whole(t)
	on := w.enqueue(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{}, "")
	w.before(on, "AddInstance")
	err := maintenance.Refusals(maintenance.Preflight(w.view(), 0, cluster.ShardFailover, cluster.MaintenanceOptions{Shards: []int{1}}))
	if err == nil || cluster.CodeOf(err) != cluster.CodeBusy {
		t.Errorf("a shard whose partner is being moved: %v", err)
	}
	err = maintenance.Refusals(maintenance.Preflight(w.view(), 3, cluster.MigrateShards, cluster.MaintenanceOptions{Shards: []int{2}}))
	if err == nil || cluster.CodeOf(err) != cluster.CodeBusy {
		t.Errorf("a shard of a node that is being emptied: %v", err)
	}
	other := cluster.EnqueueAction{Action: cluster.Action{ID: "x", Name: cluster.ShardFailover, Database: 1}}
	w.apply(other)
	other.Action.ID = "y"
	if _, err := other.Apply(w.board); cluster.CodeOf(err) != cluster.CodeBusy {
		t.Errorf("a second action on the database: %v", err)
	}
}
