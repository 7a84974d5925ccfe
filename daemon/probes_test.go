package daemon

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open, shut := l.Addr().(*net.TCPAddr).Port, closed.Addr().(*net.TCPAddr).Port
	_ = closed.Close()
	defer l.Close()
	if got := refusing(t.Context(), "127.0.0.1", []int{open, shut}); !slices.Equal(got, []int{shut}) {
		t.Errorf("%v, want only %d", got, shut)
	}
}

func TestRefusalsAreForgotten(t *testing.T) {
	var p probes
	p.note(1, refusal{time.Now(), []int{1}}, refused)
	p.note(2, refusal{time.Now().Add(-2 * probesCount), []int{2}}, refused)
	p.note(3, refusal{time.Now(), []int{3}}, refused)
	p.note(3, refusal{time.Now(), nil}, taken)
	if got := p.fresh(); len(got) != 1 || !slices.Equal(got[1], []int{1}) {
		t.Errorf("%v", got)
	}
	for range reachedTries {
		p.note(3, refusal{}, unanswered)
	}
	long := time.Now().Add(-2 * reachedFor)
	p.last[4], p.last[5], p.last[6] = reach{long, reachedTries, true}, reach{long, 0, true}, reach{time.Now(), 0, true}
	p.note(7, refusal{at: time.Now()}, unanswered) // joined a moment ago
	p.last[8] = reach{long, reachedTries, false}
	if reached, not := p.reached(); !slices.Equal(reached, []int{1, 2, 3, 5, 6}) || !slices.Equal(not, []int{4, 8}) {
		t.Errorf("reached: %v, not: %v", reached, not)
	}
	var empty *cluster.Board
	p.forget(empty.With(1, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 1}, cluster.Node{ID: 8}}}))
	if reached, not := p.reached(); !slices.Equal(reached, []int{1}) || !slices.Equal(not, []int{8}) {
		t.Errorf("of the hosts that are left, reached: %v, not: %v", reached, not)
	}
}

// Endpoints of other nodes are probed too: the host may not have heard yet that
// they left it.
func TestPortsOf(t *testing.T) {
	var empty *cluster.Board
	b := empty.With(1, cluster.Change{Put: []cluster.Object{
		cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Node: 1, Port: 20000},
		cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 1}, Node: 2, Port: 20001},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Nodes: []int{2}, Port: 10000},
	}})
	if got := portsOf(b, 1); !slices.Equal(got, []int{20000, 10000}) {
		t.Errorf("%v", got)
	}
}
