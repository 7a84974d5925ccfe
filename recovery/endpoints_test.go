package recovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

var door = cluster.EndpointID{Database: 1, Index: 1} // on node 1

// bind carries out what is decided about endpoints, and says it.
func (s *scene) bind() string {
	s.t.Helper()
	var words []string
	for _, c := range recovery.Endpoints(s.View) {
		b := c.(cluster.Bind)
		words = append(words, strings.TrimSpace(fmt.Sprintln(b.Endpoint, b.Step, b.Nodes)))
		s.apply(c)
	}
	return strings.Join(words, "\n")
}

func (s *scene) listens(node int, connections int) {
	s.Reports[node].Proxy.Endpoints[door] = cluster.EndpointState{Listening: true, Connections: connections}
	s.heard(1, 2, 3)
}

func (s *scene) node(id int, change func(*cluster.Node)) {
	n := s.Nodes[id]
	change(&n)
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{n}})
}

func (s *scene) expect(got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Fatalf("got %q, want %q", got, want)
	}
}

func TestEndpointsOfAHostThatIsGone(t *testing.T) {
	s := serving(t)
	s.expect(s.bind(), "")
	delete(s.Alive, 1)
	s.apply(cluster.OpenHandover{ID: "x", To: replica, Unplanned: true})
	s.expect(s.bind(), "1:1 open [2]") // where the master will be
	s.expect(s.bind(), "")             // node 2 has not been heard since
	s.heard(1, 2, 3)
	s.expect(s.bind(), "") // heard, and does not listen
	s.listens(2, 0)
	s.expect(s.bind(), "1:1 switch [2]\n1:1 announce []\n1:1 close []")
	if e := s.Endpoints[door]; fmt.Sprint(e.Nodes, e.Opening, e.Draining, e.Announced) != "[2] [] [] 2" {
		t.Fatalf("%+v", e)
	}
	s.Alive[1] = true // it comes back, and gets nothing back
	s.heard(1, 2, 3)
	s.expect(s.bind(), "")
}

func TestEndpointsOnTheirWay(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(s *scene)
		want    string
	}{
		"the old node is back":         {func(s *scene) { s.Alive[1] = true }, "1:1 undo []"},
		"the new node is gone too":     {func(s *scene) { delete(s.Alive, 2) }, "1:1 undo []\n1:1 open [3]"},
		"the new node is taken out":    {func(s *scene) { s.node(2, func(n *cluster.Node) { n.Maintenance = &cluster.Maintenance{} }) }, "1:1 undo []\n1:1 open [3]"},
		"the new node does not listen": {func(s *scene) { s.Now = s.Now.Add(11 * time.Second) }, "1:1 open [3]"},
		"and no other can have it": {func(s *scene) {
			s.Now = s.Now.Add(11 * time.Second)
			s.node(3, func(n *cluster.Node) { n.QuorumOnly = true })
			s.heard(1, 2, 3)
		}, ""},
		"the new node's proxy is not up":  {func(s *scene) { s.listens(2, 0); r := s.Reports[2]; r.Proxy.Up = false; s.Reports[2] = r }, ""},
		"a move has it in hand meanwhile": {func(s *scene) { s.claim(); s.listens(2, 0) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			delete(s.Alive, 1)
			s.apply(cluster.OpenHandover{ID: "x", To: replica, Unplanned: true})
			s.expect(s.bind(), "1:1 open [2]")
			test.happens(s)
			got := s.bind()
			if got == "1:1 undo []" {
				got = strings.TrimSpace(got + "\n" + s.bind())
			}
			s.expect(got, test.want)
			s.expect(s.bind(), "")
		})
	}
}

// claim lets a running move re-bind the endpoint.
func (s *scene) claim() {
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{cluster.Action{
		ID: "on", Node: 1, Status: cluster.ActionRunning,
		Moves: []cluster.Move{{ID: 1, Kind: cluster.Rebind, Endpoint: door, From: 1, To: 2, Status: cluster.MoveRunning}},
	}}})
}

// The old host returns between the switch and its end: its clients leave first.
func TestOldHostIsDrainedIfItReturns(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(s *scene)
		want    string
	}{
		"with clients":        {func(s *scene) { s.listens(1, 3) }, ""},
		"with slow ones":      {func(s *scene) { s.listens(1, 3); s.Now = s.Now.Add(5 * time.Second) }, "1:1 announce []"},
		"not heard yet":       {func(*scene) {}, ""},
		"never heard":         {func(s *scene) { s.Now = s.Now.Add(5 * time.Second) }, "1:1 announce []"},
		"without clients":     {func(s *scene) { s.listens(1, 0) }, "1:1 announce []"},
		"with lasting ones":   {func(s *scene) { s.listens(1, 3); s.Now = s.Now.Add(time.Minute) }, "1:1 announce []\n1:1 close []"},
		"and goes again":      {func(s *scene) { delete(s.Alive, 1) }, "1:1 announce []\n1:1 close []"},
		"and the new is gone": {func(s *scene) { s.listens(1, 3); delete(s.Alive, 2) }, "1:1 announce []\n1:1 close []\n1:1 open [1]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			s.apply(cluster.Bind{At: s.Now, Endpoint: door, Step: cluster.BindOpen, Nodes: []int{2}})
			s.apply(cluster.Bind{At: s.Now, Endpoint: door, Step: cluster.BindSwitch})
			test.happens(s)
			s.expect(strings.TrimSpace(s.bind()+"\n"+s.bind()), test.want)
		})
	}
}

// A host that refuses everything is not waited for, and not chosen.
func TestEndpointsOfAHostThatRefuses(t *testing.T) {
	s := serving(t)
	s.refuses(1, 20000)
	s.expect(s.bind(), "")
	s.refuses(1, 20000, 10000, 10001)
	s.refuses(2, 20000, 10000, 10001)
	s.expect(s.bind(), "1:1 open [3]")
	s.listens(3, 0)
	s.expect(s.bind(), "1:1 switch [3]\n1:1 announce []\n1:1 close []")
}

func TestEndpointStaysWhereNobodyCanHaveIt(t *testing.T) {
	s := serving(t)
	clear(s.Alive)
	s.expect(s.bind(), "")
	s.Alive[2] = true
	s.node(2, func(n *cluster.Node) { n.MaxListeners = 0 })
	s.expect(s.bind(), "")
}
