package maintenance_test

import (
	"slices"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// A kept slave is the last copy as soon as its master does not answer.
func TestSafeSeesTheLastCopy(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.addDatabase(cluster.Database{Name: "cache", MemorySize: 100 * mega, ShardsCount: 1, Replication: true},
		cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	if _, err := w.request(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{KeepSlaveShards: true}, ""); err != nil {
		t.Fatal(err)
	}
	w.tick()
	v := w.view()
	if missing := maintenance.Safe(v, 2); len(missing) > 0 {
		t.Fatalf("missing: %v", missing)
	}
	for id := range w.board.Actions { // its status is forgotten, not what it asked for
		w.board = w.board.With(w.board.Revision+1, cluster.Change{Delete: []cluster.Key{{Kind: cluster.KindAction, ID: id}}})
	}
	w.tick()
	v = w.view()
	if missing := maintenance.Safe(v, 2); len(missing) > 0 || len(maintenance.Notes(v, 2)) == 0 {
		t.Fatalf("missing: %v", missing)
	}
	master := v.Ranges[cluster.RangeID{Database: 1}].Master
	v.Reports[1].Instances[master] = cluster.Observed{State: cluster.Unresponsive}
	want := []string{"redis:2 on node:2 would be the last copy of its slots: its master does not answer"}
	if missing := maintenance.Safe(v, 2); !slices.Equal(missing, want) {
		t.Errorf("missing: %v", missing)
	}
}

// A copy that is leaving is not told as one that is coming: who waits for it to go
// would look for what brings it.
func TestSafeTellsWhatIsLeaving(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.addDatabase(cluster.Database{Name: "cache", MemorySize: 100 * mega, ShardsCount: 1, Replication: true, MinReplicas: 1},
		cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: 1})
	if _, err := w.request(cluster.MaintenanceOn, 3, cluster.MaintenanceOptions{}, ""); err != nil {
		t.Fatal(err)
	}
	second := cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 2}, Range: cluster.RangeID{Database: 1}, Node: 3}
	for leaving, want := range map[bool]string{
		false: "a copy of redis:2 is on its way to node:3",
		true:  "a copy of redis:2 has yet to leave node:3: it may have what clients were told is kept, and the others have to have it first",
	} {
		second.Leaving = leaving
		v := w.view()
		v.Board = v.With(v.Revision+1, cluster.Change{Put: []cluster.Object{second}})
		if missing := maintenance.Safe(v, 3); !slices.Contains(missing, want) {
			t.Errorf("missing: %v", missing)
		}
	}
}

// What can not be carried out is refused before anything is touched.
func TestOptionsThatMeanNothing(t *testing.T) {
	w := newWorld(t)
	w.addNode(1000*mega, "", cluster.Voter)
	w.addNode(1000*mega, "", cluster.Client)
	w.tick()
	demote := cluster.MaintenanceOptions{DemoteNode: true, IgnoreChecks: []string{"quorum"}}
	if _, err := w.request(cluster.MaintenanceOn, 1, demote, ""); cluster.CodeOf(err) != cluster.CodeNodeNotVoter {
		t.Errorf("demote_node without another voter: %v", err)
	}
	w.leader = 2 // whoever does not lead has nothing to hand over
	if _, err := w.request(cluster.MaintenanceOn, 1, demote, ""); err != nil {
		t.Error(err)
	}
	w.enqueue(cluster.MaintenanceOn, 1, demote, "ben")
	w.carry()
	for _, o := range []cluster.MaintenanceOptions{{MaxConcurrent: 2}, {SkipShardsRestore: true}, {SnapshotName: "x"}} {
		if _, err := w.request(cluster.MaintenanceOff, 1, o, ""); cluster.CodeOf(err) != cluster.CodeBadRequest {
			t.Errorf("off %+v with %d holds: %v", o, len(w.board.Nodes[1].Maintenance.Holds), err)
		}
	}
}
