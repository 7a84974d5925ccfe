package recovery_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
	"github.com/haulout/haulout/recovery"
)

// harbour is a cluster whose endpoint of database 1 is bound by a policy. Its
// proxies do what the board says, one look later, unless they are deaf.
type harbour struct {
	t interface {
		Helper()
		Fatalf(string, ...any)
	}
	cluster.View
	deaf    map[int]bool
	clients int       // on each node that serves the endpoint, until it drains
	told    time.Time // when clients of discovery were last sent elsewhere
}

func (h *harbour) apply(c cluster.Command) {
	h.t.Helper()
	change, err := c.Apply(h.Board)
	if err != nil {
		h.t.Fatalf("%+v: %v", c, err)
	}
	before := h.Endpoints[door]
	h.Board = h.Board.With(h.Revision+1, change)
	e := h.Endpoints[door]
	if len(e.Nodes) == 0 && h.Databases[1].ID != 0 {
		h.t.Fatalf("%+v left the endpoint nowhere", c)
	}
	for _, n := range e.Nodes {
		switch {
		case slices.Contains(before.Nodes, n):
		case h.Nodes[n].Maintenance != nil:
			h.t.Fatalf("%+v bound the endpoint to node:%d, which is in maintenance", c, n)
		case len(before.Nodes) > 0 && !h.Reports[n].Proxy.Endpoints[door].Listening:
			h.t.Fatalf("%+v bound the endpoint to node:%d, which does not listen", c, n)
		}
	}
	if len(before.Nodes) > 0 && e.Nodes[0] != before.Nodes[0] && slices.Contains(e.Nodes, before.Nodes[0]) {
		h.t.Fatalf("%+v sent clients from node:%d, which stays", c, before.Nodes[0])
	}
	h.checkTold(before, e)
}

// checkTold sees that clients of discovery are told to go only once they have been
// seen off, and sent on only once they have arrived.
func (h *harbour) checkTold(before, e cluster.Endpoint) {
	if len(before.Nodes) == 0 {
		return
	}
	if left := before.Nodes[0]; e.Nodes[0] != left && h.Alive[left] && h.Now.Sub(h.told) < 5*time.Second {
		h.t.Fatalf("clients are sent on from node:%d, which they were told of %s ago", left, h.Now.Sub(h.told))
	}
	if e.Announced == before.Announced {
		return
	}
	h.told = h.Now
	for _, n := range before.Draining {
		seen := h.Reports[n].Proxy.Endpoints[door]
		if h.Alive[n] && seen.Connections > 0 && h.Now.Sub(before.Since) < 5*time.Second {
			h.t.Fatalf("clients of node:%d are told of node:%d while %d of them are there", n, e.Announced, seen.Connections)
		}
	}
}

// look lets a second pass: the leader decides, then the hosts converge and report.
func (h *harbour) look() {
	h.Now = h.Now.Add(time.Second)
	for _, c := range recovery.Endpoints(h.View) {
		h.apply(c)
	}
	for id := range h.Nodes {
		if !h.Alive[id] {
			continue
		}
		e, state := h.Endpoints[door], map[cluster.EndpointID]cluster.EndpointState{}
		if e.ServedBy(id) {
			clients := h.clients
			if slices.Contains(e.Draining, id) {
				clients = 0
			}
			state[door] = cluster.EndpointState{Listening: !h.deaf[id], Connections: clients}
		}
		h.Reports[id] = cluster.Report{Node: id, Revision: h.Revision, Proxy: cluster.ProxyReport{Up: true, Revision: h.Revision, Endpoints: state}}
	}
}

func (h *harbour) put(o ...cluster.Object) {
	h.Board = h.Board.With(h.Revision+1, cluster.Change{Put: o})
}

func newHarbour(t *rapid.T) *harbour {
	h := &harbour{t: t, View: cluster.View{Board: &cluster.Board{}, Now: time.Unix(1e9, 0).UTC(), Alive: map[int]bool{}, Reports: map[int]cluster.Report{}}, deaf: map[int]bool{}, clients: 2}
	nodes := rapid.IntRange(1, 5).Draw(t, "nodes")
	for i := 1; i <= nodes; i++ {
		n := cluster.Node{Identity: fmt.Sprint(i), Address: fmt.Sprintf("127.0.0.%d", i), TotalMemory: 1 << 40, MaxShards: 100, MaxListeners: 100}
		if i == 1 {
			h.apply(cluster.CreateCluster{ID: "c", Node: n})
		} else {
			h.apply(cluster.AddNode{Node: n})
		}
		h.Alive[i] = true
	}
	d := cluster.Database{Name: "a", MemorySize: 1 << 30, ShardsCount: rapid.IntRange(1, 3).Draw(t, "shards"), Persistence: "disabled", Eviction: "noeviction",
		ProxyPolicy: rapid.SampledFrom(cluster.ProxyPolicies).Draw(t, "policy")}
	p, err := plan.Place(h.View, d)
	if err != nil {
		t.Fatalf("%v", err)
	}
	h.apply(cluster.CreateDatabase{Database: d, Placement: p, At: h.Now})
	return h
}

// happen is one thing that comes over the cluster.
func (h *harbour) happen(t *rapid.T) {
	node := rapid.IntRange(1, len(h.Nodes)).Draw(t, "node")
	switch rapid.IntRange(0, 5).Draw(t, "event") {
	case 0:
		h.Alive[node] = !h.Alive[node]
		if !h.Alive[node] {
			delete(h.Alive, node)
		}
	case 1:
		n := h.Nodes[node]
		if n.Maintenance = nil; h.Nodes[node].Maintenance == nil {
			n.Maintenance = &cluster.Maintenance{}
		}
		h.put(n)
	case 2:
		h.deaf[node] = !h.deaf[node]
	case 3: // a master goes elsewhere
		r := h.Ranges[cluster.RangeID{Database: 1}]
		i := h.Instances[r.Master]
		i.Node, r.MasterSince = node, h.Now
		h.put(i, r)
	case 4:
		policy := rapid.SampledFrom(cluster.ProxyPolicies).Draw(t, "policy")
		h.apply(cluster.UpdateDatabase{At: h.Now, Database: 1, Policy: &policy})
	case 5:
		c := cluster.UpdateDatabase{At: h.Now, Database: 1, Exclude: &[]int{node}}
		if _, err := c.Apply(h.Board); err == nil {
			h.apply(c)
		}
	}
}

// Whatever happens, the endpoint is somewhere, never put on a node in
// maintenance, and in the end where its policy wants it; then nothing moves.
func TestBindingsFollowTheirPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarbour(t)
		for range rapid.IntRange(0, 12).Draw(t, "events") {
			h.happen(t)
			for range rapid.IntRange(0, 8).Draw(t, "looks") {
				h.look()
			}
		}
		for range 120 {
			h.look()
		}
		e, d := h.Endpoints[door], h.Databases[1]
		before := h.Revision
		clear(h.deaf)
		for range 60 {
			h.look()
		}
		settled := h.Revision
		for range 20 {
			h.look()
		}
		e = h.Endpoints[door]
		if h.Revision != settled || len(e.Opening)+len(e.Draining) > 0 {
			t.Fatalf("never at rest: %d %d %d %+v", before, settled, h.Revision, e)
		}
		serving := func(n int) bool { return h.Alive[n] }
		free := func(n cluster.Node) bool { return h.Alive[n.ID] && !n.Closed() }
		if !slices.ContainsFunc(e.Nodes, serving) && slices.ContainsFunc(cluster.Sorted(h.Nodes), free) {
			t.Fatalf("nobody serves, and somebody could: %+v", e)
		}
		for _, n := range cluster.Sorted(h.Nodes) {
			in := slices.Contains(e.Nodes, n.ID)
			wanted := d.ProxyPolicy == cluster.AllNodes && !slices.Contains(e.Exclude, n.ID) && free(n)
			if wanted && !in {
				t.Fatalf("%s: node:%d is missing: %+v", d.ProxyPolicy, n.ID, e)
			}
		}
		// With nobody to go to, an endpoint of several nodes waits for the first of them.
		if !d.Spread() && len(e.Nodes) != 1 && slices.ContainsFunc(cluster.Sorted(h.Nodes), free) {
			t.Fatalf("%s: %+v", d.ProxyPolicy, e)
		}
	})
}

func TestMastersAreFollowedOnceTheyStay(t *testing.T) {
	s := serving(t)
	policy := cluster.AllMasterShards
	s.apply(cluster.UpdateDatabase{At: s.Now, Database: 1, Policy: &policy})
	s.heard(1, 2, 3)
	s.expect(s.bind(), "")
	r := s.Ranges[first]
	r.Master, r.MasterSince = replica, s.Now.Add(time.Second)
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{r}})
	s.Now = s.Now.Add(10 * time.Second)
	s.expect(s.bind(), "") // it may go back
	s.Now = s.Now.Add(7 * time.Second)
	s.expect(s.bind(), "1:1 open [2]")
	s.listens(1, 3)
	s.listens(2, 0)
	s.expect(s.bind(), "1:1 switch [2]")
	s.listens(1, 3)
	s.expect(s.bind(), "") // its clients leave first
	s.listens(1, 0)
	s.expect(s.bind(), "1:1 announce []")
	s.listens(1, 0)
	s.expect(s.bind(), "") // who asked just before may still come
	s.Now = s.Now.Add(time.Second)
	s.expect(s.bind(), "1:1 close []")
}

// Asked again, an endpoint of one node goes to the masters, once.
func TestSingleGoesToTheMasters(t *testing.T) {
	s := serving(t)
	r := s.Ranges[first]
	r.Master = replica
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{r}})
	s.heard(1, 2, 3)
	s.expect(s.bind(), "")
	policy := cluster.Single
	s.apply(cluster.UpdateDatabase{At: s.Now, Database: 1, Policy: &policy})
	s.expect(s.bind(), "1:1 open [2]")
	s.listens(1, 1)
	s.listens(2, 0)
	s.expect(s.bind(), "1:1 switch [2]")
	s.listens(1, 0)
	s.expect(s.bind(), "1:1 announce []")
	s.listens(1, 0)
	s.expect(s.bind(), "") // who asked just before may still come
	s.Now = s.Now.Add(time.Second)
	s.expect(s.bind(), "1:1 close []")
	r.Master = master
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{r}})
	s.Now = s.Now.Add(time.Hour)
	s.heard(1, 2, 3)
	s.expect(s.bind(), "")
}

// A node that is gone is left at once, whatever else is on its way.
func TestLostNodeLeavesTheOthers(t *testing.T) {
	s := serving(t)
	policy := cluster.AllNodes
	s.apply(cluster.UpdateDatabase{At: s.Now, Database: 1, Policy: &policy})
	s.heard(1, 2, 3)
	s.expect(s.bind(), "1:1 open [1 2 3]")
	s.listens(1, 1)
	s.listens(2, 0)
	s.expect(s.bind(), "")
	s.Now = s.Now.Add(11 * time.Second) // node 3 never listens
	s.expect(s.bind(), "1:1 switch [1 2]")
	s.heard(1, 2, 3)
	s.expect(s.bind(), "1:1 open [1 2 3]")
	delete(s.Alive, 1)
	s.expect(s.bind(), "1:1 switch [2]\n1:1 announce []\n1:1 close []")
}

// excluded is a cluster whose endpoint is on all nodes and shall leave node 2.
func excluded(t *testing.T) *scene {
	s := serving(t)
	policy := cluster.AllNodes
	s.apply(cluster.UpdateDatabase{At: s.Now, Database: 1, Policy: &policy})
	s.heard(1, 2, 3)
	s.expect(s.bind(), "1:1 open [1 2 3]")
	for n := 1; n <= 3; n++ {
		s.listens(n, 0)
	}
	s.expect(s.bind(), "1:1 switch [1 2 3]")
	s.apply(cluster.UpdateDatabase{At: s.Now, Database: 1, Exclude: &[]int{2}})
	s.heard(1, 2, 3)
	return s
}

// Clients may have come after the last report and before the switch.
func TestCountsOfBeforeTheSwitchDoNotCloseAnEndpoint(t *testing.T) {
	s := excluded(t)
	s.expect(s.bind(), "1:1 switch [1 3]")
	s.listens(2, 1)
	s.expect(s.bind(), "")
	s.listens(2, 0)
	s.expect(s.bind(), "1:1 close []")
}

func TestSilentProxyMayHaveClients(t *testing.T) {
	s := excluded(t)
	s.expect(s.bind(), "1:1 switch [1 3]")
	r := s.Reports[2]
	r.Proxy.Silent, r.Proxy.Endpoints = true, nil
	s.Reports[2] = r
	s.heard(1, 2, 3)
	s.expect(s.bind(), "")
	s.Now = s.Now.Add(70 * time.Second)
	s.expect(s.bind(), "1:1 close []")
}

// A leader whose clock is ahead gives clients and listeners their time all the same.
func TestBindingsWaitByTheLeadersOwnClock(t *testing.T) {
	ahead := func(s *scene) {
		s.Now = s.Now.Add(time.Hour)
		s.FirstSeen = s.Board.FirstSeen(nil, s.Now)
	}
	s := excluded(t)
	s.expect(s.bind(), "1:1 switch [1 3]")
	s.listens(2, 1)
	ahead(s)
	s.expect(s.bind(), "")
	s.Now = s.Now.Add(70 * time.Second)
	s.expect(s.bind(), "1:1 close []")

	s = serving(t)
	policy := cluster.AllNodes
	s.apply(cluster.UpdateDatabase{At: s.Now, Database: 1, Policy: &policy})
	s.heard(1, 2, 3)
	s.expect(s.bind(), "1:1 open [1 2 3]")
	s.listens(2, 0)
	ahead(s)
	s.expect(s.bind(), "") // node 3 may still listen
	s.Now = s.Now.Add(11 * time.Second)
	s.expect(s.bind(), "1:1 switch [1 2]")
}
