package agent

import (
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// act is what an instance needs done on this host.
type act int

// The acts. At most one is done in a turn: the next turn looks again.
const (
	rest         act = iota
	discard          // nothing orders it: end the process, remove the folder
	startEmpty       // as a master that has never served
	startFiles       // as the only copy, with the files it kept
	startCopy        // as a replica of source
	follow           // be a replica of source, without rights for clients
	fenceMaster      // a master that is being replaced: take its clients' rights away
	admitClients     // the master without rights for its clients: give them
	reinstate        // the board's master that became a replica in a hand-over that was given up
)

// step is an act with its source, or the reason to rest.
type step struct {
	act    act
	source engine.Source
	reason string
}

// next decides what the instance needs, from the board and what is seen of its
// process; o is nil while none runs. One that does not answer is left alone. It holds the rules that keep data: a
// process is started as an empty master only if the board orders exactly this
// incarnation and it has never served; a crashed master of a replicated shard
// stays down until another is master; while a hand-over of the range is open,
// its executor alone gives roles.
func next(b *cluster.Board, id cluster.InstanceID, o *engine.Observation) step {
	i, wanted := b.Instances[id]
	if !wanted {
		return step{act: discard}
	}
	r := b.Ranges[i.Range]
	if o == nil {
		return start(b, i, r)
	}
	if o.State != engine.Up {
		return step{}
	}
	isMaster := o.Role == engine.Master
	if h := r.Handover; h != nil && (h.To == id || h.From == id) {
		if h.Unplanned && h.From == id && isMaster && o.Serving {
			return step{act: fenceMaster}
		}
		return step{}
	}
	if r.Master == id && isMaster && !o.Serving && !r.Lost {
		return step{act: admitClients}
	}
	if r.Master == id && !isMaster && !r.Lost {
		return step{act: reinstate}
	}
	if r.Master == id {
		return step{}
	}
	from, known := copyFrom(b, i)
	switch {
	case !known:
		return step{}
	case isMaster || o.Source != from:
		return step{act: follow, source: from}
	}
	return step{}
}

// start decides about an instance whose process does not run.
func start(b *cluster.Board, i cluster.Instance, r cluster.SlotRange) step {
	lonely := len(b.ShardsOf(r.ID)) == 1 || r.Lost // nobody else has the data
	switch {
	case r.Handover != nil && r.Handover.From == i.ID:
		return step{reason: "its process ended while its range was being handed over"}
	case r.Master == i.ID && !i.Started:
		return step{act: startEmpty}
	case r.Master == i.ID && lonely && b.Databases[r.ID.Database].Persistence == "aof":
		return step{act: startFiles}
	case r.Master == i.ID:
		return step{reason: "its process ended; a master is not started again in place"}
	case r.Handover != nil && r.Handover.To == i.ID:
		return step{reason: "its process ended before it became master"}
	case r.Lost:
		return step{reason: "its range is lost until restored; its files are kept"}
	}
	from, known := copyFrom(b, i)
	if !known {
		return step{reason: "its range has no master to copy from"}
	}
	return step{act: startCopy, source: from}
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
