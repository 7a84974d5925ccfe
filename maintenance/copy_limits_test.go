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

// The next copy begins a little before one is there, but not where people have said
// how many there may be.
func TestNextCopyBegins(t *testing.T) {
	const little = 128 * mega
	two := 2
	for name, test := range map[string]struct {
		asked int
		set   *int
		most  int
	}{
		"by the node's cores":          {0, nil, 3},
		"as asked":                     {two, nil, 2},
		"as the cluster is set":        {0, &two, 2},
		"asked for more than is set":   {3, &two, 3},
		"asked for fewer than are set": {1, &two, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for range 3 {
				w.addNode(10_000*mega, "", cluster.Voter) // of four cores: two copies
			}
			w.addDatabase(cluster.Database{Name: "a", MemorySize: 2000 * mega, ShardsCount: 5}, cluster.Placement{Masters: []int{3, 3, 3, 3, 3}, Endpoint: 1})
			if test.set != nil {
				w.apply(cluster.TuneCluster{ConcurrentMoves: test.set})
			}
			on := w.enqueue(cluster.MaintenanceOn, 3, cluster.MaintenanceOptions{MaxConcurrent: test.asked}, "")
			most := 0
			for ended := false; !ended; ended = w.carryFor(time.Second) {
				copies, far := 0, 0
				for _, m := range w.board.Actions[on].Moves {
					o, _ := w.view().Observed(m.Instance)
					if m.Status != cluster.MoveRunning || m.Kind != cluster.Migrate || o.EverLinked && !o.Syncing {
						continue
					}
					if copies++; m.Bytes-o.SyncedBytes > little {
						far++
					}
				}
				if most = max(most, copies); far > test.most || far > 2 && test.asked == 0 {
					t.Fatalf("%d copies have more than a little left\n%s", far, w)
				}
				if w.now.Sub(epoch) > time.Hour {
					t.Fatalf("no end\n%s", w)
				}
			}
			if a := w.board.Actions[on]; a.Status != cluster.ActionCompleted || most != test.most {
				t.Errorf("%s: %v, %d copies at a time, want %d", a.Status, a.Error, most, test.most)
			}
		})
	}
}
