package chaos

import (
	"context"
	"errors"
	"fmt"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
)

// converged waits until everything is as it should be when nothing is wrong, and
// returns what was not when it gave up.
func (w *world) converged(ctx context.Context) error {
	return w.await(ctx, "everything is as it should be", convergence, func(ctx context.Context) (bool, error) {
		for _, look := range []func(context.Context) error{w.nodesAreFree, w.nothingRuns, w.shardsAreWhole, w.endpointsListen, w.enginesAgree} {
			if err := look(ctx); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

func (w *world) nodesAreFree(ctx context.Context) error {
	nodes, err := w.nodes(ctx)
	if err == nil && len(nodes) != e2e.Nodes {
		err = fmt.Errorf("there are %d nodes", len(nodes))
	}
	for _, n := range nodes {
		if n.Status != "active" || !n.AcceptServers || n.Maintenance != nil || n.Membership != "voter" {
			err = errors.Join(err, fmt.Errorf("node %d is %s, %s, accepts servers: %v, maintenance: %+v", n.UID, n.Status, n.Membership, n.AcceptServers, n.Maintenance))
		}
	}
	return err
}

func (w *world) nothingRuns(ctx context.Context) error {
	list, err := w.actions(ctx)
	for _, a := range list {
		err = errors.Join(err, fmt.Errorf("%s %s is %s, waits for %q", a.Name, a.TaskID, a.Status, a.WaitingFor))
	}
	return err
}

func (w *world) shardsAreWhole(ctx context.Context) error {
	databases, err := w.databases(ctx)
	if err != nil {
		return err
	}
	shards, err := w.shards(ctx)
	type place struct {
		database api.NumberID
		slots    string
	}
	masters, slaves := map[place]int{}, map[place]int{}
	for _, s := range shards {
		at := place{s.Database, s.Slots}
		if s.Role == "master" {
			masters[at]++
		} else {
			slaves[at]++
		}
		if s.Status != "active" || s.Lost || s.Sync != nil && s.Sync.Status != "idle" {
			err = errors.Join(err, fmt.Errorf("redis:%d of db:%d on node %d is %s (%s), lost: %v, sync: %+v", s.UID, s.Database, s.Node, s.Status, s.DetailedStatus, s.Lost, s.Sync))
		}
	}
	for _, d := range databases {
		ranges := 0
		for at, n := range masters {
			if at.database != d.UID {
				continue
			}
			ranges++
			if want := map[bool]int{true: 1}[d.Replication]; n != 1 || slaves[at] != want {
				err = errors.Join(err, fmt.Errorf("db:%d slots %s has %d masters and %d slaves", d.UID, at.slots, n, slaves[at]))
			}
		}
		if ranges != d.ShardsCount || d.Status != "active" {
			err = errors.Join(err, fmt.Errorf("db:%d is %s and has masters of %d ranges of %d", d.UID, d.Status, ranges, d.ShardsCount))
		}
	}
	return err
}

func (w *world) endpointsListen(ctx context.Context) error {
	databases, err := w.databases(ctx)
	for _, d := range databases {
		for _, e := range d.Endpoints {
			if !e.Listening {
				err = errors.Join(err, fmt.Errorf("endpoint %s of db:%d does not listen on %v", e.UID, d.UID, e.Nodes))
			}
		}
	}
	return err
}

// enginesAgree asks the engines themselves: each has the role its shard has on
// the board, and there is no other process.
func (w *world) enginesAgree(ctx context.Context) error {
	shards, err := w.shards(ctx)
	if err != nil {
		return err
	}
	known := map[int]int{}
	for _, s := range shards {
		r, err := w.engineOf(s)
		if err != nil {
			return err
		}
		serves, err := w.serves(ctx, r)
		if err != nil {
			return fmt.Errorf("redis:%d: %w", s.UID, err)
		}
		if serves != (s.Role == "master") {
			return fmt.Errorf("redis:%d is %s on the board, and its engine serves as master: %v", s.UID, s.Role, serves)
		}
		known[int(s.Node)]++
	}
	for n := 1; n <= e2e.Nodes; n++ {
		all, err := w.Processes(n)
		if want := known[n] + 2; err != nil || len(all) != want { // a daemon and a proxy
			return errors.Join(err, fmt.Errorf("node %d runs %d processes instead of %d: %v", n, len(all), want, all))
		}
	}
	return nil
}
