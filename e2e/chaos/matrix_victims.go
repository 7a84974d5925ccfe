package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
)

// victim is who is struck: a daemon, a proxy, or an engine with a role. A daemon is a
// member of the quorum as well, and the cluster master's is the one that leads it.
type victim struct {
	name string
	host func(ctx context.Context, w *world) (int, error) // nil: where such an engine is
	kind process
	role string                  // of an engine
	find func(scene) []candidate // such engines, the best first

	paired bool // only while it has a partner: the last copy is nobody's to strike
}

var victims = []victim{
	{name: "the cluster master's daemon", host: func(ctx context.Context, w *world) (int, error) { return w.leader(ctx) }, kind: daemon},
	{name: "the node's daemon", host: hostNumber(drained), kind: daemon},
	{name: "a target's daemon", host: hostNumber(target), kind: daemon},
	{name: "the node's proxy", host: hostNumber(drained), kind: proxy},
	{name: "a target's proxy", host: hostNumber(target), kind: proxy},
	{name: "a replica", role: "slave", find: scene.replicas, paired: true},
	{name: "a copy on its way", role: "slave", find: scene.copies},
	{name: "a serving master", role: "master", find: scene.masters, paired: true},
}

func hostNumber(n int) func(context.Context, *world) (int, error) {
	return func(context.Context, *world) (int, error) { return n, nil }
}

// scene is where the engines of databases with replication are at a boundary.
type scene struct {
	shards  []api.Shard
	moving  map[string]bool  // the slots that moves have in hand
	records map[int][]record // of all engines, by node
}

// candidate is an engine that may be struck.
type candidate struct {
	node int
	record
}

func slotsOf(s api.Shard) string { return fmt.Sprintf("%d %s", s.Database, s.Slots) }

func (w *world) scene(ctx context.Context) (s scene, err error) {
	s.moving, s.records = map[string]bool{}, map[int][]record{}
	if s.shards, err = w.replicated(ctx); err != nil {
		return s, err
	}
	running, err := w.actions(ctx)
	if err != nil {
		return s, err
	}
	for _, shard := range s.shards {
		for _, a := range running {
			if slices.ContainsFunc(a.Moves, func(m api.Move) bool { return m.Status == "running" && m.Shard == shard.UID }) {
				s.moving[slotsOf(shard)] = true
			}
		}
	}
	for n := 1; n <= e2e.Nodes; n++ {
		if s.records[n], err = w.records(n); err != nil {
			return s, err
		}
	}
	return s, nil
}

// engines are those of the shards that are so, of what is moved first, then of the
// node that goes and comes.
func (s scene) engines(is func(api.Shard) bool) (list []candidate) {
	shards := slices.DeleteFunc(slices.Clone(s.shards), func(shard api.Shard) bool { return !is(shard) })
	slices.SortStableFunc(shards, func(a, b api.Shard) int {
		rank := func(shard api.Shard) int {
			switch {
			case s.moving[slotsOf(shard)]:
				return 0
			case shard.Node == drained:
				return 1
			}
			return 2
		}
		return rank(a) - rank(b)
	})
	for _, shard := range shards {
		for _, r := range s.records[int(shard.Node)] {
			if r.Port == shard.Info.Port {
				list = append(list, candidate{int(shard.Node), r})
			}
		}
	}
	return list
}

// masters serve.
func (s scene) masters() []candidate {
	return s.engines(func(shard api.Shard) bool { return shard.Role == "master" })
}

// replicas do not, and nobody is about to make them masters.
func (s scene) replicas() []candidate {
	return s.engines(func(shard api.Shard) bool { return shard.Role == "slave" && !s.moving[slotsOf(shard)] })
}

// copies are second instances of shards: those that come, and those that leave.
func (s scene) copies() (list []candidate) {
	for n := 1; n <= e2e.Nodes; n++ {
		for _, r := range s.records[n] {
			uid, _, _ := strings.Cut(r.Name, ".")
			if slices.ContainsFunc(s.shards, func(shard api.Shard) bool {
				return shard.UID.String() == uid && (int(shard.Node) != n || shard.Info.Port != r.Port)
			}) {
				list = append(list, candidate{n, r})
			}
		}
	}
	return list
}

// pidsOf finds the processes that the cell strikes; none, if there is none such.
func (w *world) pidsOf(ctx context.Context, c *cell, host int) ([]int, error) {
	if c.victim.role == "" {
		return w.pids(host, c.victim.kind)
	}
	s, err := w.scene(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range c.victim.find(s) {
		if fits, err := w.stillIs(ctx, c.victim, e); err == nil && fits {
			return []int{e.PID}, nil
		}
	}
	return nil, nil
}

// stillIs asks the engine itself.
func (w *world) stillIs(ctx context.Context, v *victim, e candidate) (bool, error) {
	master, err := w.serves(ctx, e.record)
	fits := master == (v.role == "master")
	if err == nil && fits && v.paired {
		return w.paired(ctx, e.record)
	}
	return fits, err
}
