package proxy

import "testing"

// What the engine would take for missing, because another shard has it, is refused.
func TestSortLooksAtItsOwnSlotAlone(t *testing.T) {
	refused := "-" + errSortElsewhere
	r := startProxy(t, startEngines(t, 3)...)
	r.steps(r.dial(2), [][2]string{
		{"RPUSH {t}l 2 1", "2"},
		{"MSET {t}w_1 20 {t}w_2 10 {t}n_1 one {t}n_2 two", "OK"},
		{"SORT {t}l", "[1 2]"},
		{"SORT {t}l BY nosort GET #", "[2 1]"},
		{"SORT {t}l BY {t}w_* LIMIT 0 5 GET {t}n_* GET #", "[two 2 one 1]"},
		{"SORT {t}l BY w_*", refused},
		{"SORT {t}l GET n_*", refused},
		{"SORT_RO {t}l by {other}w_*", refused},
		{"SORT {t}l BY w_{t}*", "[1 2]"},
		{"SORT {t}l BY *{t}", refused},
		{"SORT {t}l BY {*}t", refused},
		{"MULTI", "OK"},
		{"SORT {t}l GET n_*", refused},
		{"EXEC", "-" + errExecAborted},
	}...)
	r = startProxy(t, startEngine(t))
	r.steps(r.dial(2), [][2]string{
		{"RPUSH l 2 1", "2"},
		{"MSET n_1 one n_2 two", "OK"},
		{"SORT l GET n_*", "[one two]"},
	}...)
}
