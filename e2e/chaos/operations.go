package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
)

// operation is what an operator does. It is typed on a host that the fault
// leaves alone. That it fails is no fault of its own: a refusal is an answer.
// What matters is what is left afterwards.
type operation struct {
	name string
	run  func(ctx context.Context, w *world, r Round) error
}

var operations = []operation{
	{"nothing", func(context.Context, *world, Round) error { return nil }},
	{"out and back", maintenance()},
	{"out and back with its master's office", maintenance("demote_node")},
	{"out and back, replicas kept", maintenance("keep_slave_shards")},
	{"out and back, one move at a time", maintenance("max_concurrent_actions", "1")},
	{"out, cancelled", cancelled},
	{"failover of all masters of a node", failover},
	{"masters made slaves", enslave},
	{"another cluster master", anotherMaster},
	{"a database comes and goes", databaseComesAndGoes},
}

// typed types a command on the round's operator host.
func (w *world) typed(ctx context.Context, words ...string) error {
	return w.CLI(ctx, io.Discard, w.operator, words...)
}

func maintenance(options ...string) func(ctx context.Context, w *world, r Round) error {
	return func(ctx context.Context, w *world, r Round) error {
		node := fmt.Sprint(r.Node)
		if err := w.typed(ctx, append([]string{"node", node, "maintenance_mode", "on"}, options...)...); err != nil {
			return err
		}
		return w.typed(ctx, "node", node, "maintenance_mode", "off")
	}
}

func cancelled(ctx context.Context, w *world, r Round) error {
	ended := make(chan error, 1)
	go func() { ended <- w.typed(ctx, "node", fmt.Sprint(r.Node), "maintenance_mode", "on") }()
	err := w.await(ctx, "the action runs or has ended", patience, func(ctx context.Context) (bool, error) {
		if len(ended) > 0 {
			return true, nil
		}
		running, err := w.actions(ctx)
		return slices.ContainsFunc(running, isBegun), err
	})
	running, _ := w.actions(ctx) // nobody may answer now; then it ends by itself
	for _, a := range running {
		err = errors.Join(err, w.typed(ctx, "cluster", "cancel_action", a.TaskID))
	}
	return errors.Join(err, <-ended)
}

func isBegun(a api.Action) bool {
	return slices.ContainsFunc(a.Moves, func(m api.Move) bool { return m.Status != "waiting" })
}

func failover(ctx context.Context, w *world, r Round) error {
	shards, err := w.replicated(ctx)
	words := map[api.NumberID][]string{}
	for _, s := range shards {
		if int(s.Node) == r.Node && s.Role == "master" {
			words[s.Database] = append(words[s.Database], fmt.Sprint(int(s.UID)))
		}
	}
	for _, list := range words {
		err = errors.Join(err, w.typed(ctx, append([]string{"failover", "shard"}, list...)...))
	}
	return err
}

func enslave(ctx context.Context, w *world, r Round) error {
	return w.typed(ctx, "node", fmt.Sprint(r.Node), "enslave")
}

func anotherMaster(ctx context.Context, w *world, r Round) error {
	return w.typed(ctx, "cluster", "master", "set", fmt.Sprint(r.Node))
}

func databaseComesAndGoes(ctx context.Context, w *world, r Round) error {
	name := fmt.Sprintf("passing%d", r.Number)
	if err := w.typed(ctx, "db", "create", "name", name, "memory_size", "100MB", "replication"); err != nil {
		return err
	}
	return w.typed(ctx, "--yes", "db", "delete", name)
}

// tidy ends what the operation may have left open, as an operator would: what
// runs may end, nodes come back, databases that were to pass go.
func (w *world) tidy(ctx context.Context) error {
	var last error
	err := w.await(ctx, "actions have ended, and nodes are back", convergence, func(ctx context.Context) (bool, error) {
		if running, err := w.actions(ctx); err != nil || len(running) > 0 {
			return false, err
		}
		nodes, err := w.nodes(ctx)
		if err != nil {
			return false, err
		}
		for _, n := range nodes {
			if n.Maintenance != nil {
				last = w.typed(ctx, "node", fmt.Sprint(int(n.UID)), "maintenance_mode", "off")
				return false, last
			}
		}
		databases, err := w.databases(ctx)
		if err != nil {
			return false, err
		}
		for _, d := range databases {
			if strings.HasPrefix(d.Name, "passing") && d.Status == "active" {
				return false, w.typed(ctx, "--yes", "db", "delete", d.Name)
			}
		}
		return !slices.ContainsFunc(databases, func(d api.Database) bool { return strings.HasPrefix(d.Name, "passing") }), nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil // a command may have been told that it failed, and another leader went on
}

const (
	patience    = 60 * time.Second
	convergence = 180 * time.Second
)
