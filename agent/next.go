package agent

import (
	"slices"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// Act is what an instance needs done on this host.
type Act int

// The acts. At most one is done in a turn: the next turn looks again.
const (
	Rest         Act = iota
	Discard          // nothing orders it: end the process, remove the folder
	StartEmpty       // as a master that has never served
	StartFiles       // as the only copy, with the files it kept
	StartCopy        // as a replica of source
	Follow           // be a replica of source, without rights for clients
	FenceMaster      // a master that is being replaced: take its clients' rights away
	AdmitClients     // the master without rights for its clients: give them
	Reinstate        // the board's master that became a replica in a hand-over that was given up
	SetClients       // a serving master: make the users of its clients those of the board
	Tune             // tell it what the board says of its database
)

// Step is an act with its source, or the reason to rest.
type Step struct {
	Act    Act
	Source engine.Source
	Reason string
}

// Next decides what the instance needs, from the board and what is seen of its
// process; o is nil while none runs. One that does not answer is left alone. It holds the rules that keep data: a
// process is started as an empty master only if the board orders exactly this
// incarnation and it has never served; a crashed master of a replicated shard
// stays down until another is master; while a hand-over of the range is open,
// its executor alone gives roles.
func Next(b *cluster.Board, id cluster.InstanceID, o *engine.Observation) Step {
	i, wanted := b.Instances[id]
	switch {
	case !wanted && b.FormerLife(id):
		return Step{Reason: "it is of the cluster's former life; its files are kept"}
	case !wanted && b.Settled() != nil:
		return Step{Reason: "nothing is discarded while it is not settled who serves what in the recovered cluster"}
	case !wanted:
		return Step{Act: Discard}
	}
	r := b.Ranges[i.Range]
	if r.Unsettled != "" {
		return Step{Reason: "who serves its range is not settled: " + r.Unsettled}
	}
	if b.Leaves(i) {
		return leave(b, i, o)
	}
	if o == nil {
		return start(b, i, r)
	}
	if o.State != engine.Up {
		return Step{}
	}
	isMaster := o.Role == engine.Master
	if h := r.Handover; h != nil && (h.To == id || h.From == id) {
		if h.Unplanned && h.From == id && isMaster && o.Serving {
			return Step{Act: FenceMaster}
		}
		return Step{}
	}
	if r.Master == id && isMaster && !o.Serving && !r.Lost {
		return Step{Act: AdmitClients}
	}
	if r.Master == id && !isMaster {
		return Step{Act: Reinstate}
	}
	if r.Master == id {
		return Step{}
	}
	from, known := copyFrom(b, i)
	switch {
	case !known:
		return Step{}
	case isMaster || o.Source != from:
		return Step{Act: Follow, Source: from}
	}
	return Step{}
}

// nowhere is the port of a source that nobody listens on.
const nowhere = 1

// leave decides about an instance that is to go when others have all that it has:
// it follows nobody any more, keeps what it has, and confirms nothing.
func leave(b *cluster.Board, i cluster.Instance, o *engine.Observation) Step {
	from := engine.Source{Address: b.Nodes[i.Node].Address, Port: nowhere}
	h := b.Ranges[i.Range].Handover
	switch {
	case o == nil:
		return Step{Reason: "it leaves"}
	case o.State != engine.Up, h != nil && (h.To == i.ID || h.From == i.ID), o.Role == engine.Slave && o.Source == from:
		return Step{}
	}
	return Step{Act: Follow, Source: from}
}

// start decides about an instance whose process does not run.
func start(b *cluster.Board, i cluster.Instance, r cluster.SlotRange) Step {
	lonely := r.Lost || !slices.ContainsFunc(b.InstancesOf(r.ID.Database), func(o cluster.Instance) bool {
		return o.Range == r.ID && o.ID != i.ID
	}) // nobody else has the data: a copy that a move is making may take over
	switch {
	case r.Handover != nil && r.Handover.From == i.ID:
		return Step{Reason: "its process ended while its range was being handed over"}
	case r.Master == i.ID && !i.Started:
		return Step{Act: StartEmpty}
	case r.Master == i.ID && lonely && b.Databases[r.ID.Database].Persistence == "aof":
		return Step{Act: StartFiles}
	case r.Master == i.ID:
		return Step{Reason: "its process ended; a master is not started again in place"}
	case r.Handover != nil && r.Handover.To == i.ID:
		return Step{Reason: "its process ended before it became master"}
	case r.Lost:
		return Step{Reason: "its range is lost until restored; its files are kept"}
	}
	from, known := copyFrom(b, i)
	if !known {
		return Step{Reason: "its range has no master to copy from"}
	}
	return Step{Act: StartCopy, Source: from}
}

// copyFrom is where a replica's data comes from: its seed during the first
// copy, else the master of its range.
func copyFrom(b *cluster.Board, i cluster.Instance) (engine.Source, bool) {
	from, known := b.Instances[i.Seed]
	if !known {
		from, known = b.Instances[b.Ranges[i.Range].Master]
	}
	if !known || from.ID == i.ID {
		return engine.Source{}, false
	}
	return source(b, from), true
}
