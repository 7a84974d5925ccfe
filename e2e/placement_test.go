package e2e

import (
	"slices"
	"testing"
)

func TestDifferences(t *testing.T) {
	before := Placement{"redis:1": "master on node:1", "redis:2": "slave on node:2", "endpoint:1:1": "127.0.0.2:10000"}
	after := Placement{"redis:1": "master on node:1", "redis:2": "master on node:2", "redis:3": "slave on node:3"}
	want := []string{
		"endpoint:1:1: nowhere, was 127.0.0.2:10000",
		"redis:2: master on node:2, was slave on node:2",
		"redis:3: slave on node:3, was not there",
	}
	if got := before.Differences(after); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := before.Differences(before); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestGood(t *testing.T) {
	good := Result{Acknowledged: 1, EvacuatedShards: 1, RestoredExactly: true, LongestPause: 1000}
	if !good.Good() {
		t.Error("not good")
	}
	for name, spoil := range map[string]func(*Result){
		"nothing written": func(r *Result) { r.Acknowledged = 0 },
		"lost":            func(r *Result) { r.Lost = 1 },
		"duplicated":      func(r *Result) { r.Duplicated = 1 },
		"error":           func(r *Result) { r.Errors = 1 },
		"nothing moved":   func(r *Result) { r.EvacuatedShards = 0 },
		"not restored":    func(r *Result) { r.RestoredExactly = false },
	} {
		r := good
		if spoil(&r); r.Good() {
			t.Errorf("%s: good", name)
		}
	}
}
