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
	master := v.Ranges[cluster.RangeID{Database: 1}].Master
	v.Reports[1].Instances[master] = cluster.Observed{State: cluster.Unresponsive}
	want := []string{"redis:2 on node:2 would be the last copy of its slots: its master does not answer"}
	if missing := maintenance.Safe(v, 2); !slices.Equal(missing, want) {
		t.Errorf("missing: %v", missing)
	}
}
