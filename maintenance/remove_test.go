package maintenance_test

import (
	"slices"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func TestRemovalIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		voters, clients int
		down            []int
		leader, node    int
		code            cluster.Code // "" for allowed
		notes           int
	}{
		"one of three":                {voters: 3, leader: 1, node: 3, notes: 1},
		"a dead one of three":         {voters: 3, down: []int{3}, leader: 1, node: 3, notes: 1},
		"a live one beside a dead":    {voters: 3, down: []int{2}, leader: 1, node: 3, code: cluster.CodeQuorumWouldBeLost, notes: 1},
		"one of five":                 {voters: 5, leader: 1, node: 5, notes: 1},
		"one of five beside a dead":   {voters: 5, down: []int{4}, leader: 1, node: 5, notes: 1},
		"one of five beside two dead": {voters: 5, down: []int{3, 4}, leader: 1, node: 5, code: cluster.CodeQuorumWouldBeLost, notes: 1},
		"one of two":                  {voters: 2, leader: 1, node: 2},
		"the cluster master":          {voters: 3, leader: 1, node: 1, code: cluster.CodeIsMaster, notes: 1},
		"the last":                    {voters: 1, leader: 1, node: 1, code: cluster.CodeLastNode},
		"one without a vote":          {voters: 1, clients: 1, leader: 1, node: 2},
		"a dead one without a vote":   {voters: 1, clients: 1, down: []int{2}, leader: 1, node: 2},
		"nobody":                      {voters: 1, leader: 1, node: 9, code: cluster.CodeNodeNotFound},
	} {
		w := newWorld(t)
		for range c.voters {
			w.addNode(1000*mega, "", cluster.Voter)
		}
		for range c.clients {
			w.addNode(1000*mega, "", cluster.Client)
		}
		w.leader = c.leader
		w.tick()
		for _, n := range c.down {
			w.hosts[n].up = false
		}
		v := w.view()
		err := maintenance.Refusals(maintenance.Preflight(v, c.node, cluster.RemoveNode, cluster.MaintenanceOptions{}))
		if got := cluster.CodeOf(err); err == nil && c.code != "" || err != nil && got != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if notes := maintenance.RemovalNotes(v, c.node); len(notes) != c.notes {
			t.Errorf("%s: %v", name, notes)
		}
	}
}

// A learner takes the place of a voter that goes: nobody else has to join.
func TestRemovalNotesKnowWhoVotesNext(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.addNode(1000*mega, "", cluster.Learner)
	w.leader = 1
	w.tick()
	if notes := maintenance.RemovalNotes(w.view(), 3); len(notes) != 0 {
		t.Errorf("a learner is up: %v", notes)
	}
	w.hosts[4].up = false
	w.tick()
	want := []string{"2 nodes vote then, an even number, and the cluster bears the loss of 0 of them: start node:4, which then votes, too"}
	if notes := maintenance.RemovalNotes(w.view(), 3); !slices.Equal(notes, want) {
		t.Errorf("it is down: %v", notes)
	}
}

func TestRemovalNamesWhatTheNodeCarries(t *testing.T) {
	w, _ := pair(t)
	for node, want := range map[int]string{
		1: "node:1 still carries redis:1, endpoint:1:1",
		2: "node:2 still carries redis:2",
	} {
		w.leader = 3
		f := maintenance.DryRun(w.view(), node, cluster.RemoveNode, cluster.MaintenanceOptions{}, "")
		found := false
		for _, c := range f.Checks {
			found = found || c.Error != nil && c.Error.Message == want && c.Error.Code == cluster.CodeBusy
		}
		if !found {
			t.Errorf("node:%d: %+v", node, f.Checks)
		}
	}
}

// A live node is let go once it is seen to be empty, a dead one at once.
func TestRemovalWaitsUntilTheNodeIsSeenEmpty(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.tick()
	id := w.enqueue(cluster.RemoveNode, 3, cluster.MaintenanceOptions{}, "")
	w.before(id, "BeginRemoval")
	for _, c := range maintenance.Next(w.view(), w.board.Actions[id], w.newID) {
		w.apply(c)
	}
	v, stray := w.view(), cluster.InstanceID{Shard: 9, Incarnation: 1}
	a := v.Actions[id]
	if !a.Marked || v.Nodes[3].Removing != id {
		t.Fatalf("%+v", a)
	}
	if maintenance.MayLeave(v, a) {
		t.Error("its last report is older than the removal")
	}
	w.tick()
	v = w.view()
	if !maintenance.MayLeave(v, a) {
		t.Errorf("empty and not let go: %s", maintenance.ProgressOf(v, a).Waiting)
	}
	v.Reports[3].Instances[stray] = cluster.Observed{State: cluster.Up}
	if maintenance.MayLeave(v, a) || maintenance.ProgressOf(v, a).Waiting != "a process of redis:9 is still on node:3" {
		t.Error(maintenance.ProgressOf(v, a).Waiting)
	}
	delete(v.Alive, 3)
	if !maintenance.MayLeave(v, a) {
		t.Error("dead and not let go")
	}
}
