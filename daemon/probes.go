package daemon

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/cluster"
)

// The times of probing.
const (
	probeEvery   = 300 * time.Millisecond
	probeFor     = 250 * time.Millisecond
	probesCount  = time.Second // what was seen counts for so long
	probesAtOnce = 32
)

// probes remember which other hosts refuse connections. A host whose machine
// runs on and whose processes are dead says so at once; one that does not answer
// says nothing, and is not suspected.
type probes struct {
	mu   sync.Mutex
	seen map[int]refusal // by node
}

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

func (p *probes) note(node int, r refusal, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[int]refusal{}
	}
	if delete(p.seen, node); refused {
		p.seen[node] = r
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
		var wait sync.WaitGroup
		for _, n := range cluster.Sorted(board.Nodes) {
			if n.ID == r.node {
				continue
			}
			wait.Go(func() {
				seen := refusal{at: time.Now()}
				daemon := refuses(ctx, n.Address, r.cfg.PeerPort)
				if daemon {
					seen.ports = refused(ctx, n.Address, portsOf(board, n.ID))
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

// refused returns those of the ports that refuse.
func refused(ctx context.Context, address string, ports []int) []int {
	var mu sync.Mutex // guards list
	list := []int{}
	var group errgroup.Group
	group.SetLimit(probesAtOnce)
	for _, p := range ports {
		group.Go(func() error {
			if refuses(ctx, address, p) {
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

// refuses reports whether nobody listens there: the host itself says so.
func refuses(ctx context.Context, address string, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at(address, port))
	if err == nil {
		_ = conn.Close() // nothing was said on it
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
