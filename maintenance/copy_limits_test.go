package maintenance_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// max_slave_full_syncs and max_redis_forks bound the copies on a node, whatever the
// action allows.
func TestCopyLimits(t *testing.T) {
	one := 1
	for name, test := range map[string]struct {
		tune cluster.TuneNode
		most int
	}{
		"none":                         {cluster.TuneNode{Node: 1, MaxShards: new(50)}, 4},
		"one is made at a time":        {cluster.TuneNode{MaxFullSyncs: &one}, 2}, // the next begins when the copy is there
		"one is taken at a time":       {cluster.TuneNode{MaxForks: &one}, 2},     // the next begins while an old process leaves
		"any number is made and taken": {cluster.TuneNode{MaxForks: new(0), MaxFullSyncs: new(0)}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for range 2 {
				w.addNode(1000*mega, "", cluster.Voter)
			}
			w.addNode(1000*mega, "", cluster.Client)
			w.tick()
			w.addDatabase(cluster.Database{Name: "a", MemorySize: 100 * mega, ShardsCount: 4}, cluster.Placement{Masters: []int{3, 3, 3, 3}, Endpoint: 1})
			w.apply(cluster.TuneNode{Node: 2, QuorumOnly: new(true)})
			w.apply(test.tune)
			w.rate = mega
			on := w.enqueue(cluster.MaintenanceOn, 3, cluster.MaintenanceOptions{MaxConcurrent: 4}, "")
			most := 0
			for range 2000 {
				ended := w.carryFor(time.Second)
				running := 0
				for _, m := range w.board.Actions[on].Moves {
					if m.Status == cluster.MoveRunning && m.Kind == cluster.Migrate {
						running++
					}
				}
				most = max(most, running)
				if ended {
					break
				}
			}
			if a := w.board.Actions[on]; a.Status != cluster.ActionCompleted || most != test.most {
				t.Errorf("%s: %v, %d copies at a time, want %d", a.Status, a.Error, most, test.most)
			}
		})
	}
}
