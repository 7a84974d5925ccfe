package maintenance_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// What the hosts of a world do by themselves.

// tick lets a second pass: hosts converge, copies grow, orders are carried out,
// reports are made.
func (w *world) tick() {
	w.now = w.now.Add(time.Second)
	for _, id := range slices.Sorted(maps.Keys(w.hosts)) {
		if h := w.hosts[id]; h.up {
			w.converge(id, h)
		}
	}
	w.handovers()
	w.recover()
	for range 3 { // replicas of replicas
		w.replicate()
	}
	w.checkWrites()
	for id, h := range w.hosts {
		if h.up && !h.mute {
			h.reported = w.now
			h.sequence++
			h.report = w.makeReport(id, h)
		}
	}
}

func (w *world) converge(id int, h *host) {
	for pid := range h.procs {
		if _, ordered := w.board.Instances[pid]; !ordered {
			delete(h.procs, pid)
		}
	}
	for _, i := range w.board.InstancesOn(id) {
		w.keep(h, i)
	}
	for _, e := range w.board.Endpoints {
		w.listen(id, h, e)
	}
	for eid := range h.listeners {
		if e, ok := w.board.Endpoints[eid]; !ok || !e.ServedBy(id) {
			delete(h.listeners, eid)
		}
	}
}

// keep starts an instance, or aims it at its source.
func (w *world) keep(h *host, i cluster.Instance) {
	p := h.procs[i.ID]
	if p == nil {
		if w.wedged[i.Node] {
			return
		}
		p = &proc{of: i, Observed: cluster.Observed{State: cluster.Up, Role: cluster.Slave, Engine: w.engines[i.Node], Dataset: w.board.Databases[i.Range.Database].ProcessMemory() / scale / 2}}
		if w.board.Ranges[i.Range].Master == i.ID {
			if i.Started {
				return // never started again as an empty master
			}
			p.Role, p.ReplicationID, p.BacklogFirst = cluster.Master, "r"+w.newID(), 1
		}
		h.procs[i.ID] = p
	}
	if p.Role == cluster.Slave {
		w.aim(p, i)
	}
}

func (w *world) aim(p *proc, i cluster.Instance) {
	source := w.board.Instances[i.Seed]
	if i.Seed.IsZero() {
		source = w.board.Instances[w.board.Ranges[i.Range].Master]
	}
	if source.ID == i.ID || source.ID.IsZero() {
		return
	}
	if to := fmt.Sprintf("%s:%d", w.board.Nodes[source.Node].Address, source.Port); p.Source != to {
		p.Source, p.Linked = to, false
	}
}

func (w *world) listen(id int, h *host, e cluster.Endpoint) {
	if !e.ServedBy(id) {
		return
	}
	s := h.listeners[e.ID]
	if s == nil {
		s = &cluster.EndpointState{Listening: !w.deaf[id]}
		if w.deaf[id] {
			s.Reason = "address already in use"
		}
		h.listeners[e.ID] = s
	}
	switch {
	case slices.Contains(e.Nodes, id):
		s.Connections, s.Drained, s.Cut = 10, 0, 0
	case slices.Contains(e.Draining, id):
		stay := w.clients[e.ID.String()]
		s.Drained += s.Connections - min(s.Connections, stay)
		s.Connections = min(s.Connections, stay)
	}
}

// handovers carries the open orders out, as the controller and the agents would.
func (w *world) handovers() {
	for _, r := range sortedRanges(w.board) {
		h := r.Handover
		if h == nil {
			continue
		}
		from, to := w.proc(h.From), w.proc(h.To)
		end := cluster.CloseHandover{At: w.now, Range: r.ID, ID: h.ID}
		switch {
		case w.refuse[h.To.Shard] > 0:
			w.refuse[h.To.Shard]--
			end.Reason = "the target fell behind"
		case from == nil || to == nil || !to.Linked || to.Source != w.address(h.From):
			end.Reason = "the target is not there"
		default:
			to.Offset = from.Offset
			to.Role, to.Linked, to.Source = cluster.Master, false, ""
			to.ReplicationID, to.ReplicationID2, to.BacklogFirst = "r"+w.newID(), to.ReplicationID, max(to.Offset-1<<20, 1)
			from.Role = cluster.Slave
			end.Moved, end.ReplID = true, to.ReplicationID
		}
		quota := w.quota // another process: the crash of the leader does not stop it
		w.quota = -1
		w.apply(end)
		w.quota = quota
	}
}

// replicate lets each replica take what its source has.
func (w *world) replicate() {
	for _, id := range slices.Sorted(maps.Keys(w.hosts)) {
		h := w.hosts[id]
		for _, p := range h.procs {
			if h.up && p.Role == cluster.Slave {
				w.follow(p)
			}
		}
	}
}

func (w *world) follow(p *proc) {
	source := w.at(p.Source)
	if source == nil || source.Role == cluster.Slave && !source.EverLinked {
		p.Linked = false
		return
	}
	if p.EverLinked && (p.ReplicationID == source.ReplicationID || p.ReplicationID == source.ReplicationID2) && p.Offset+1 >= source.BacklogFirst {
		p.Linked, p.ReplicationID, p.Offset, p.BacklogFirst = true, source.ReplicationID, source.Offset, max(p.BacklogFirst, 1)
		return
	}
	if !p.Engine.Loads(source.Engine) {
		p.Syncing, p.Linked, p.EverLinked = false, false, false
		return
	}
	if !p.Syncing {
		p.Syncing, p.Linked, p.EverLinked, p.SyncedBytes, p.SyncTotal = true, false, false, 0, source.Dataset
	}
	p.SyncedBytes += w.rate / 3
	if p.SyncedBytes >= p.SyncTotal {
		p.Syncing, p.Linked, p.EverLinked = false, true, true
		p.ReplicationID, p.Offset, p.BacklogFirst = source.ReplicationID, source.Offset, max(source.Offset, 1)
	}
}

func (w *world) proc(id cluster.InstanceID) *proc {
	h := w.hosts[w.board.Instances[id].Node]
	if h == nil || !h.up {
		return nil
	}
	return h.procs[id]
}

func (w *world) address(id cluster.InstanceID) string {
	i := w.board.Instances[id]
	return fmt.Sprintf("%s:%d", w.board.Nodes[i.Node].Address, i.Port)
}

func (w *world) at(address string) *proc {
	for _, h := range w.hosts {
		for _, p := range h.procs {
			if h.up && fmt.Sprintf("%s:%d", w.board.Nodes[p.of.Node].Address, p.of.Port) == address {
				return p
			}
		}
	}
	return nil
}

// checkWrites sees that each range has one master that has every write it ever
// acknowledged, and lets it take more.
func (w *world) checkWrites() {
	w.t.Helper()
	masters := map[cluster.RangeID]int{}
	for _, h := range w.hosts {
		for _, p := range h.procs {
			if p.Role == cluster.Master {
				masters[p.of.Range]++
			}
		}
	}
	for id, r := range w.board.Ranges {
		if masters[id] > 1 {
			w.t.Fatalf("%d masters of %s\n%s", masters[id], id, w)
		}
		p := w.proc(r.Master)
		if p == nil || p.Role != cluster.Master {
			continue
		}
		if p.Offset < w.acked[id] {
			w.t.Fatalf("master %s of %s is at %d and %d were acknowledged\n%s", r.Master, id, p.Offset, w.acked[id], w)
		}
		p.Offset += w.writes
		p.BacklogFirst = max(p.BacklogFirst, p.Offset-1<<20)
		w.acked[id] = p.Offset
	}
}

func (w *world) makeReport(id int, h *host) cluster.Report {
	r := cluster.Report{
		Node: id, Sequence: h.sequence, Revision: w.board.Revision, Engine: w.engines[id], Instances: map[cluster.InstanceID]cluster.Observed{},
		Proxy: cluster.ProxyReport{Up: true, Revision: w.board.Revision, Endpoints: map[cluster.EndpointID]cluster.EndpointState{}},
	}
	for _, i := range w.board.InstancesOn(id) {
		r.Instances[i.ID] = cluster.Observed{State: cluster.Absent, Reason: "it does not start"}
	}
	for pid, p := range h.procs {
		o := p.Observed
		o.Feeds = w.fedBy(fmt.Sprintf("%s:%d", w.board.Nodes[id].Address, p.of.Port))
		r.Instances[pid] = o
	}
	for eid, s := range h.listeners {
		r.Proxy.Endpoints[eid] = *s
	}
	return r
}

// fedBy returns who replicates from the address.
func (w *world) fedBy(source string) []string {
	var list []string
	for _, h := range w.hosts {
		for _, p := range h.procs {
			if h.up && p.Role == cluster.Slave && p.Linked && p.Source == source {
				list = append(list, fmt.Sprintf("%s:%d", w.board.Nodes[p.of.Node].Address, p.of.Port))
			}
		}
	}
	slices.Sort(list)
	return list
}
