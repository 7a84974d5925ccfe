package api

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// A host whose disk hangs is soon down. What it said of the disk is why; the rest of what
// it said then is old.
func TestTroublesOfAHostThatIsDown(t *testing.T) {
	silent := cluster.Refuse(cluster.CodeDiskSilent, "look after the disk", "the disk of /data has not answered for 7s")
	full := cluster.Refuse(cluster.CodeDiskFull, "make space", "the disk of /data is full")
	n := cluster.Node{ID: 2}
	v := cluster.View{
		Board:   (*cluster.Board)(nil).With(1, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c"}, n}}),
		Reports: map[int]cluster.Report{2: {Node: 2, Troubles: []*cluster.Error{full, silent}}},
	}
	for _, c := range []struct {
		alive bool
		want  int
	}{{true, 2}, {false, 1}} {
		v.Alive = map[int]bool{2: c.alive}
		if got := nodeObject(v, n).Troubles; len(got) != c.want || got[len(got)-1] != silent {
			t.Errorf("alive %v: %v", c.alive, got)
		}
	}
}
