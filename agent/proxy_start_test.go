package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A proxy that can not start is not tried at every look.
func TestProxyThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var starts []time.Duration
		a := New(Config{Node: 1, Shards: t.TempDir(), Logger: slog.New(slog.DiscardHandler), StartProxy: func(context.Context) error {
			starts = append(starts, time.Since(began))
			return errors.New("no")
		}})
		for range 60 * time.Second / lookEvery {
			if r := a.proxyGone(t.Context()); r.Up {
				t.Fatal("up")
			}
			time.Sleep(lookEvery)
		}
		var gaps []time.Duration
		for i := 1; i < len(starts); i++ {
			gaps = append(gaps, starts[i]-starts[i-1])
		}
		if !slices.IsSorted(gaps) || len(gaps) < 10 || gaps[0] != lookEvery || gaps[len(gaps)-1] != lastWait {
			t.Errorf("started again after %v", gaps)
		}
	})
}
