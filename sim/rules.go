package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// written holds the board against the rules that hold after every commit.
func (w *World) written(before *cluster.Board, c cluster.Change) {
	b := w.quorum.board
	for _, e := range c.Log {
		w.tell("%s", e.Text)
		if e.Type == "shard_recovered" {
			w.recovered(b, b.Ranges[b.Shards[e.Shard].Range])
		}
	}
	for id, i := range b.Instances {
		if _, old := before.Instances[id]; old {
			continue
		}
		w.mayArrive(b, i)
		for _, o := range b.Instances {
			if o.Node == i.Node && o.Port == i.Port && o.ID != id {
				w.fail("%s and %s share port %d of node:%d", id, o.ID, i.Port, i.Node)
			}
			if o.Range != i.Range || o.ID.Shard == id.Shard {
				continue
			}
			if o.Node == i.Node {
				w.fail("two copies of %s on node:%d", i.Range, i.Node)
			}
			if d := b.Databases[i.Range.Database]; d.RackAware && b.Nodes[o.Node].RackID == b.Nodes[i.Node].RackID && !mayMix(before, b, i, o) {
				w.fail("two copies of %s in zone %s", i.Range, b.Nodes[i.Node].RackID)
			}
		}
		w.fits(b, b.Nodes[i.Node])
	}
	for id, e := range b.Endpoints {
		if len(e.Nodes) == 0 {
			w.fail("endpoint %s is nowhere", id)
		}
		was, old := before.Endpoints[id]
		if old {
			w.mayTell(was, e)
		}
		for _, n := range b.Nodes {
			if listeners := len(b.EndpointsOn(n.ID)); e.ServedBy(n.ID) && !was.ServedBy(n.ID) && listeners > n.MaxListeners {
				w.fail("node:%d listens for %d of %d endpoints", n.ID, listeners, n.MaxListeners)
			}
		}
	}
	for id := range before.Ranges {
		if _, there := b.Ranges[id]; !there {
			delete(w.ledgers, id)
		}
	}
	for id, a := range b.Actions {
		if a.Status == cluster.ActionCompleted && before.Actions[id].Status == cluster.ActionRunning {
			w.done(before, b, a)
		}
		if a.Error != nil && a.Error.Code == cluster.CodeInternal && before.Actions[id].Error == nil {
			w.fail("%s failed by a fault of ours: %s", a.Name, a.Error.Message)
		}
	}
	w.keepsQuorum(b)
	for id, r := range b.Ranges {
		if was, old := before.Ranges[id]; old && (r.Generation < was.Generation || r.Generation == was.Generation && r.Master != was.Master) {
			w.fail("the master of %s was %s and is %s under generation %d", id, was.Master, r.Master, r.Generation)
		}
		if _, there := b.Instances[r.Master]; !there && !r.Master.IsZero() {
			w.fail("the master of %s, %s, is not on the board", id, r.Master)
		}
	}
}

// keepsQuorum sees that all nodes in maintenance mode may be off at once.
func (w *World) keepsQuorum(b *cluster.Board) {
	voters, serving := 0, 0
	for _, n := range b.Nodes {
		if n.Membership == cluster.Voter {
			voters++
			if n.Maintenance == nil {
				serving++
			}
		}
	}
	if serving < voters/2+1 && !w.waived {
		w.fail("%d of %d voters are in service", serving, voters)
	}
}

// recovered lets a range lose what is given up with its recovery, and sees that it begins
// empty only if nobody has anything of it.
func (w *World) recovered(b *cluster.Board, r cluster.SlotRange) {
	l, empty := w.ledger(r.ID), !b.Instances[r.Master].Started
	l.excused, l.emptied = true, empty
	for _, i := range b.Instances {
		h := w.hosts[i.Node]
		if !empty || i.Range != r.ID {
			continue
		}
		if p := h.engines[i.ID]; p != nil && (p.master || p.copied) && !p.syncing && len(p.data) > 0 || len(h.files[i.ID]) > 0 {
			w.fail("range %s begins empty, and redis:%s on node:%d has data of it", r.ID, i.ID, i.Node)
		}
	}
}

// mayTell sees that clients of discovery are sent on only once they have arrived
// where they were sent last, as long as that host is there.
func (w *World) mayTell(was, e cluster.Endpoint) {
	left, age := was.Nodes[0], w.now.Sub(w.told[e.ID])
	serves := w.hosts[left].on && w.hosts[left].daemon != nil && w.quorum.leases[left].After(w.now)
	if e.Nodes[0] != left && serves && age < 5*time.Second {
		w.fail("endpoint %s leaves node:%d, which its clients were told of %s ago", e.ID, left, age)
	}
	if e.Announced != was.Announced {
		w.told[e.ID] = w.now
	}
}

// mayMix reports whether the new instance may share a zone with the other: a move that the
// rule does not bind made one of them, or its shard was in that zone before.
func mayMix(before, b *cluster.Board, i, other cluster.Instance) bool {
	for _, a := range b.Actions {
		if slices.ContainsFunc(a.Moves, func(m cluster.Move) bool {
			return m.OverrideRack && (m.Instance == i.ID || m.Instance == other.ID)
		}) {
			return true
		}
	}
	for _, o := range before.Instances {
		if o.ID.Shard == i.ID.Shard && before.Nodes[o.Node].RackID == b.Nodes[i.Node].RackID {
			return true
		}
	}
	return false
}

// mayArrive sees that nothing is placed on a closed node, but for what comes home.
func (w *World) mayArrive(b *cluster.Board, i cluster.Instance) {
	n := b.Nodes[i.Node]
	if !n.Closed() {
		return
	}
	if m := n.Maintenance; m != nil && m.Returning != "" && !n.QuorumOnly {
		s := b.Snapshots[cluster.SnapshotID{Node: n.ID, Name: b.Actions[m.Returning].Snapshot}]
		if slices.ContainsFunc(s.Shards, func(p cluster.Placed) bool { return p.Shard == i.ID.Shard }) {
			return
		}
	}
	w.fail("instance %s was placed on node:%d, which is closed", i.ID, n.ID)
}

func (w *World) fits(b *cluster.Board, n cluster.Node) {
	var memory int64
	shards := b.InstancesOn(n.ID)
	for _, i := range shards {
		memory += b.Databases[i.Range.Database].ShardMemory()
	}
	if memory > n.TotalMemory || len(shards) > n.MaxShards {
		w.fail("node:%d has %d of %d bytes, %d of %d shards", n.ID, memory, n.TotalMemory, len(shards), n.MaxShards)
	}
}

// done sees that what an action says it did is so on the hosts themselves. Its snapshot
// may have gone with its end.
func (w *World) done(before, b *cluster.Board, a cluster.Action) {
	h := w.hosts[a.Node]
	switch {
	case a.Name == cluster.MaintenanceOn && h.daemon != nil:
		for _, p := range h.processes() {
			master := p.master && !w.still(p) // one that stands still and was replaced follows when it goes on
			if _, ordered := b.Instances[p.id]; master || !ordered || !a.Options.KeepsSlaves(p.of.Database) {
				w.fail("node:%d is said to be in maintenance mode, and redis:%s runs on it", a.Node, p.id)
			}
		}
		if h.proxy != nil && len(h.proxy.endpoints) > 0 {
			w.fail("node:%d is said to be in maintenance mode, and its proxy listens", a.Node)
		}
	case a.Proof != nil && a.Proof.Exact:
		s := before.Snapshots[cluster.SnapshotID{Node: a.Node, Name: a.Snapshot}]
		for _, p := range s.Shards {
			if shard, there := b.Shards[p.Shard]; there && !slices.Contains(s.VisitorShards, p.Shard) {
				w.restored(b, shard, p.Role, a.Node)
			}
		}
	}
}

// restored sees that a shard is where it is said to be, in its role, unless that comes with
// the return of its partner's node.
func (w *World) restored(b *cluster.Board, s cluster.Shard, role cluster.Role, node int) {
	partner, _ := b.Partner(s)
	awaited := b.Nodes[b.NodeOf(partner)].Maintenance != nil
	if b.NodeOf(s) != node || b.RoleOf(s) != role && !awaited {
		w.fail("node:%d is said to be restored exactly, and redis:%d is %s on node:%d", node, s.ID, b.RoleOf(s), b.NodeOf(s))
	}
}

// check holds what is seen against the rules that hold in every turn.
func (w *World) check() {
	d := w.leader()
	if d == nil || w.now.Sub(d.started) < 2*tick {
		return
	}
	v := d.controller.View()
	for _, a := range v.ActionsByAge() {
		if a.Status.Ended() {
			continue
		}
		p := maintenance.ProgressOf(v, a)
		if p.Percent < 0 || p.Percent > 100 || p.BytesDone > p.BytesTotal || p.BytesDone < 0 {
			w.fail("progress of %s: %+v", a.ID, p)
		}
		if p.Waiting == "" && len(maintenance.Next(v, a, func() string { return "x" })) == 0 {
			w.fail("%s of %s neither acts nor says what it waits for", a.Name, a.Subject())
		}
		if age := w.now.Sub(a.Created); age > longest {
			w.fail("%s of %s has no end after %s: %s", a.Name, a.Subject(), age, p.Waiting)
		}
	}
}

// longest is how long an action may take, whatever goes wrong.
const longest = time.Hour

// busy says what has not come to rest, or "".
func (w *World) busy() string {
	b := w.quorum.board
	switch d := w.leader(); {
	case d == nil:
		return "nobody leads"
	case len(w.routines) > 0:
		return "an order is under way"
	}
	for _, a := range b.ActionsByAge() {
		if !a.Status.Ended() {
			return string(a.Name) + " of " + a.Subject() + " runs"
		}
	}
	for _, d := range cluster.Sorted(b.Databases) {
		lost := slices.ContainsFunc(b.RangesOf(d.ID), func(r cluster.SlotRange) bool { return r.Lost })
		if d.Status != cluster.DatabaseActive && !(lost && d.Status == cluster.DatabasePending) {
			return d.Name + " is " + string(d.Status)
		}
	}
	for _, id := range ranges(b) {
		if why := w.unsettled(b, b.Ranges[id]); why != "" {
			return why
		}
	}
	for _, d := range cluster.Sorted(b.Databases) {
		for _, e := range b.EndpointsOf(d.ID) {
			if len(e.Opening)+len(e.Draining) > 0 || e.Announced != 0 && e.Announced != e.Nodes[0] {
				return "endpoint " + e.ID.String() + " is on its way"
			}
			if why := misbound(b, d, e); why != "" {
				return why
			}
		}
	}
	for _, n := range b.Nodes {
		if n.Removing != "" || !n.DownSince.IsZero() || n.Maintenance != nil && n.Maintenance.Returning != "" {
			return "node:" + address(n.ID) + " is marked"
		}
	}
	return w.strangers(b)
}

// unsettled says what of a range is not as it shall be, or "".
func (w *World) unsettled(b *cluster.Board, r cluster.SlotRange) string {
	if r.Handover != nil {
		return "range " + r.ID.String() + " is being handed over"
	}
	for _, i := range cluster.Sorted(b.Nodes) {
		for _, i := range b.InstancesOn(i.ID) {
			p := w.hosts[i.Node].engines[i.ID]
			switch {
			case i.Range != r.ID:
			case b.Shards[i.ID.Shard].Instance != i.ID:
				return "redis:" + i.ID.String() + " is a second instance"
			case r.Lost:
			case p == nil:
				return "redis:" + i.ID.String() + " does not run"
			case r.Master == i.ID && !(p.master && p.serving):
				return "redis:" + i.ID.String() + " does not serve"
			case r.Master != i.ID && (p.master || !p.linked || p.serving):
				return "redis:" + i.ID.String() + " does not follow its master"
			}
		}
	}
	if l := w.ledgers[r.ID]; !r.Lost && (l == nil || l.served == 0) {
		return "range " + r.ID.String() + " takes no writes"
	}
	return ""
}

// misbound says how an endpoint is not where its policy and its lists want it, or "".
func misbound(b *cluster.Board, d cluster.Database, e cluster.Endpoint) string {
	may := func(n cluster.Node) bool {
		return !n.Closed() && !slices.Contains(e.Exclude, n.ID) && (e.ServedBy(n.ID) || len(b.EndpointsOn(n.ID)) < n.MaxListeners)
	}
	if len(e.Nodes) > 1 && !d.Spread() {
		return fmt.Sprintf("endpoint %s has the policy %s and is on %v", e.ID, d.ProxyPolicy, e.Nodes)
	}
	wanted := wantedNodes(b, d, e)
	any := slices.ContainsFunc(cluster.Sorted(b.Nodes), func(n cluster.Node) bool { return wanted[n.ID] && may(n) })
	for _, n := range cluster.Sorted(b.Nodes) {
		bound := slices.Contains(e.Nodes, n.ID)
		switch {
		case d.Spread() && wanted[n.ID] && may(n) && !bound, !d.Spread() && e.Wanted == n.ID && may(n) && !bound:
			return fmt.Sprintf("endpoint %s is not on node:%d", e.ID, n.ID)
		case d.Spread() && any && bound && (n.Closed() && n.Maintenance == nil || slices.Contains(e.Exclude, n.ID) || !wanted[n.ID]):
			return fmt.Sprintf("endpoint %s is on node:%d, where its policy does not want it", e.ID, n.ID)
		}
	}
	return ""
}

// wantedNodes are those on which a policy binds an endpoint, whether they may have it or not.
func wantedNodes(b *cluster.Board, d cluster.Database, e cluster.Endpoint) map[int]bool {
	wanted := map[int]bool{}
	for _, n := range b.Nodes {
		wanted[n.ID] = d.ProxyPolicy == cluster.AllNodes || slices.Contains(e.Include, n.ID)
	}
	for _, r := range b.RangesOf(d.ID) {
		wanted[b.Instances[r.Master].Node] = true
	}
	return wanted
}

// strangers says what runs or listens without an order, or "".
func (w *World) strangers(b *cluster.Board) string {
	for _, h := range w.sorted() {
		for id := range h.engines {
			if i, ordered := b.Instances[id]; !h.removed && (!ordered || i.Node != h.id) {
				return "redis:" + id.String() + " runs without an order"
			}
		}
		if h.proxy == nil {
			continue
		}
		for id := range h.proxy.endpoints {
			if !b.Endpoints[id].ServedBy(h.id) {
				return "endpoint " + id.String() + " is open without an order"
			}
		}
	}
	return ""
}

// rest heals everything, waits until nothing moves any more, and checks that
// nothing was forgotten.
func (w *World) rest() {
	w.heal()
	end, still := w.now.Add(4*time.Hour), 0
	for still < 4 {
		for _, l := range w.ledgers {
			l.served = 0
		}
		w.turn()
		if why := w.busy(); why == "" {
			still++
		} else if still = 0; w.now.After(end) {
			w.fail("never at rest: %s", why)
		}
	}
	w.settled()
}

// settled checks a cluster that rests.
func (w *World) settled() {
	b := w.quorum.board
	for _, a := range b.ActionsByAge() {
		for _, m := range a.Moves {
			if m.Status == cluster.MoveRunning {
				w.fail("%s of %s has ended, and its move %s is running", a.Name, a.Subject(), m.Text())
			}
		}
	}
	for id, r := range b.Ranges {
		l := w.ledgers[id]
		if l == nil || r.Lost && l.excused {
			continue
		}
		if r.Lost {
			w.fail("range %s is lost, and no serving master was taken away", id)
		}
		if p := w.hosts[b.Instances[r.Master].Node].engines[r.Master]; p != nil {
			w.inherits(id, l, p)
		}
	}
}
