package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// What moved has nothing to explain, but perhaps something left to be done.
func TestOutcomeIsTold(t *testing.T) {
	for _, c := range []struct {
		outcome cluster.Outcome
		want    string
	}{
		{cluster.Outcome{Result: cluster.Moved, Pause: time.Millisecond}, "[result moved pause 1ms]"},
		{cluster.Outcome{Result: cluster.Moved, Reason: "a proxy is silent"}, "[result moved pause 0s left_to_do a proxy is silent]"},
		{cluster.Outcome{Result: cluster.Unmoved, Reason: "it lags"}, "[result unmoved pause 0s reason it lags]"},
	} {
		if got := fmt.Sprint(c.outcome.Told()); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
