package cluster_test

import (
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestRebuildReplica(t *testing.T) {
	s := begin(t, 3)
	s.database("a", 1, true) // redis:1 master on 1, redis:2 slave on 2
	if s.try(cluster.RebuildReplica{At: at, Shard: 1, Node: 3}) == nil {
		t.Error("a master was rebuilt")
	}
	s.must(cluster.RebuildReplica{At: at, Shard: 2, Node: 3})
	if i := s.board.Instances[id(2, 2)]; i.Node != 3 || i.Port == 0 || i.Started || s.board.Shards[2].Instance != id(2, 1) {
		t.Errorf("%+v", i)
	}
	if s.try(cluster.RebuildReplica{At: at, Shard: 2, Node: 3}) == nil {
		t.Error("a third instance")
	}
	s.must(cluster.EndRebuild{At: at, Instance: id(2, 2), Reason: "node:2 is back"})
	if _, there := s.board.Second(s.board.Shards[2]); there {
		t.Error("it is still there")
	}
	s.must(cluster.RebuildReplica{At: at, Shard: 2, Node: 3})
	s.must(cluster.EndRebuild{At: at, Instance: id(2, 3), Done: true})
	if _, old := s.board.Instances[id(2, 1)]; old || s.board.Shards[2].Instance != id(2, 3) {
		t.Errorf("%+v", s.board.Shards[2])
	}
	if s.try(cluster.EndRebuild{At: at, Instance: id(2, 9)}) == nil {
		t.Error("an instance that is not there")
	}
	if err := broken(s.board); err != nil {
		t.Error(err)
	}
}

func TestNoteDown(t *testing.T) {
	s := begin(t, 2)
	s.must(cluster.NoteDown{At: at, Node: 2, Down: true})
	s.must(cluster.NoteDown{At: at.Add(time.Hour), Node: 2, Down: true}) // is it already so?
	if got := s.board.Nodes[2].DownSince; !got.Equal(at) {
		t.Errorf("down since %v", got)
	}
	s.must(cluster.NoteDown{At: at, Node: 2})
	if got := s.board.Nodes[2].DownSince; !got.IsZero() {
		t.Errorf("down since %v", got)
	}
	s.refused(cluster.NoteDown{At: at, Node: 9, Down: true}, cluster.CodeNodeNotFound)
}

func TestGrace(t *testing.T) {
	s := begin(t, 1)
	if got := s.board.Cluster.Grace(); got != cluster.DefaultReplicaGrace {
		t.Errorf("%v", got)
	}
	zero, minute := 0, 60
	s.refused(cluster.TuneCluster{ReplicaGrace: &zero}, cluster.CodeBadRequest)
	s.must(cluster.TuneCluster{ReplicaGrace: &minute})
	if got := s.board.Cluster.Grace(); got != time.Minute {
		t.Errorf("%v", got)
	}
}
