package history

import (
	"testing"
	"time"
)

// at writes one operation from..to; a negative end is one without an answer.
func at(kind Kind, value int64, from, to int) Operation {
	return Operation{Kind: kind, Key: "k", Value: value, Call: time.Duration(from), Return: time.Duration(max(to, from)), Known: to >= 0}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		list   []Operation
		broken bool
	}{
		"in order":                      {[]Operation{at(Write, 5, 0, 1), at(Read, 5, 2, 3), at(Increment, 6, 4, 5)}, false},
		"a write is gone":               {[]Operation{at(Write, 5, 0, 1), at(Read, 0, 2, 3)}, true},
		"an increment twice":            {[]Operation{at(Increment, 1, 0, 1), at(Read, 2, 2, 3)}, true},
		"two masters count":             {[]Operation{at(Increment, 1, 0, 1), at(Increment, 1, 2, 3)}, true},
		"an old value":                  {[]Operation{at(Write, 5, 0, 1), at(Write, 6, 2, 3), at(Read, 5, 4, 5)}, true},
		"at the same time, either":      {[]Operation{at(Write, 5, 0, 9), at(Write, 6, 0, 9), at(Read, 5, 10, 11)}, false},
		"unknown, not carried out":      {[]Operation{at(Write, 5, 0, 1), at(Write, 6, 2, -1), at(Read, 5, 4, 5)}, false},
		"unknown, carried out late":     {[]Operation{at(Write, 5, 0, 1), at(Write, 6, 2, -1), at(Read, 5, 4, 5), at(Read, 6, 6, 7)}, false},
		"unknown, carried out twice":    {[]Operation{at(Increment, 0, 0, -1), at(Read, 2, 4, 5)}, true},
		"unknown, before it was called": {[]Operation{at(Read, 6, 0, 1), at(Write, 6, 2, -1)}, true},
	} {
		h := New()
		for _, o := range c.list {
			h.Add(o)
		}
		v := h.Judge("k")
		if (len(v.Broken) > 0) != c.broken || len(v.Undecided) > 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestReturns(t *testing.T) {
	count := func(values ...int64) (list []Operation) {
		for i, v := range values {
			list = append(list, at(Increment, v, 2*i, 2*i+1))
		}
		return list
	}
	for _, c := range []struct {
		list []Operation
		want int
	}{
		{count(1, 2, 3), 0},
		{count(1, 2, 4, 5), 0},
		{count(1, 2, 3, 2, 3, 4), 1},       // a promotion that lost one
		{count(1, 2, 3, 2, 4, 3, 5, 4), 3}, // two masters in turn
		{append(count(1, 2), at(Read, 2, 8, 9)), 0},
		{append(count(1, 2), at(Read, 1, 8, 9)), 1}, // the old master still answers
		{append(count(1, 2), at(Increment, 0, 9, -1)), 0},
	} {
		if got := Returns(c.list); got != c.want {
			t.Errorf("%v: %d", c.list, got)
		}
	}
}

func TestTally(t *testing.T) {
	list := []Operation{at(Increment, 1, 0, 1), at(Increment, 2, 2, 3), at(Increment, 0, 4, -1)}
	for last, want := range map[int64][2]int64{1: {1, 0}, 2: {0, 0}, 3: {0, 0}, 4: {0, 1}} {
		if lost, doubled := Tally(list, last); lost != want[0] || doubled != want[1] {
			t.Errorf("%d: %d lost, %d doubled", last, lost, doubled)
		}
	}
}
