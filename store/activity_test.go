package store

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestActivityLog(t *testing.T) {
	one := newFleet(t).first(t)
	start := time.Unix(1000, 0).UTC()
	for i := range 5 { // two entries at each second
		at := start.Add(time.Duration(i) * time.Second)
		one.commit(t, cluster.Change{Log: []cluster.Entry{{Time: at, Text: fmt.Sprint(i, "a")}, {Time: at, Text: fmt.Sprint(i, "b")}}})
	}
	never := time.Time{}
	second := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
	check := func(name string, from, to time.Time, limit, offset int, desc bool, want ...string) {
		t.Helper()
		list, err := one.Log(t.Context(), from, to, limit, offset, desc)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	check("all", never, never, 0, 0, false, "0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b")
	check("newest first", never, never, 3, 0, true, "4b", "4a", "3b")
	check("second page", never, never, 3, 3, true, "3a", "2b", "2a")
	check("window", second(1), second(3), 0, 0, false, "1a", "1b", "2a", "2b")
	check("empty window", second(3), second(1), 0, 0, false)
	check("beyond the end", never, never, 5, 100, false)

	one.logCap = 3
	epoch := one.office.epoch(t)
	wantCode(t, one.TrimLog(t.Context(), epoch-1), cluster.CodeStale)
	for range 2 {
		if err := one.TrimLog(t.Context(), epoch); err != nil {
			t.Fatal(err)
		}
	}
	check("trimmed", never, never, 0, 0, false, "3b", "4a", "4b")
	if one.Board().Cluster.ID != "c" {
		t.Error("trimming the log reached the board")
	}
}
