package maintenance_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// A database changes until every engine of it that runs was told what the board says.
func TestChangingUntilEnginesAreTold(t *testing.T) {
	w, _ := pair(t)
	w.tick()
	changing := func() bool { return maintenance.Changing(w.view(), w.board.Databases[1]) }
	if changing() {
		t.Error("it changes, although nothing is known of its engines")
	}
	tell := func(id cluster.InstanceID) {
		w.alter(id, func(o *cluster.Observed) { o.Settings = w.board.Databases[1].Settings() })
	}
	tell(instance(1, 1))
	tell(instance(2, 1))
	if changing() {
		t.Error("it changes, although all were told")
	}
	size := int64(300 * mega)
	w.apply(cluster.UpdateDatabase{Database: 1, MemorySize: &size})
	for _, id := range []cluster.InstanceID{instance(1, 1), instance(2, 1)} {
		if !changing() {
			t.Error("it does not change, although an engine was not told")
		}
		tell(id)
	}
	if changing() {
		t.Error("it changes, although all were told")
	}
}
