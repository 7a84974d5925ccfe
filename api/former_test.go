package api_test

import (
	"errors"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// What is set aside may be the last copy of something as long as anything is missing.
func TestFormerFiles(t *testing.T) {
	d := apitest.Cluster()
	v := d.View()
	r := v.RangesByID()[0]
	f := cluster.FormerFiles{Name: r.Master.String() + ".before-life-2", Instance: r.Master, Bytes: 5 << 20, SetAside: apitest.Start}
	d.Former = map[int][]cluster.FormerFiles{2: {f}}
	c, _ := public(t, d, apitest.Admin)
	list, err := c.FormerFiles(ctx, 2)
	if err != nil || len(list) != 1 || list[0].Name != f.Name || int(list[0].Database) != r.ID.Database || list[0].Size != 5<<20 {
		t.Fatalf("%+v, %v", list, err)
	}
	refused := func(node int, name string, want ...cluster.Code) {
		t.Helper()
		_, err := c.DeleteFormerFiles(ctx, node, name)
		var many cluster.Refusals
		if !errors.As(err, &many) {
			many = cluster.Refusals{}
			if one := (*cluster.Error)(nil); errors.As(err, &one) {
				many = append(many, one)
			}
		}
		var codes []cluster.Code
		for _, e := range many {
			codes = append(codes, e.Code)
		}
		if len(codes) != len(want) || len(d.View().Nodes[2].Deleting) > 0 {
			t.Fatalf("refused with %v (%v), want %v", codes, err, want)
		}
		for i := range want {
			if codes[i] != want[i] {
				t.Fatalf("refused with %v, want %v", codes, want)
			}
		}
	}
	refused(2, "9.9.before-life-2", cluster.CodeFormerFilesNotFound)
	refused(1, f.Name, cluster.CodeFormerFilesNotFound)
	refused(9, f.Name, cluster.CodeNodeNotFound)
	n := v.Nodes[3]
	n.Absence = cluster.Awaited
	other := v.RangesByID()[len(v.Ranges)-1]
	other.Unsettled = "nobody knows"
	r.Lost, r.LostReason = true, "the only copy is gone"
	d.Apply(put{n}, put{other}, put{r})
	refused(2, f.Name, cluster.CodeRecovering, cluster.CodeRecovering, cluster.CodeShardLost)
	n.Absence, other.Unsettled, r.Lost = "", "", false
	d.Apply(put{n}, put{other}, put{r})
	d.SetAlive(v.Instances[r.Master].Node, false)
	d.SetAlive(2, true)
	if v.Instances[r.Master].Node != 2 {
		refused(2, f.Name, cluster.CodeShardLost)
	}
	d.SetAlive(v.Instances[r.Master].Node, true)
	gone, err := c.DeleteFormerFiles(ctx, 2, f.Name)
	if err != nil || !gone.Deleting || len(d.View().Nodes[2].Deleting) != 1 {
		t.Fatalf("%+v, %v, %v", gone, err, d.View().Nodes[2].Deleting)
	}
	if list, _ := c.FormerFiles(ctx, 2); len(list) != 1 || !list[0].Deleting {
		t.Errorf("%+v", list)
	}
	d.Apply(cluster.NoteDeleted{Node: 2, Names: []string{f.Name}})
	if left := d.View().Nodes[2].Deleting; left != nil {
		t.Errorf("%v", left)
	}
}

// put commits an object as nobody decided.
type put struct{ cluster.Object }

func (p put) Apply(*cluster.Board) (cluster.Change, error) {
	return cluster.Change{Put: []cluster.Object{p.Object}}, nil
}
