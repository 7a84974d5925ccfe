package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func pointer[T any](v T) *T { return &v }

func (s *story) bound() string {
	e := s.board.Endpoints[cluster.EndpointID{Database: 1, Index: 1}]
	return fmt.Sprint(e.Nodes, e.Opening, e.Draining, e.Announced)
}

func TestEndpointOfSeveralNodes(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, false)
	bind := func(step cluster.BindStep, nodes ...int) cluster.Bind {
		return cluster.Bind{At: at, Endpoint: cluster.EndpointID{Database: 1, Index: 1}, Step: step, Nodes: nodes}
	}
	for _, step := range []struct {
		bind cluster.Bind
		want string
	}{
		{bind(cluster.BindOpen, 1, 2, 3), "[1] [2 3] [] 1"},
		{bind(cluster.BindSwitch, 3, 1), "[1 3] [] [] 1"}, // who stays keeps its place
		{bind(cluster.BindOpen, 1, 2, 3), "[1 3] [2] [] 1"},
		{bind(cluster.BindSwitch, 1, 2, 3), "[1 3 2] [] [] 1"},
		{bind(cluster.BindSwitch, 2, 3), "[3 2] [] [1] 1"},
		{bind(cluster.BindAnnounce), "[3 2] [] [1] 3"},
		{bind(cluster.BindClose), "[3 2] [] [] 3"},
		{bind(cluster.BindSwitch, 3), "[3] [] [2] 3"},
	} {
		s.must(step.bind)
		if got := s.bound(); got != step.want {
			t.Fatalf("%s %v: %s, want %s", step.bind.Step, step.bind.Nodes, got, step.want)
		}
	}
	for _, wrong := range []cluster.Bind{bind(cluster.BindSwitch, 3), bind(cluster.BindOpen, 1)} {
		if err := s.try(wrong); err == nil {
			t.Errorf("%+v was carried out in the midst of a drain", wrong)
		}
	}
	s.must(bind(cluster.BindClose))
	for _, wrong := range []cluster.Bind{bind(cluster.BindSwitch), bind(cluster.BindSwitch, 1), bind(cluster.BindSwitch, 3, 2), bind(cluster.BindOpen, 3)} {
		if err := s.try(wrong); err == nil {
			t.Errorf("%+v was carried out", wrong)
		}
	}
}

// Everything that is wrong with a wish is told at once, and nothing is changed.
func TestUpdateDatabaseNamesEveryBlocker(t *testing.T) {
	s := begin(t, 4)
	s.database("a", 1, false)
	n := s.board.Nodes[2]
	n.Maintenance = &cluster.Maintenance{}
	s.board = s.board.With(s.board.Revision+1, cluster.Change{Put: []cluster.Object{n}})
	for want, c := range map[string]cluster.UpdateDatabase{
		`proxy_policy "some" does not exist`:                                   {Policy: pointer("some")},
		"which has no nodes to include":                                        {Include: &[]int{1}},
		"there is no node:9, there is no node:8":                               {Policy: pointer(cluster.AllNodes), Include: &[]int{9}, Exclude: &[]int{8}},
		"node:2 is in maintenance mode, node:1 can not be both":                {Policy: pointer(cluster.AllMasterShards), Include: &[]int{2, 1}, Exclude: &[]int{1}},
		"every node in service is excluded":                                    {Policy: pointer(cluster.AllNodes), Exclude: &[]int{1, 3, 4}},
		"tls_mode replica_ssl is not supported":                                {TLS: cluster.ChangeTLS{Mode: pointer("replica_ssl")}},
		"clients can show a certificate only with tls_mode, and none is known": {TLS: cluster.ChangeTLS{Authenticate: pointer(true)}},
		`eviction_policy "lru" does not exist, publishes nothing, the least is 4MB`: {
			MemorySize: pointer[int64](1000), Eviction: pointer("lru"), Events: pointer("K")},
		"memory_size can not be -1":                                      {MemorySize: pointer[int64](-1)},
		`proxy_policy "x" does not exist, tls_mode "y" is not supported`: {Policy: pointer("x"), TLS: cluster.ChangeTLS{Mode: pointer("y")}},
	} {
		before := s.board
		c.Database = 1
		err := s.try(c)
		var all cluster.Refusals
		if !errors.As(err, &all) || s.board != before {
			t.Errorf("%s: %v", want, err)
			continue
		}
		for _, part := range strings.Split(want, ", ") {
			if !slices.ContainsFunc(all, func(e *cluster.Error) bool { return strings.Contains(e.Message, part) }) {
				t.Errorf("%q is not among\n%v", part, err)
			}
		}
	}
}

func TestPolicyKeepsItsListsUntilItChanges(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, false)
	lists := func() string {
		e := s.board.Endpoints[cluster.EndpointID{Database: 1, Index: 1}]
		return e.Role(s.board.Databases[1].ProxyPolicy)
	}
	for _, step := range []struct {
		wish cluster.UpdateDatabase
		want string
	}{
		{cluster.UpdateDatabase{Policy: pointer(cluster.AllNodes)}, "all-nodes"},
		{cluster.UpdateDatabase{Exclude: &[]int{2, 3}}, "all-nodes -2"},
		{cluster.UpdateDatabase{Policy: pointer(cluster.AllNodes)}, "all-nodes -2"},
		{cluster.UpdateDatabase{Exclude: &[]int{3}}, "all-nodes -1"},
		{cluster.UpdateDatabase{Policy: pointer(cluster.AllMasterShards), Include: &[]int{3}}, "all-master-shards +1"},
		{cluster.UpdateDatabase{Include: &[]int{}}, "all-master-shards"},
		{cluster.UpdateDatabase{Policy: pointer(cluster.Single)}, "single"},
	} {
		step.wish.Database, step.wish.At = 1, at
		s.must(step.wish)
		if got := lists(); got != step.want {
			t.Fatalf("%+v: %s, want %s", step.wish, got, step.want)
		}
	}
}

func TestWhatEnginesAreTold(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 2, true)
	s.must(cluster.UpdateDatabase{Database: 1, MemorySize: pointer[int64](800 << 20), Eviction: pointer("allkeys-lru"), By: "me"})
	s.must(cluster.UpdateDatabase{Database: 1, Events: pointer("AKE")})
	if got, want := s.board.Databases[1].Settings(), (cluster.Settings{Memory: 200 << 20, Eviction: "allkeys-lru", Events: "AKE"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
