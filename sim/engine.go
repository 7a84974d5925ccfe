package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// process is one engine: the writes it has, in order, under a replication id.
// Its offset is their number.
type process struct {
	id   cluster.InstanceID
	of   cluster.RangeID
	node int
	port int

	master  bool
	serving bool // its clients have their rights
	crown   int  // rises with each that began to serve
	pause   time.Time
	data    []int
	replid  string
	replid2 string
	second  int // writes up to which replid2 is its history

	source  engine.Source
	linked  bool
	fed     bool // its source is known to feed it
	syncing bool
	copied  bool
	synced  int64
	total   int64

	stopped time.Time // it stands still until then
	silent  time.Time // since then
	late    []func()  // what it was sent meanwhile
}

// still reports whether the process stands still.
func (w *World) still(p *process) bool { return w.now.Before(p.stopped) }

// stop lets the process stand still until then. What it has been sent is in its hands.
func (w *World) stop(p *process, until time.Time) {
	if !w.still(p) {
		p.silent = w.now
	}
	p.stopped = until
	w.after(until.Sub(w.now), func() { w.goOn(p) })
}

// goOn lets a process that stands still no more do what it was sent.
func (w *World) goOn(p *process) {
	if w.still(p) || w.hosts[p.node].engines[p.id] != p {
		return
	}
	late := p.late
	p.late = nil
	for _, do := range late {
		do()
	}
}

func (p *process) name() string { return fmt.Sprintf("redis:%s on node:%d", p.id, p.node) }

func address(node int) string { return fmt.Sprintf("127.0.0.%d", node) }

func (p *process) at() engine.Source { return engine.Source{Address: address(p.node), Port: p.port} }

// at returns the process that listens there, if one does.
func (w *World) at(s engine.Source) *process {
	for _, h := range w.sorted() {
		if address(h.id) != s.Address || !h.on {
			continue
		}
		for _, p := range h.processes() {
			if p.port == s.Port {
				return p
			}
		}
	}
	return nil
}

// observe is what an agent sees of the process.
func (w *World) observe(p *process) *engine.Observation {
	if w.still(p) {
		return &engine.Observation{State: engine.Unresponsive}
	}
	role := engine.Slave
	if p.master {
		role = engine.Master
	}
	o := &engine.Observation{
		State: engine.Up, Role: role, Serving: p.serving, ReplID: p.replid, ReplID2: p.replid2, SecondOffset: int64(p.second) + 1,
		Offset: int64(len(p.data)), Source: p.source, LinkUp: p.linked, Syncing: p.syncing, Copied: p.copied,
	}
	if p.master {
		o.Source = engine.Source{}
	}
	return o
}

// promote makes the process master with rights, in one transaction.
func (w *World) promote(p *process) {
	if !p.master {
		p.replid2, p.second = p.replid, len(p.data)
		p.replid = fmt.Sprint("r", w.next())
	}
	p.master, p.linked, p.syncing, p.source = true, false, false, engine.Source{}
	w.admit(p)
}

func (w *World) admit(p *process) {
	p.pause = time.Time{}
	if !p.serving {
		p.serving, p.crown = true, w.next()
	}
}

// follow makes the process a replica without rights, in one transaction.
func (p *process) follow(s engine.Source) {
	if p.master {
		p.copied = true
	}
	p.serving, p.pause = false, time.Time{}
	if p.master || p.source != s {
		p.master, p.source, p.linked, p.fed, p.syncing = false, s, false, false, false
	}
}

// replicate lets replicas take what their sources have; copies grow by what fits
// into the time.
func (w *World) replicate(d time.Duration) {
	for _, h := range w.sorted() {
		for _, p := range h.processes() {
			if !p.master && h.on {
				w.take(p, d)
			}
		}
	}
}

func (w *World) take(p *process, d time.Duration) {
	s := w.at(p.source)
	if w.still(p) || s != nil && w.still(s) {
		return // the connection stays
	}
	if s == nil || s == p || !w.reaches(p.node, s.node) || w.now.Before(w.stalled[p.id]) || !s.master && !s.copied {
		if p.linked || p.syncing {
			p.linked, p.fed, p.syncing = false, false, false
		}
		return
	}
	switch {
	case p.copied && p.continuesFrom(s) && (p.linked || d > 0):
		p.fed = p.fed || p.linked && d > 0
		p.linked, p.replid, p.replid2, p.second = true, s.replid, s.replid2, s.second
		p.data = s.data[:len(s.data):len(s.data)]
	case d > 0:
		w.copy(p, s, d)
	}
}

// continuesFrom reports whether the process could follow the other without a full copy.
func (p *process) continuesFrom(s *process) bool {
	return p.replid == s.replid && len(p.data) <= len(s.data) || p.replid == s.replid2 && len(p.data) <= min(s.second, len(s.data))
}

// copy carries a full copy on.
func (w *World) copy(p, s *process, d time.Duration) {
	if !p.syncing {
		p.syncing, p.linked, p.fed, p.copied, p.synced = true, false, false, false, 0
		p.total = w.quorum.board.Databases[p.of.Database].ShardMemory() / 2
		p.data = nil
	}
	p.synced += int64(d.Seconds() * float64(w.rate(p.node)))
	if p.synced >= p.total {
		p.syncing, p.linked, p.copied = false, true, true
		p.replid, p.replid2, p.second = s.replid, s.replid2, s.second
		p.data = s.data[:len(s.data):len(s.data)]
	}
}

// rate is how many bytes a copy to the node gains in a second.
func (w *World) rate(node int) int64 {
	if w.now.Before(w.slow[node]) {
		return 0
	}
	return 40 << 20
}

// feeds names the replicas that the process is known to feed.
func (w *World) feeds(p *process) []string {
	var list []string
	for _, h := range w.sorted() {
		for _, r := range h.processes() {
			if !r.master && !w.still(r) && r.linked && r.fed && r.source == p.at() {
				list = append(list, r.at().String())
			}
		}
	}
	slices.Sort(list)
	return list
}

// observed is the process as a report tells it.
func (w *World) observed(p *process) cluster.Observed {
	if w.still(p) {
		return cluster.Observed{State: cluster.Unresponsive, SilentFor: w.now.Sub(p.silent)}
	}
	o := cluster.Observed{
		State: cluster.Up, Role: cluster.Slave, ReplicationID: p.replid, ReplicationID2: p.replid2, Offset: int64(len(p.data)),
		Linked: p.linked, Syncing: p.syncing, SyncedBytes: p.synced, SyncTotal: p.total, EverLinked: p.copied,
		BacklogFirst: 1, BacklogLast: int64(len(p.data)) + 1, Dataset: w.quorum.board.Databases[p.of.Database].ShardMemory() / 2,
		Feeds: w.feeds(p),
	}
	if p.master {
		o.Role, o.EverLinked = cluster.Master, p.copied
	} else {
		o.Source = p.source.String()
	}
	return o
}
