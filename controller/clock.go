package controller

import (
	"context"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Clock is the time that a Controller lives in, and what runs its work beside
// the loop: the real ones, unless a simulation is both.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or when ctx ends.
	Sleep(ctx context.Context, d time.Duration)
	// Go has f run beside the loop, later.
	Go(f func())
}

func (c *Controller) now() time.Time {
	if c.cfg.Clock != nil {
		return c.cfg.Clock.Now()
	}
	return time.Now()
}

func (c *Controller) since(at time.Time) time.Duration { return c.now().Sub(at) }

func (c *Controller) sleep(ctx context.Context, d time.Duration) {
	if c.cfg.Clock != nil {
		c.cfg.Clock.Sleep(ctx, d)
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// beside runs work that must not hold the loop up.
func (t *term) beside(f func()) {
	if t.cfg.Clock != nil {
		t.cfg.Clock.Go(f)
		return
	}
	t.wait.Go(f)
}

// Term is a time in office whose loop somebody else is: who looks when told to.
// Whoever drives it does everything on one goroutine, or as if it were one.
type Term struct{ *term }

// Drive takes office under the epoch without a loop; the Controller needs a Clock.
func (c *Controller) Drive(ctx context.Context, epoch int64) Term {
	t := c.newTerm(epoch)
	t.ctx, c.serial = ctx, t.commit
	c.setLeading(true)
	return Term{t}
}

// Look does what the loop does when it wakes up.
func (t Term) Look() error { return t.turn() }

// Resign ends the term; what it has under way may still return.
func (t Term) Resign() {
	t.serial = func(func(cluster.View) (cluster.Command, error)) error { return noLeader() }
	t.setLeading(false)
}

func noLeader() error {
	return cluster.Refuse(cluster.CodeNoLeader, "try again in a moment", "this node does not lead the cluster at the moment")
}
