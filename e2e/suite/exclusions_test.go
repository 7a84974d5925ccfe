package main

import (
	"slices"
	"testing"
)

func TestExclusions(t *testing.T) {
	for _, out := range []bool{false, true} {
		for _, several := range []bool{false, true} {
			list, err := readExclusions(out, several)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.unit == "" || e.name == "" || e.reason == "" {
					t.Errorf("%+v", e)
				}
			}
			const inOrder, flush = "BLMPOP with multiple blocked clients", "flushdb tracking invalidation message is not interleaved with transaction response"
			if slices.Contains(list.untried("unit/type/list"), inOrder) != out || slices.Contains(list.untried("unit/tracking"), flush) != several {
				t.Errorf("out %v, several %v: %q, %q", out, several, list.untried("unit/type/list"), list.untried("unit/tracking"))
			}
			if list.whole("unit/slowlog") == "" || list.reason("unit/functions", "FUNCTION - function stats anything") == "" || list.reason("unit/protocol", "PING") != "" {
				t.Error("a test has the wrong reason")
			}
		}
	}
}
