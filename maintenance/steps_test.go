package maintenance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// decide is what comes next for the action, by the names of the commands
// and the steps of bindings.
func (w *world) decide(action string) []string {
	var names []string
	for _, c := range maintenance.Next(w.view(), w.board.Actions[action], w.newID) {
		name := strings.TrimPrefix(fmt.Sprintf("%T", c), "cluster.")
		if b, is := c.(cluster.Bind); is {
			name += " " + string(b.Step)
		}
		names = append(names, name)
	}
	return names
}

// before lets the leader work until the command would be the next.
func (w *world) before(action, command string) {
	w.t.Helper()
	for range 500 {
		if slices.Contains(w.decide(action), command) {
			return
		}
		commands := maintenance.Next(w.view(), w.board.Actions[action], w.newID)
		for _, c := range commands {
			w.apply(c)
		}
		if len(commands) == 0 {
			w.tick()
		}
	}
	w.t.Fatalf("%s never comes\n%s", command, w)
}

// pair is a database whose replica has to leave node 2.
func pair(t *testing.T) (w *world, on string) {
	return pairBoundTo(t, 1, cluster.MaintenanceOptions{})
}

func pairBoundTo(t *testing.T, endpoint int, o cluster.MaintenanceOptions) (w *world, on string) {
	w = newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.tick()
	w.addDatabase(cluster.Database{Name: "a", MemorySize: 100 * mega, ShardsCount: 1, Replication: true}, cluster.Placement{Masters: []int{1}, Replicas: []int{2}, Endpoint: endpoint})
	return w, w.enqueue(cluster.MaintenanceOn, 2, o, "")
}

// bound is a database whose endpoint alone has to leave node 2.
func bound(t *testing.T) (w *world, on string) {
	return pairBoundTo(t, 2, cluster.MaintenanceOptions{KeepSlaveShards: true})
}

// single is a database without a replica, whose master has to leave node 2.
func single(t *testing.T) (w *world, on string) {
	w = newWorld(t)
	for range 3 {
		w.addNode(1000*mega, "", cluster.Voter)
	}
	w.tick()
	w.addDatabase(cluster.Database{Name: "a", MemorySize: 100 * mega, ShardsCount: 1}, cluster.Placement{Masters: []int{2}, Endpoint: 1})
	return w, w.enqueue(cluster.MaintenanceOn, 2, cluster.MaintenanceOptions{}, "")
}

// alter changes what the report of the instance's host shows of it.
func (w *world) alter(id cluster.InstanceID, change func(*cluster.Observed)) {
	h := w.hosts[w.board.Instances[id].Node]
	o := h.report.Instances[id]
	change(&o)
	h.report.Instances[id] = o
}

func instance(shard, incarnation int) cluster.InstanceID {
	return cluster.InstanceID{Shard: shard, Incarnation: incarnation}
}

// What is seen decides, step by step: each case stands before a command, and
// changes what the hosts show.
func TestStepsFollowWhatIsSeen(t *testing.T) {
	master, copied, lone := instance(1, 1), instance(2, 2), instance(1, 2)
	type change = func(w *world)
	seen := func(id cluster.InstanceID, f func(*cluster.Observed)) change {
		return func(w *world) { w.alter(id, f) }
	}
	later := func(d time.Duration, then change) change { return func(w *world) { then(w); w.now = w.now.Add(d) } }
	deaf := func(node int) change { return func(w *world) { w.hosts[node].report.Revision-- } }
	parted := func(node, from int) change { // the master of the database being on node 3
		return func(w *world) {
			i := w.board.Instances[master]
			i.Node = 3
			w.board = w.board.With(w.board.Revision, cluster.Change{Put: []cluster.Object{i}})
			w.hosts[node].report.Unreached = []int{from}
		}
	}
	drop := []string{"DropInstance", "FinishMove"}
	none := func(*world) {}
	tests := []struct {
		name   string
		make   func(*testing.T) (*world, string)
		before string
		change change
		want   []string
	}{
		{"the copy is complete", pair, "Repoint", none, []string{"Repoint"}},
		{"it has its master's second history", pair, "Repoint", seen(master, func(o *cluster.Observed) { o.ReplicationID, o.ReplicationID2 = "new", o.ReplicationID }), []string{"Repoint"}},
		{"it has another history", pair, "Repoint", seen(copied, func(o *cluster.Observed) { o.ReplicationID = "other" }), drop},
		{"its master is shown as it was before it became one", pair, "Repoint", seen(master, func(o *cluster.Observed) { o.Role, o.ReplicationID = cluster.Slave, "old" }), nil},
		{"its master is not shown as one for minutes", pair, "Repoint", later(4*time.Minute, seen(master, func(o *cluster.Observed) { o.Role, o.ReplicationID = cluster.Slave, "old" })), drop},
		{"its master does not remember its offset", pair, "Repoint", seen(master, func(o *cluster.Observed) { o.BacklogFirst = o.Offset + 5 }), drop},
		{"it is not linked", pair, "Repoint", seen(copied, func(o *cluster.Observed) { o.Linked = false }), nil},
		{"it follows somebody else", pair, "Repoint", seen(copied, func(o *cluster.Observed) { o.Source = "127.0.0.9:1" }), nil},
		{"it is still being copied", pair, "Repoint", seen(copied, func(o *cluster.Observed) { o.Syncing = true }), nil},
		{"it is still being copied after minutes", pair, "Repoint", later(3*time.Minute, seen(copied, func(o *cluster.Observed) { o.Syncing = true })), drop},
		{"it crashed", pair, "Repoint", seen(copied, func(o *cluster.Observed) { o.State = cluster.Absent }), nil},
		{"it crashed and does not start", pair, "Repoint", later(2*time.Minute, seen(copied, func(o *cluster.Observed) { o.State = cluster.Absent })), drop},
		{"its master does not answer", pair, "Repoint", seen(master, func(o *cluster.Observed) { o.State = cluster.Unresponsive }), nil},
		{"its master does not answer for minutes", pair, "Repoint", later(4*time.Minute, seen(master, func(o *cluster.Observed) { o.State = cluster.Unresponsive })), drop},

		{"the copy follows the master", pair, "SwitchInstance", none, []string{"SwitchInstance"}},
		{"its master has just become one", pair, "SwitchInstance", seen(master, func(o *cluster.Observed) { o.Role = cluster.Slave }), nil},
		{"its files are not written yet", pair, "SwitchInstance", seen(copied, func(o *cluster.Observed) { o.Unsaved = true }), nil},
		{"it is far behind", pair, "SwitchInstance", seen(copied, func(o *cluster.Observed) { o.Offset -= 5 << 20 }), nil},
		{"it is far behind for minutes", pair, "SwitchInstance", later(4*time.Minute, seen(copied, func(o *cluster.Observed) { o.Offset -= 5 << 20 })), drop},
		{"it is a little behind", pair, "SwitchInstance", seen(copied, func(o *cluster.Observed) { o.Offset -= 1 << 20 }), []string{"SwitchInstance"}},

		{"the temporary replica is in sync", single, "OpenHandover", none, []string{"OpenHandover"}},
		{"its files are not written yet", single, "OpenHandover", seen(lone, func(o *cluster.Observed) { o.Unsaved = true }), nil},
		{"its files are not written for minutes", single, "OpenHandover", later(4*time.Minute, seen(lone, func(o *cluster.Observed) { o.Unsaved = true })), drop},
		{"it lags", single, "OpenHandover", seen(lone, func(o *cluster.Observed) { o.Offset -= 5 << 20 }), nil},
		{"another hand-over goes on on its node", single, "OpenHandover", func(w *world) {
			other := cluster.SlotRange{ID: cluster.RangeID{Database: 9}, Master: lone, Handover: &cluster.Handover{ID: "x", From: lone, To: lone}}
			w.board = w.board.With(w.board.Revision, cluster.Change{Put: []cluster.Object{other}})
		}, nil},

		{"the connections have left", bound, "Bind close", none, []string{"Bind close"}},
		{"who asked just before may still come", bound, "Bind close", func(w *world) {
			e := w.board.Endpoints[cluster.EndpointID{Database: 1, Index: 1}]
			e.Told = w.now
			w.board = w.board.With(w.board.Revision, cluster.Change{Put: []cluster.Object{e}})
		}, nil},
		{"one is still there", bound, "Bind close", func(w *world) {
			w.hosts[2].report.Proxy.Endpoints[cluster.EndpointID{Database: 1, Index: 1}] = cluster.EndpointState{Listening: true, Connections: 1}
		}, nil},
		{"the new listener is there", bound, "Bind switch", none, []string{"Bind switch"}},
		{"its host was heard before it was ordered", bound, "Bind switch", deaf(1), nil},
		{"its proxy is down", bound, "Bind switch", func(w *world) { w.hosts[1].report.Proxy.Up = false }, nil},
		{"its host went down", bound, "Bind switch", func(w *world) { w.hosts[1].up = false }, []string{"Bind undo", "FinishMove"}},
		{"its host does not reach the masters", bound, "Bind switch", parted(1, 3), nil},
		{"its host does not reach the masters for long", bound, "Bind switch", later(time.Minute, parted(1, 3)), []string{"Bind undo", "FinishMove"}},
		{"its host does not reach somebody else", bound, "Bind switch", parted(1, 2), []string{"Bind switch"}},
		{"it is being bound to another node", bound, "Bind switch", func(w *world) {
			e := w.board.Endpoints[cluster.EndpointID{Database: 1, Index: 1}]
			e.Opening = []int{3}
			w.board = w.board.With(w.board.Revision, cluster.Change{Put: []cluster.Object{e}})
		}, []string{"Bind undo"}},
		{"the node is as planned", pair, "CompleteOn", none, []string{"CompleteOn"}},
		{"it has not been heard", pair, "CompleteOn", deaf(2), nil},
		{"it has not been heard for minutes", pair, "CompleteOn", later(3*time.Minute, deaf(2)), []string{"FailAction"}},
		{"a process is still there", pair, "CompleteOn", func(w *world) {
			w.hosts[2].report.Instances[instance(2, 1)] = cluster.Observed{State: cluster.Up}
		}, nil},
		{"a listener is still there", pair, "CompleteOn", func(w *world) {
			w.hosts[2].report.Proxy.Endpoints[cluster.EndpointID{Database: 1, Index: 1}] = cluster.EndpointState{Listening: true}
		}, nil},
		{"the master of a kept slave is not seen serving", bound, "CompleteOn", func(w *world) {
			w.hosts[1].report.Instances[instance(1, 1)] = cluster.Observed{State: cluster.Up, Role: cluster.Slave}
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.before+"/"+test.name, func(t *testing.T) {
			w, on := test.make(t)
			w.before(on, test.before)
			test.change(w)
			if got := w.decide(on); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// A slot range that is being handed over is nobody's to move.
func TestPreflightWaitsForHandovers(t *testing.T) {
	w, _ := pair(t)
	w.carry()
	r := w.board.Ranges[cluster.RangeID{Database: 1}]
	w.apply(cluster.OpenHandover{ID: "x", To: w.board.Shards[2].Instance, Unplanned: true})
	err := maintenance.Refusals(maintenance.Preflight(w.view(), w.board.Instances[r.Master].Node, cluster.MaintenanceOn, cluster.MaintenanceOptions{IgnoreChecks: []string{"quorum"}}))
	if cluster.CodeOf(err) != cluster.CodeBusy {
		t.Errorf("%v", err)
	}
}

// A failed attempt is followed by a pause, longer each time.
func TestAttemptsPause(t *testing.T) {
	w, on := single(t)
	w.refuse[1] = 9
	var starts []time.Time
	for range 500 {
		commands := maintenance.Next(w.view(), w.board.Actions[on], w.newID)
		for _, c := range commands {
			if _, is := c.(cluster.StartMove); is {
				starts = append(starts, w.now)
			}
			w.apply(c)
		}
		if len(commands) == 0 {
			w.tick()
		}
	}
	if len(starts) != 5 || starts[4].Sub(starts[3]) < 8*time.Second || starts[2].Sub(starts[1]) < 2*time.Second {
		t.Errorf("%v", starts)
	}
}

// The same for the way back.
func TestReturnIsSeen(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world)
		want   []string
	}{
		"all is seen":                {func(*world) {}, []string{"CompleteOff"}},
		"it has not been heard":      {func(w *world) { w.hosts[2].report.Revision-- }, nil},
		"a shard is not up":          {func(w *world) { w.alter(instance(2, 3), func(o *cluster.Observed) { o.State = cluster.Loading }) }, nil},
		"a shard has the other role": {func(w *world) { w.alter(instance(2, 3), func(o *cluster.Observed) { o.Role = cluster.Master }) }, nil},
		"an endpoint does not listen": {func(w *world) {
			w.hosts[2].report.Proxy.Endpoints[cluster.EndpointID{Database: 1, Index: 1}] = cluster.EndpointState{}
		}, nil},
		"not for minutes": {func(w *world) { w.hosts[2].report.Revision--; w.now = w.now.Add(3 * time.Minute) }, []string{"FailAction"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := pairBoundTo(t, 2, cluster.MaintenanceOptions{})
			w.carry()
			off := w.enqueue(cluster.MaintenanceOff, 2, cluster.MaintenanceOptions{}, "")
			w.before(off, "CompleteOff")
			test.change(w)
			if got := w.decide(off); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// A new leader decides nothing before every live host has reported once.
func TestNewLeaderListensFirst(t *testing.T) {
	w, on := pair(t)
	w.hosts[3].sequence = 0 // as if it had not reported
	if got := w.decide(on); got != nil {
		t.Errorf("decided %v without node:3", got)
	}
	if p := maintenance.ProgressOf(w.view(), w.board.Actions[on]); !strings.Contains(p.Waiting, "node:3") || p.Percent != 0 {
		t.Errorf("%+v", p)
	}
	w.now = w.now.Add(time.Minute)
	if got := w.decide(on); !slices.Equal(got, []string{"FailAction"}) {
		t.Errorf("after a minute: %v", got)
	}
}

// What is not known is not late: a copy outlives a leader that has heard nothing.
func TestUnheardHostsAreNotLate(t *testing.T) {
	w, on := pair(t)
	w.before(on, "Repoint")
	w.alter(instance(2, 2), func(o *cluster.Observed) { o.Syncing = true })
	w.hosts[3].sequence = 0
	w.now = w.now.Add(3 * time.Minute)
	if got := w.decide(on); got != nil {
		t.Errorf("decided %v about a copy it has not heard of", got)
	}
	w.now = w.now.Add(3 * time.Minute)
	if got := w.decide(on); len(got) == 0 {
		t.Error("waits for ever")
	}
}

// The next attempt of a copy that does not start tries another port.
func TestFurtherAttemptsUseAnotherPort(t *testing.T) {
	w, on := pair(t)
	w.wedged[3] = true
	var ports []int
	for range 2000 {
		commands := maintenance.Next(w.view(), w.board.Actions[on], w.newID)
		for _, c := range commands {
			w.apply(c)
			if _, is := c.(cluster.AddInstance); is {
				for _, i := range w.board.InstancesOn(3) {
					ports = append(ports, i.Port)
				}
			}
		}
		if len(commands) == 0 {
			w.tick()
		}
	}
	if len(ports) != 3 || ports[0] == ports[1] || ports[1] == ports[2] {
		t.Errorf("%v", ports)
	}
}

// Progress grows with what is copied and done.
func TestProgress(t *testing.T) {
	w, on := pair(t)
	w.rate = 3 * mega
	last := 0.0
	for w.board.Actions[on].Status != cluster.ActionCompleted {
		p := maintenance.ProgressOf(w.view(), w.board.Actions[on])
		if p.Percent < last {
			t.Fatalf("from %v back to %v", last, p.Percent)
		}
		if last = p.Percent; p.Percent > 0 && p.Percent < 100 && p.SecondsLeft < 0 {
			t.Errorf("%+v", p)
		}
		w.carryFor(time.Second)
	}
	p := maintenance.ProgressOf(w.view(), w.board.Actions[on])
	if p.Percent != 100 || p.BytesDone != p.BytesTotal || p.BytesTotal == 0 || p.SecondsLeft != 0 || p.Waiting != "" {
		t.Errorf("%+v", p)
	}
}

// Who waits without end must not keep the others from hearing of the new address.
func TestAnnouncedWhenOnlyWaitingClientsAreLeft(t *testing.T) {
	for waiting, want := range map[int]bool{0: false, 2: false, 3: true} {
		w, on := pairBoundTo(t, 2, cluster.MaintenanceOptions{})
		w.clients["1:1"] = 3
		w.before(on, "Bind switch")
		for _, c := range maintenance.Next(w.view(), w.board.Actions[on], w.newID) {
			w.apply(c)
		}
		w.tick()
		v := w.view()
		id := cluster.EndpointID{Database: 1, Index: 1}
		s := v.Reports[2].Proxy.Endpoints[id]
		if s.Connections != 3 {
			t.Fatalf("%d connections left, want 3", s.Connections)
		}
		s.Waiting = waiting
		v.Reports[2].Proxy.Endpoints[id] = s
		announced := slices.ContainsFunc(maintenance.Next(v, w.board.Actions[on], w.newID), func(c cluster.Command) bool {
			b, is := c.(cluster.Bind)
			return is && b.Step == cluster.BindAnnounce
		})
		if announced != want {
			t.Errorf("%d of 3 wait: announced %v, want %v", waiting, announced, want)
		}
	}
}
