package sim

import (
	"context"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/controller"
)

const (
	leaseTTL    = 8 * time.Second
	leaseMargin = 1500 * time.Millisecond
	// electing is how long the cluster is without a leader after it lost one.
	electing = 2 * time.Second
)

// quorum is what the voters agree on.
type quorum struct {
	board      *cluster.Board
	epoch      int64
	leader     int
	wanted     int       // who is asked to lead next; 0: anybody
	leaderSeen time.Time // when the leader last was there
	leases     map[int]time.Time
}

// reaches reports whether packets go both ways between two hosts.
func (w *World) reaches(a, b int) bool { return w.sends(a, b) && w.sends(b, a) }

// sends reports whether packets of a arrive at b.
func (w *World) sends(a, b int) bool {
	if w.hosts[a] == nil || w.hosts[b] == nil || !w.hosts[a].on || !w.hosts[b].on {
		return false
	}
	return a == b || !w.now.Before(w.cuts[[2]int{a, b}])
}

// inQuorum reports whether the node's daemon can read and write the store, and renew its
// lease, now: it is one of a majority, and the store's leader, which is the cluster's too,
// answers it while that has one. A host without a member of the store asks by way of any.
func (w *World) inQuorum(node int) bool {
	l := w.quorum.leader
	return w.amongMost(node) && (w.relayed || node == l || !w.amongMost(l) || w.reaches(node, l))
}

// amongMost reports whether the node's daemon and those that it reaches are a majority.
func (w *World) amongMost(node int) bool {
	h := w.hosts[node]
	if h == nil || h.daemon == nil || !h.on || h.daemon.frozen() {
		return false
	}
	voters, near := 0, 0
	for _, h := range w.sorted() {
		if h.removed || w.quorum.board.Nodes[h.id].Membership != cluster.Voter {
			continue
		}
		voters++
		if h.daemon != nil && !h.daemon.frozen() && w.reaches(node, h.id) {
			near++
		}
	}
	return near >= voters/2+1
}

// keepLeases lets every node that can renew its lease, and the board follow.
func (w *World) keepLeases() {
	for _, h := range w.sorted() {
		if _, member := w.quorum.board.Nodes[h.id]; !member || !w.inQuorum(h.id) {
			continue
		}
		d := h.daemon
		if !w.now.Before(w.lagging[h.id]) {
			d.show(w.quorum.board)
		}
		if !d.leased || !w.now.Before(w.quorum.leases[h.id]) {
			d.leased, d.taken = true, w.quorum.board.Revision
		}
		w.quorum.leases[h.id] = w.now.Add(leaseTTL)
		if d.board.Revision >= d.taken {
			d.serveUntil = w.now.Add(leaseTTL - leaseMargin)
			d.current, h.latest = true, d.board.Revision
		}
	}
}

// elect sees that somebody leads: with a new epoch, after a while without.
func (w *World) elect() {
	q := &w.quorum
	if w.leader() != nil && q.wanted == 0 {
		q.leaderSeen = w.now
		return
	}
	if q.wanted == 0 && w.now.Sub(q.leaderSeen) < electing {
		return
	}
	for step := range len(w.hosts) {
		n := (max(q.wanted, q.leader+1)+step-1)%len(w.hosts) + 1
		if q.wanted < 0 && n == q.leader || !w.inQuorum(n) || q.board.Nodes[n].Membership != cluster.Voter {
			continue
		}
		q.leader, q.wanted, q.leaderSeen = n, 0, w.now
		q.epoch++
		for id, until := range q.leases { // who has not told it by then has passed its deadline
			if until.After(w.now) {
				q.leases[id] = w.now.Add(leaseTTL)
			}
		}
		w.tell("node:%d leads", n)
		w.hosts[n].daemon.takeOffice()
		return
	}
	q.wanted = 0
}

// Board implements controller.Store.
func (d *daemon) Board() *cluster.Board { return d.board }

// Subscribe implements controller.Store.
func (d *daemon) Subscribe(context.Context) <-chan *cluster.Board { return nil }

// Commit implements controller.Store. Around it are two boundaries: before, and
// between the act and its answer.
func (d *daemon) Commit(_ context.Context, epoch int64, basis *cluster.Board, c cluster.Change) (*cluster.Board, error) {
	w, q := d.w, &d.w.quorum
	unknown := cluster.Refuse(cluster.CodeNoQuorum, "", "no answer")
	w.boundary("commit")
	if !d.lives() || !w.inQuorum(d.node) {
		return nil, unknown
	}
	if epoch != q.epoch || q.leader != d.node || basis.Revision != q.board.Revision {
		return nil, cluster.Refuse(cluster.CodeStale, "", "the board has changed")
	}
	before := q.board
	q.board = before.With(before.Revision+1, c)
	w.written(before, c)
	w.boundary("committed")
	if !d.lives() || !w.inQuorum(d.node) {
		return nil, unknown
	}
	d.show(q.board)
	return q.board, nil
}

// Alive implements controller.Store.
func (d *daemon) Alive() map[int]bool {
	alive := map[int]bool{}
	for n, until := range d.w.quorum.leases {
		if d.w.now.Before(until) {
			alive[n] = true
		}
	}
	return alive
}

// Leader implements controller.Store.
func (d *daemon) Leader() (int, int64, bool) { return d.w.quorum.leader, d.w.quorum.epoch, true }

// TrimLog implements controller.Store.
func (d *daemon) TrimLog(context.Context, int64) error { return nil }

// Members implements controller.Membership.
func (d *daemon) Members(context.Context) ([]controller.Member, error) { return nil, nil }

// Promote implements controller.Membership.
func (d *daemon) Promote(context.Context, ...uint64) error { return nil }

// Remove implements controller.Membership: the removed daemon learns it and ends
// its proxy.
func (d *daemon) Remove(_ context.Context, n cluster.Node) error {
	d.w.boundary("remove")
	if !d.lives() || !d.w.inQuorum(d.node) {
		return cluster.Refuse(cluster.CodeNoQuorum, "", "no answer")
	}
	h := d.w.hosts[n.ID]
	h.removed = true
	h.killDaemon()
	h.proxy = nil
	delete(d.w.quorum.leases, n.ID)
	return nil
}

// handOn gives the office away.
func (d *daemon) handOn(_ context.Context, node int) error {
	d.w.boundary("hand on")
	d.w.quorum.wanted = node
	if node == 0 {
		d.w.quorum.wanted = -1
	}
	return nil
}
