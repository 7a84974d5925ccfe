package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// backDeadline is how long one on and its way back may take together.
const backDeadline = 90 * time.Second

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
	const cancels = 4
	for round := range cancels {
		moment, left := rand.N(2*time.Second), round%2 == 0
		if left { // there and back at once is what clients find hardest
			moment = rand.N(300 * time.Millisecond)
		}
		if err := c.cancelAfter(ctx, left, moment); err != nil {
			running, _ := c.Ask(ctx, 1, "--json", "cluster", "running_actions")
			t.Fatalf("%v\n%s", err, running)
		}
		if err := clients.goOn(ctx); err != nil {
			t.Fatal(err)
		}
		f, _ := clients.Figures()
		t.Logf("cancelled after %s, the endpoint had left: %v: %s", milliseconds(moment), left, summary(f))
		after, err := c.Placement(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range before.Differences(after) {
			t.Error(d)
		}
	}
	noticedNothing(ctx, t, clients)
}

// cancelAfter begins to take the node out, thinks better of it so long after that,
// or after its endpoint has left, and returns when everything has come back.
func (c *Cluster) cancelAfter(ctx context.Context, left bool, moment time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, backDeadline)
	defer cancel()
	said, err := c.Ask(ctx, 1, "node", fmt.Sprint(theNode), "maintenance_mode", "on", "async", "max_concurrent_actions", "1")
	task := taskID.FindString(said)
	if err != nil || task == "" {
		return fmt.Errorf("on: %w: %s", err, said)
	}
	if left {
		err = await(ctx, "the endpoint leaves", readyDeadline, func(ctx context.Context) (bool, error) {
			b, err := c.Burden(ctx, theNode)
			return b.Endpoints == 0, err
		})
	}
	if err == nil {
		err = sleep(ctx, moment)
	}
	if err == nil {
		_, err = c.Ask(ctx, 1, "cluster", "cancel_action", task)
	}
	if err != nil && strings.Contains(err.Error(), "it is completed") { // the other way to be there and back
		_, err = c.Ask(ctx, 1, "node", fmt.Sprint(theNode), "maintenance_mode", "off")
	}
	return err
}
