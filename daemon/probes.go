package daemon

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/cluster"
)

// The times of probing.
const (
	probeEvery  = 300 * time.Millisecond
	probeFor    = 250 * time.Millisecond
	probesCount = time.Second // what was seen counts for so long
	// reachedFor is for how long, and reachedTries for how many knocks, a host must not have
	// answered before it counts as one that is not reached: a host that is too busy to knock
	// has lost nobody.
	reachedFor   = 2 * time.Second
	reachedTries = 5
	probesAtOnce = 32
)

// probes remember which other hosts answer, and which refuse connections. A host whose machine
// runs on and whose processes are dead says so at once; one that does not answer
// says nothing, and is not suspected.
type probes struct {
	mu   sync.Mutex
	seen map[int]refusal // by node
	last map[int]reach
}

// reach is when a host last answered, be it by a refusal, or was first knocked at, and how
// often it has not answered since.
type reach struct {
	at     time.Time
	failed int
	ever   bool // it has answered
}

// lost reports whether the host counts as one that is not reached.
func (r reach) lost() bool { return r.failed >= reachedTries && time.Since(r.at) > reachedFor }

// refusal is what a host refused whose daemon's port refused.
type refusal struct {
	at    time.Time // before the first of the connections
	ports []int
}

// fresh returns what was refused a moment ago; see cluster.Report.
func (p *probes) fresh() map[int][]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := map[int][]int{}
	maps.DeleteFunc(p.seen, func(_ int, r refusal) bool { return time.Since(r.at) > probesCount })
	for node, r := range p.seen {
		list[node] = r.ports
	}
	return list
}

// reached returns the hosts that have answered lately, by id, and those that have not.
func (p *probes) reached() (reached, unreached []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, node := range slices.Sorted(maps.Keys(p.last)) {
		switch r := p.last[node]; {
		case r.lost():
			unreached = append(unreached, node)
		case r.ever:
			reached = append(reached, node)
		}
	}
	return reached, unreached
}

// forget drops what is no host of the cluster any more.
func (p *probes) forget(b *cluster.Board) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.last, func(node int, _ reach) bool { _, member := b.Nodes[node]; return !member })
}

func (p *probes) note(node int, r refusal, k knocked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen, p.last = map[int]refusal{}, map[int]reach{}
	}
	if delete(p.seen, node); k == refused {
		p.seen[node] = r
	}
	before, known := p.last[node]
	switch {
	case k != unanswered:
		p.last[node] = reach{at: time.Now(), ever: true}
	case known:
		p.last[node] = reach{before.at, before.failed + 1, before.ever}
	default:
		p.last[node] = reach{at: r.at, failed: 1}
	}
}

// probe tries the other daemons' ports until ctx ends, and where one refuses,
// everything else on that host.
func (r *rooms) probe(ctx context.Context) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		board := r.store.Board()
		r.probes.forget(board)
		var wait sync.WaitGroup
		for _, n := range cluster.Sorted(board.Nodes) {
			if n.ID == r.node {
				continue
			}
			wait.Go(func() {
				seen := refusal{at: time.Now()}
				daemon := knock(ctx, n.Address, r.cfg.PeerPort)
				if daemon == refused {
					seen.ports = refusing(ctx, n.Address, portsOf(board, n.ID))
				}
				r.probes.note(n.ID, seen, daemon)
			})
		}
		wait.Wait()
	}
}

// portsOf returns the ports of the node's engines and of all endpoints: the
// board may have changed since the node's proxy heard of it last.
func portsOf(b *cluster.Board, node int) []int {
	var list []int
	for _, i := range b.InstancesOn(node) {
		list = append(list, i.Port)
	}
	for _, e := range b.Endpoints {
		list = append(list, e.Port)
	}
	return list
}

// refusing returns those of the ports that refuse.
func refusing(ctx context.Context, address string, ports []int) []int {
	var mu sync.Mutex // guards list
	list := []int{}
	var group errgroup.Group
	group.SetLimit(probesAtOnce)
	for _, p := range ports {
		group.Go(func() error {
			if knock(ctx, address, p) == refused {
				mu.Lock()
				defer mu.Unlock()
				list = append(list, p)
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	return list
}

// knocked is what became of a connection.
type knocked int

const (
	unanswered knocked = iota
	taken
	refused // nobody listens there: the host itself says so
)

func knock(ctx context.Context, address string, port int) knocked {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at(address, port))
	switch {
	case err == nil:
		_ = conn.Close() // nothing was said on it
		return taken
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	}
	return unanswered
}
