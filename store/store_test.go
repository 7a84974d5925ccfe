package store

import (
	"encoding/json"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestBootstrapCommitRestart(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	written := one.commit(t, cluster.Change{Put: []cluster.Object{cluster.Database{ID: 1, Name: "orders"}}})
	if written.Databases[1].Name != "orders" || one.Board() != written {
		t.Errorf("board after the commit = %+v", written)
	}
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(f.config(t, 1))
	again := f.run(t, s, err).ready(t)
	if got := again.Board(); got.Revision != written.Revision || got.Databases[1] != written.Databases[1] {
		t.Errorf("board after the restart = %+v, want %+v", got, written)
	}
}

func TestThreeVotersAgree(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	for _, m := range membersOf(t, hosts[1]) {
		if m.Learner {
			t.Errorf("member %+v has no vote", m)
		}
	}
	b := hosts[0].commit(t, cluster.Change{Put: []cluster.Object{cluster.Database{ID: 1, Name: "orders"}}})
	for _, h := range hosts {
		if got, want := text(t, h.reached(t, b.Revision)), text(t, b); got != want {
			t.Errorf("node %d sees\n%s\nwant\n%s", h.cfg.NodeID, got, want)
		}
		if s := h.Status(t.Context()); !s.Quorum || s.RaftLead != 1 || s.Learner {
			t.Errorf("node %d: status %+v", h.cfg.NodeID, s)
		}
	}
}

func membersOf(t *testing.T, h *host) []Member {
	t.Helper()
	list, err := h.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func text(t *testing.T, b *cluster.Board) string {
	t.Helper()
	j, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(j)
}
