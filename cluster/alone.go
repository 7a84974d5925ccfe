package cluster

import (
	"slices"
	"time"
)

// Without a quorum nobody can be promoted, so a proxy may go on serving a range
// without a lease, as long as every host with a copy of it promises not to make
// that copy master. What the hosts and the leader have to know for that is here.

// Alone is how it stands with one range of a host without a lease.
type Alone struct {
	// Until is how long the host's proxy may send to the master, unless it is
	// prolonged; zero: it may not.
	Until time.Time `json:"until,omitzero"`
	// Why says why it may not, or nil.
	Why *Error `json:"why,omitempty"`
}

// AloneCounts says how often a host had to ask what it may serve without a lease, since
// its daemon started.
type AloneCounts struct {
	Times   int64 `json:"times"`   // that a lease ended, or was about to
	Served  int64 `json:"served"`  // ranges that everybody promised to leave it, counted at each asking: twice a second
	Refused int64 `json:"refused"` // those that somebody did not, or that may not be served whatever anybody says
}

// MayServeAlone says why the range can not be served without a lease whatever
// other hosts say; nil: they are to be asked.
func (b *Board) MayServeAlone(r SlotRange) *Error {
	d := b.Databases[r.ID.Database]
	m, there := b.Instances[r.Master]
	switch {
	case d.MinReplicas > 0:
		return Refuse(CodeServingStopped, "it goes on when the quorum is back", "db:%d (%s) asks for min_replicas and does not serve without a quorum", d.ID, d.Name)
	case d.Status != DatabaseActive || !there || !m.Started || r.Lost || r.Unsettled != "" || r.Handover != nil:
		return Refuse(CodeServingStopped, "it goes on when the quorum is back", "slots %s of db:%d (%s) had no settled master when the quorum was lost", r.SlotsText(), d.ID, d.Name)
	}
	return nil
}

// HostsOf returns the nodes that have a copy of the range, in order.
func (b *Board) HostsOf(r RangeID) []int {
	var nodes []int
	for _, i := range b.Instances {
		if i.Range == r && !slices.Contains(nodes, i.Node) {
			nodes = append(nodes, i.Node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// Knows reports whether the node's host has the instance on its board for good:
// it had a board with it, and no promise that it made before holds any more.
// Whatever it agrees to from then on, it agrees to with the instance in mind.
func (v View) Knows(node int, i Instance) bool {
	r, heard := v.Reports[node]
	return v.Nodes[node].Seen > i.Added || heard && !r.Bound && r.Revision > i.Added
}

// Ended reports whether the instance's process is seen to be gone: its port
// refuses, as its host's daemon does.
func (v View) Ended(i Instance) bool { return v.refuses(i.Node, i.Port) }

// Considered reports whether nobody goes on with the master without a lease unless
// the replica's host has promised not to promote it. Who wants to go on asks the
// master's host and every host with a copy on its board, and the master's host
// agrees only if its own board shows the same copies. So it is enough that this one
// knows of the replica; or that the process is seen to be gone, or an operator said
// that its host is lost.
func (v View) Considered(master, replica Instance) bool {
	return master.ID.IsZero() || v.Knows(master.Node, replica) || v.Ended(master) || v.Nodes[master.Node].Absence == Lost
}

// NoteSeen records which boards hosts are known to have had, so that the next
// leader knows it too.
type NoteSeen struct{ Seen map[int]int64 } // revision by node

// Apply implements Command.
func (c NoteSeen) Apply(b *Board) (Change, error) {
	var change Change
	for _, n := range Sorted(b.Nodes) {
		if seen := c.Seen[n.ID]; seen > n.Seen {
			n.Seen = seen
			change.Put = append(change.Put, n)
		}
	}
	return change, nil
}
