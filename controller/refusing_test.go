package controller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

// dead lets node 1 be silent, and the witnesses tell what it refuses.
func (o *office) dead(seen func(witness int) []int) {
	o.report(func(r *cluster.Report) {
		if ports := seen(r.Node); ports != nil {
			r.Refused = map[int][]int{1: ports}
		}
	})
}

// mute keeps what node 1 would report from now on to itself.
func (o *office) mute() { o.muted = 1 }

func TestRefusalsAreBelieved(t *testing.T) {
	all := []int{10000, 20000}
	for name, test := range map[string]struct {
		seen  func(witness int) []int
		alive bool
		wait  time.Duration
		want  string
	}{
		"from two silent for long":  {func(int) []int { return all }, false, 0, "map[1:[10000 20000]]"},
		"not from one":              {func(w int) []int { return map[int][]int{2: all}[w] }, false, 0, "map[]"},
		"only what both saw":        {func(w int) []int { return map[int][]int{2: all, 3: {20000}}[w] }, false, 0, "map[1:[20000]]"},
		"not of one that reports":   {func(w int) []int { return map[int][]int{2: all, 3: all}[w] }, true, 0, "map[]"},
		"not what was seen earlier": {func(int) []int { return all }, false, 2 * recent, "map[]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
					return cluster.Outcome{Result: cluster.Unmoved}, nil
				})
				defer o.resign()
				o.report(nil)
				if !test.alive {
					o.mute()
				}
				time.Sleep(silence + time.Millisecond)
				o.dead(test.seen)
				time.Sleep(test.wait)
				got := o.View().Refusing
				if fmt.Sprint(got) != test.want {
					t.Errorf("%v, want %s", got, test.want)
				}
			})
		})
	}
}

// A new leader gives a host the time to show that it lives.
func TestNewLeaderDoesNotBelieveRefusalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		defer o.resign()
		o.mute()
		o.dead(func(int) []int { return []int{20000} })
		if v := o.View(); len(v.Refusing) > 0 {
			t.Errorf("%v", v.Refusing)
		}
		time.Sleep(silence + time.Millisecond)
		if v := o.View(); len(v.Refusing) != 1 {
			t.Errorf("%v", v.Refusing)
		}
	})
}

// A host that refuses everything is promoted away from while its lease stands,
// also by a leader that never heard of it.
func TestPromotionDoesNotWaitForAHostThatRefuses(t *testing.T) {
	for _, heard := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t, func(int, cluster.Order) (cluster.Outcome, error) {
				return cluster.Outcome{Result: cluster.Moved, ReplID: "second"}, nil
			})
			defer o.resign()
			if heard {
				o.report(nil)
			}
			o.mute()
			for range 10 {
				time.Sleep(silence / 4)
				o.dead(func(int) []int { return []int{20000} })
			}
			if r := o.quorum.Board().Ranges[rng]; r.Master != two || r.Handover != nil {
				t.Errorf("heard before %v: range %+v", heard, r)
			}
		})
	}
}
