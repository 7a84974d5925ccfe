package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Clients that find their endpoints by discovery see nothing of an on that is
// thought better of, however far it has got.
func TestCancelledUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, clients := underLoad(ctx, t, "127.0.11.")
	before, err := c.Placement(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const (
		cancels = 6
		span    = 2 * time.Second // in which the endpoints of the node are re-bound
	)
	for round := range cancels {
		moment := span * time.Duration(round) / cancels
		moment += rand.N(span / cancels)
		if err := c.cancelAfter(ctx, moment); err != nil {
			t.Fatal(err)
		}
		f, _ := clients.Figures()
		t.Logf("cancelled after %s: %s", milliseconds(moment), summary(f))
		after, err := c.Placement(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range before.Differences(after) {
			t.Error(d)
		}
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("clients: %s", summary(f))
	if f.Acknowledged == 0 || f.Lost > 0 || f.Errors > 0 || f.Duplicated > 0 {
		t.Errorf("%d of %d acknowledged writes are lost, %d doubled, %d errors", f.Lost, f.Acknowledged, f.Duplicated, f.Errors)
	}
}

// cancelAfter begins to take the node out, thinks better of it after so long, and
// returns when everything has come back.
func (c *Cluster) cancelAfter(ctx context.Context, moment time.Duration) error {
	said, err := c.Ask(ctx, 1, "node", fmt.Sprint(theNode), "maintenance_mode", "on", "async")
	task := taskID.FindString(said)
	if err != nil || task == "" {
		return fmt.Errorf("on: %w: %s", err, said)
	}
	if err := sleep(ctx, moment); err != nil {
		return err
	}
	if said, err := c.Ask(ctx, 1, "cluster", "cancel_action", task); err != nil {
		return fmt.Errorf("cancel: %w: %s", err, said)
	}
	return nil
}
