package cluster_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Clients of discovery are sent on once they have arrived where they were sent.
func TestClientsArriveBeforeTheyAreSentOn(t *testing.T) {
	id := cluster.EndpointID{Database: 1, Index: 1}
	moved := func(t *testing.T) cluster.View {
		s := begin(t, 3)
		s.database("a", 1, false)
		for i, step := range []cluster.Bind{{Step: cluster.BindOpen, Nodes: []int{1, 2, 3}}, {Step: cluster.BindSwitch, Nodes: []int{2, 3}}, {Step: cluster.BindClose}} {
			step.Endpoint, step.At = id, at.Add(time.Duration(i)*time.Second)
			s.must(step)
		}
		return cluster.View{Board: s.board, Alive: map[int]bool{1: true, 2: true, 3: true}, Now: at.Add(2 * time.Second)}
	}
	for name, test := range map[string]struct {
		happens func(v *cluster.View)
		nodes   []int
		want    bool
	}{
		"at once":                              {func(*cluster.View) {}, []int{3}, true},
		"a moment later":                       {func(v *cluster.View) { v.Now = v.Now.Add(4 * time.Second) }, []int{3}, true},
		"once they are there":                  {func(v *cluster.View) { v.Now = v.Now.Add(5 * time.Second) }, []int{3}, false},
		"for all that a new leader knows":      {func(v *cluster.View) { v.Now = v.Now.Add(time.Hour); v.FirstSeen = v.Board.FirstSeen(nil, v.Now) }, []int{3}, true},
		"a node that they were not sent to":    {func(*cluster.View) {}, []int{2}, false},
		"another joins":                        {func(v *cluster.View) { v.Board = opening(v.Board, id) }, []int{2, 3, 1}, false},
		"the node that they were sent to died": {func(v *cluster.View) { delete(v.Alive, 2) }, []int{3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := moved(t)
			test.happens(&v)
			if got := v.Arriving(v.Endpoints[id], test.nodes); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// opening is the board with the endpoint on its way to node 1, too.
func opening(b *cluster.Board, id cluster.EndpointID) *cluster.Board {
	change, err := cluster.Bind{At: at, Endpoint: id, Step: cluster.BindOpen, Nodes: []int{1, 2, 3}}.Apply(b)
	if err != nil {
		panic(err)
	}
	return b.With(b.Revision+1, change)
}
