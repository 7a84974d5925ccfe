package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// What refusals of ports say, and what they do not.
func TestRefusals(t *testing.T) {
	engine := cluster.Instance{ID: cluster.InstanceID{Shard: 1, Incarnation: 1}, Node: 1, Port: 20000}
	other := cluster.Instance{ID: cluster.InstanceID{Shard: 2, Incarnation: 1}, Node: 1, Port: 20001}
	var empty *cluster.Board
	board := empty.With(1, cluster.Change{Put: []cluster.Object{
		cluster.Node{ID: 1}, engine, other,
		cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Port: 10000, Nodes: []int{1}},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 2, Index: 1}, Port: 10001, Nodes: []int{2}},
	}})
	for name, test := range map[string]struct {
		lease               bool
		refusing            map[int][]int
		serving, gone, down bool
	}{
		"nothing refuses":             {true, nil, true, false, false},
		"the lease ended":             {false, nil, false, true, true},
		"the daemon refuses":          {true, map[int][]int{1: {}}, true, false, false},
		"its own endpoint listens":    {true, map[int][]int{1: {20000, 20001, 10001}}, true, false, false},
		"another's endpoint listens":  {true, map[int][]int{1: {20000, 20001, 10000}}, true, false, false},
		"the engine listens":          {true, map[int][]int{1: {20001, 10000, 10001}}, false, false, false},
		"another engine listens":      {true, map[int][]int{1: {20000, 10000, 10001}}, false, true, false},
		"everything refuses":          {true, map[int][]int{1: {20000, 20001, 10000, 10001}}, false, true, true},
		"everything of another node":  {true, map[int][]int{2: {20000, 20001, 10000, 10001}}, true, false, false},
		"the lease ended and engines": {false, map[int][]int{1: {10000}}, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := cluster.View{Board: board, Alive: map[int]bool{1: test.lease}, Refusing: test.refusing}
			if v.Serving(1) != test.serving || v.Gone(engine) != test.gone || v.Down(1) != test.down {
				t.Errorf("serving %v, gone %v, down %v", v.Serving(1), v.Gone(engine), v.Down(1))
			}
		})
	}
}

// A host without databases in the cluster has nothing that could serve.
func TestRefusalsWithoutEndpoints(t *testing.T) {
	var empty *cluster.Board
	v := cluster.View{Board: empty.With(1, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 1}}}), Alive: map[int]bool{1: true}}
	if !v.Serving(1) || v.Down(1) {
		t.Error("it is there")
	}
	v.Refusing = map[int][]int{1: {}}
	if v.Serving(1) || !v.Down(1) {
		t.Error("its daemon is gone")
	}
}
