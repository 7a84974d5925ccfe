package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
)

// outing carries a way there and back out, under load.
func (w *world) outing(ctx context.Context, c Chaos, r outing, result *MatrixResult) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	before, err := w.placement(ctx)
	if err != nil {
		return err
	}
	names := all
	if r.felt() != planned {
		names = replicatedOnes
	}
	work := w.work(ctx, result.Rounds, names)
	defer work.stop()
	for _, phase := range r.phases {
		if err := w.struckIn(ctx, c, phase, r, result); err != nil {
			return fmt.Errorf("%s: %w", phase, err)
		}
	}
	if err := w.tidy(ctx); err != nil {
		return err
	}
	if err := w.converged(ctx); err != nil {
		return err
	}
	if err := w.asBefore(ctx, before, r.steady()); err != nil {
		return err
	}
	return errors.Join(work.judge(ctx, c, r.felt(), &result.Result), w.anchorsHold(ctx))
}

// placement waits until somebody tells where everything is.
func (w *world) placement(ctx context.Context) (p e2e.Placement, err error) {
	w.Cluster.REST = w.rest[w.operator]
	return p, w.await(ctx, "the placement is told", patience, func(ctx context.Context) (bool, error) {
		p, err = w.Placement(ctx)
		return err == nil, err
	})
}

// asBefore compares where everything is. Roles and endpoints that a host lost while it
// was believed gone do not return by themselves: then roles are put right by hand, and
// endpoints are where they are.
func (w *world) asBefore(ctx context.Context, before e2e.Placement, steady bool) error {
	if !steady {
		if err := w.sameRoles(ctx, before); err != nil {
			return err
		}
	}
	after, err := w.placement(ctx)
	if err != nil {
		return err
	}
	if !steady {
		for name := range before {
			if strings.HasPrefix(name, "endpoint:") {
				delete(before, name)
				delete(after, name)
			}
		}
	}
	if d := before.Differences(after); len(d) > 0 {
		return fmt.Errorf("not as it was: %v", d)
	}
	return nil
}

// sameRoles fails over what is master where a slave was.
func (w *world) sameRoles(ctx context.Context, before e2e.Placement) error {
	return w.await(ctx, "roles are what they were", patience, func(ctx context.Context) (bool, error) {
		shards, err := w.replicated(ctx)
		if err != nil {
			return false, err
		}
		for _, s := range shards {
			if s.Role == "master" && strings.HasPrefix(before[fmt.Sprintf("redis:%d", s.UID)], "slave") {
				return false, w.typed(ctx, "failover", "shard", s.UID.String())
			}
		}
		return true, nil
	})
}

// struckIn carries a phase out while its cells strike. Where that may make it end by
// name it is asked for again, as an operator would.
func (w *world) struckIn(ctx context.Context, c Chaos, phase string, r outing, result *MatrixResult) error {
	cells := r.in(phase)
	hosts, err := w.hostsOf(ctx, cells)
	if err != nil {
		return err
	}
	j := w.journal()
	ended := make(chan error, 1)
	go func() { ended <- w.phase(ctx, j, phase) }()
	for _, cell := range cells {
		err = errors.Join(err, w.strike(ctx, cell, hosts[cell], j, func() bool { return len(ended) > 0 }))
		if cell.fate != struck {
			c.say("  %v: %s", cell, map[fate]string{missed: "the boundary was missed", absent: "there is none"}[cell.fate])
		}
	}
	told := <-ended
	if err != nil || told == nil {
		return errors.Join(err, told)
	}
	if r.steady() {
		return told
	}
	c.say("  the operator was told: %.300s", told.Error())
	result.Repeated++
	if phase == phaseCancel {
		return nil // whatever it left open is tidied up
	}
	return w.await(ctx, "it is done when asked for again", convergence, func(ctx context.Context) (bool, error) {
		done, open, err := w.stands(ctx, phase)
		if err != nil || done || open {
			return done, err
		}
		return false, w.typed(ctx, "node", fmt.Sprint(drained), "maintenance_mode", phase)
	})
}

// stands reports whether the phase has come to its end, and whether it is at work.
func (w *world) stands(ctx context.Context, phase string) (done, open bool, err error) {
	var n api.NodeObject
	var a api.Action
	node := fmt.Sprintf("/v1/nodes/%d", drained)
	if err := errors.Join(w.get(ctx, node, &n), w.get(ctx, node+"/actions/maintenance_"+phase, &a)); err != nil {
		return false, false, err
	}
	out := n.Maintenance != nil
	return a.Status == "completed" && out == (phase == phaseOn), a.Status == "queued" || a.Status == "running", nil
}

// hostsOf says where daemons and proxies will be struck, and chooses an operator
// elsewhere.
func (w *world) hostsOf(ctx context.Context, cells []*cell) (map[*cell]int, error) {
	hosts := map[*cell]int{}
	w.operator = operatorFor(drained)
	for _, cell := range cells {
		if cell.victim.host == nil {
			continue
		}
		n, err := cell.victim.host(ctx, w)
		if err != nil {
			return nil, err
		}
		if hosts[cell] = n; cell.victim.kind == daemon {
			w.operator = operatorFor(n)
		}
	}
	return hosts, nil
}

// strike waits for the cell's boundary and strikes there, unless it had passed before.
func (w *world) strike(ctx context.Context, c *cell, host int, j *journal, over func() bool) error {
	for looked := false; ; looked = true {
		entries, err := j.entries(ctx)
		switch {
		case err == nil && len(entries) >= c.boundary && (looked || len(entries) == c.boundary):
			return w.hit(ctx, c, host)
		case err == nil && len(entries) > c.boundary, over():
			return nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// hit strikes. Who was stopped goes on in any case; a daemon that was killed has to be
// started by somebody, the others by it.
func (w *world) hit(ctx context.Context, c *cell, host int) error {
	if err := sleep(ctx, c.after); err != nil {
		return err
	}
	pids, err := w.pidsOf(ctx, c, host)
	if err != nil || len(pids) == 0 {
		c.fate = absent
		return err
	}
	c.fate = struck
	if c.freeze {
		err := signal(pids, syscall.SIGSTOP)
		return errors.Join(err, sleep(ctx, beyondLease), signal(pids, syscall.SIGCONT))
	}
	if err := signal(pids, syscall.SIGKILL); err != nil {
		return err
	}
	if err := w.ended(ctx, pids); err != nil || c.victim.kind != daemon {
		return err
	}
	return w.Start(ctx, host)
}

func (w *world) ended(ctx context.Context, pids []int) error {
	return w.await(ctx, "what was killed is gone", patience, func(context.Context) (bool, error) {
		for _, pid := range pids {
			if !e2e.Ended(pid) {
				return false, nil
			}
		}
		return true, nil
	})
}
