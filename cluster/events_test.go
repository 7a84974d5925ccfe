package cluster_test

import (
	"testing"

	"github.com/haulout/haulout/cluster"
)

// Classes of keyspace events are written as the engine does, in any order they came.
func TestKeyspaceEvents(t *testing.T) {
	for text, want := range map[string]struct {
		written string
		ok      bool
	}{
		"":               {"", true},
		"KEA":            {"AKE", true},
		"Ex":             {"xE", true},
		"mEgKx":          {"gxKEm", true},
		"Eg$lshzxetd":    {"AE", true},
		"EdtexzhslAg$nE": {"AnE", true},
		"Km":             {"Km", true},
		"A":              {"A", false},
		"KE":             {"KE", false},
		"K":              {"K", false},
		"KAq":            {"AK", false},
		"K A":            {"AK", false},
		"Kä":             {"K", false},
	} {
		written, ok := cluster.KeyspaceEvents(text)
		if written != want.written || ok != want.ok {
			t.Errorf("%q: got %q, %v", text, written, ok)
		}
		if again, ok := cluster.KeyspaceEvents(written); want.ok && (again != written || !ok) {
			t.Errorf("%q: %q becomes %q", text, written, again)
		}
	}
}
