package recovery_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// An operator gives a lost range back: what is left of it is served as it is, and it
// begins empty only where nothing is left and that was asked for.
func TestRecoverWhatIsLost(t *testing.T) {
	absent := cluster.Observed{State: cluster.Absent}
	files := cluster.Observed{State: cluster.Absent, Kept: cluster.Kept{Bytes: 7 << 20}}
	unloaded := files
	unloaded.Reason = cluster.NotLoaded + ": bad file format"
	before := files
	before.Kept.Unsaved = true
	stranger := cluster.Observed{State: cluster.Up, Role: cluster.Slave, ReplicationID: "other", Offset: 9, EverLinked: true}
	both := func(of, also cluster.Observed) func(s *scene) {
		return func(s *scene) { s.see(master, of); s.see(replica, also) }
	}
	persistent := func(then func(s *scene)) func(s *scene) {
		return func(s *scene) {
			d := s.Databases[1]
			d.Persistence = "aof"
			s.Board = s.Board.With(s.Revision+1, cluster.Change{Put: []cluster.Object{d}})
			then(s)
		}
	}
	for name, test := range map[string]struct {
		database int
		happens  func(s *scene)
		empty    bool
		want     string // commands, or the codes of the refusal
		givenUp  []int
	}{
		"nothing is lost":                     {1, func(*scene) {}, false, "bad_request", nil},
		"nothing is left":                     {2, func(s *scene) { s.see(lone, absent) }, false, "shard_lost", nil},
		"nothing is left, and it shall begin": {2, func(s *scene) { s.see(lone, absent) }, true, "0-16383 empty on 3", nil},
		"on a node that is closed": {2, func(s *scene) {
			s.see(lone, absent)
			n := s.Nodes[3]
			n.Maintenance = &cluster.Maintenance{}
			s.Board = s.Board.With(s.Revision, cluster.Change{Put: []cluster.Object{n}})
		}, true, "0-16383 empty on 1", nil},
		"its host is down since":        {2, func(s *scene) { s.see(lone, absent); s.next(); delete(s.Alive, 3) }, true, "node_down", nil},
		"its host is down and given up": {2, func(s *scene) { s.see(lone, absent); s.next(); delete(s.Alive, 3) }, true, "0-16383 empty on 1", []int{3}},
		"a host is given up that is up": {2, func(s *scene) { s.see(lone, absent) }, true, "bad_request node_not_found", []int{3, 9}},

		"it does not answer": {2, func(s *scene) {
			s.see(lone, absent)
			s.next()
			s.see(lone, cluster.Observed{State: cluster.Unresponsive})
		}, true, "not_reported_yet", nil},
		"a proxy is behind": {2, func(s *scene) {
			s.see(lone, absent)
			s.next()
			s.deaf = 1
		}, true, "not_reported_yet", nil},
		"a copy of another history":          {1, both(absent, stranger), false, "0-16383 from 2.1 of other", nil},
		"a copy is left, and it shall begin": {1, both(absent, stranger), true, "bad_request", nil},
		"a copy that is not complete": {1, both(absent, cluster.Observed{State: cluster.Up, Role: cluster.Slave, Syncing: true, EverLinked: true}), true,
			"0-16383 empty on 1", nil},
		"files of the replica":         {1, persistent(both(absent, files)), false, "0-16383 from 2.1 of  with files", nil},
		"files of the master":          {1, persistent(both(unloaded, absent)), false, "shard_lost shard_lost", nil},
		"files that it does not load":  {1, persistent(both(unloaded, absent)), true, "shard_lost", nil},
		"files from before its copy":   {1, persistent(both(before, absent)), true, "shard_lost", nil},
		"beside good ones":             {1, persistent(both(before, files)), false, "0-16383 from 2.1 of  with files", nil},
		"files beside a copy":          {1, persistent(both(unloaded, stranger)), false, "0-16383 from 2.1 of other", nil},
		"files of one, not of another": {1, persistent(both(unloaded, files)), false, "0-16383 from 2.1 of  with files", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			test.happens(s)
			s.next()
			s.heard(1, 2, 3)
			if s.deaf != 0 {
				r := s.Reports[s.deaf]
				r.Proxy.Revision--
				s.Reports[s.deaf] = r
			}
			commands, err := recovery.Recover(s.View, s.Databases[test.database], test.empty, test.givenUp, "root")
			var words []string
			for _, c := range commands {
				r := c.(cluster.RecoverRange)
				word := fmt.Sprintf("%s empty on %d", s.Ranges[r.Range].SlotsText(), r.Node)
				if r.Node == 0 {
					word = fmt.Sprintf("%s from %s of %s", s.Ranges[r.Range].SlotsText(), r.Copy, r.ReplicationID)
				}
				if r.Files {
					word += " with files"
				}
				words = append(words, word)
			}
			switch refused := err.(type) {
			case *cluster.Error:
				words = append(words, string(refused.Code))
			case cluster.Refusals:
				for _, e := range refused {
					words = append(words, string(e.Code))
				}
			}
			if got := strings.Join(words, " "); got != test.want {
				t.Fatalf("got %q, want %q: %v", got, test.want, err)
			}
			for _, c := range commands {
				s.apply(c)
				r := s.Ranges[c.(cluster.RecoverRange).Range]
				i, there := s.Instances[r.Master]
				if !there || s.Shards[i.ID.Shard].Instance != i.ID || r.Lost != strings.Contains(test.want, "files") || i.Started == strings.Contains(test.want, "empty") {
					t.Errorf("afterwards: %+v, master %+v", r, i)
				}
			}
			if _, err := recovery.Recover(s.View, s.Databases[test.database], test.empty, test.givenUp, "root"); len(commands) > 0 && err == nil && !strings.Contains(test.want, "files") {
				t.Error("recovered twice")
			}
		})
	}
}
