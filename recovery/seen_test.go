package recovery_test

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// unknown is the scene when node 1, with the master, had its last word before the
// replica was added.
func unknown(t *testing.T) *scene {
	s := serving(t)
	i := s.Instances[replica]
	i.Added = s.Revision
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{i}})
	s.heard(2, 3)
	delete(s.Alive, 1)
	return s
}

// A replica that the master's host may not know of is not promoted when that is gone:
// it may go on without asking. It is when the host is known to know it, or gone.
func TestOnlyKnownCopiesArePromoted(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(s *scene)
		promoted bool
	}{
		"nothing is known":          {func(*scene) {}, false},
		"its last report showed it": {func(s *scene) { s.heard(1) }, true},
		"it was bound by older promises": {func(s *scene) {
			s.heard(1)
			r := s.Reports[1]
			r.Bound = true
			s.Reports[1] = r
		}, false},
		"an earlier leader had noted it": {func(s *scene) {
			n := s.Nodes[1]
			n.Seen = s.Revision
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{n}})
		}, true},
		"its engine refuses":     {func(s *scene) { s.refuses(1, s.Instances[master].Port) }, true},
		"another engine refuses": {func(s *scene) { s.refuses(1, 29999) }, false},
		"an operator said it is lost": {func(s *scene) {
			n := s.Nodes[1]
			n.Absence = cluster.Lost
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{n}})
		}, true},
	} {
		s := unknown(t)
		test.change(s)
		h := &cluster.Handover{From: master, To: replica, Unplanned: true}
		if closed, _ := recovery.Barrier(s.View, h, 0); closed != test.promoted {
			t.Errorf("%s: the barrier is closed: %v", name, closed)
		}
		if got := s.next(); strings.Contains(got, "promote 2.1") != test.promoted {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What hosts have seen is written down once for all that report, and not again.
func TestSeen(t *testing.T) {
	s := serving(t)
	note := func() string {
		list := recovery.Seen(s.View)
		for _, c := range list {
			s.apply(c)
		}
		if len(list) == 0 {
			return ""
		}
		return "noted"
	}
	if note() != "noted" || s.Nodes[1].Seen == 0 || s.Nodes[2].Seen == 0 || s.Nodes[3].Seen != 0 {
		t.Errorf("%+v", s.Nodes)
	}
	if got := note(); got != "" {
		t.Error("noted again")
	}
	i := s.Instances[replica]
	i.Added = s.Revision
	s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{i}})
	if got := note(); got != "" {
		t.Error("noted before the host reported on the board")
	}
	s.heard(1)
	if note() != "noted" {
		t.Error("not noted for a new copy")
	}
}
