package store

import (
	"slices"
	"strings"
	"testing"
)

// A member starts only with the list of members that it was told, so the next
// one is added when it has been started.
func TestJoinsWaitForEachOther(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	second, initial, err := one.AddLearner(t.Context(), "member-2", f.peerURL(2), false)
	if err != nil {
		t.Fatal(err)
	}
	type added struct {
		initial string
		err     error
	}
	next := make(chan added, 1)
	go func() {
		_, initial, err := one.AddLearner(t.Context(), "member-3", f.peerURL(3), false)
		next <- added{initial, err}
	}()
	s, err := Join(f.config(t, 2), initial, "token")
	f.run(t, s, err).ready(t)
	three := <-next
	if three.err != nil || !strings.Contains(three.initial, "member-2=") {
		t.Fatalf("%q, %v", three.initial, three.err)
	}
	s, err = Join(f.config(t, 3), three.initial, "token")
	f.run(t, s, err).ready(t)
	list, err := one.Members(t.Context())
	started := func(m Member) bool { return m.Name != "" }
	if err != nil || len(list) != 3 || !slices.ContainsFunc(list, func(m Member) bool { return m.ID == second && started(m) }) {
		t.Errorf("%+v, %v", list, err)
	}
}
