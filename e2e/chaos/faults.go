package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/lan"
)

// longer than a lease, which is 8 seconds.
const beyondLease = 12 * time.Second

// class is how a fault is felt. Nothing may be lost by the first; the others are
// what their recoveries are measured by.
type class string

const (
	planned  class = "planned" // nothing that serves as master is killed or cut off
	crashed  class = "serving process killed"
	frozen   class = "serving process frozen"
	refusing class = "host refusing"
	silent   class = "host silent"
	parted   class = "link cut"
)

// fault is something that goes wrong and is mended. victim chooses the host; it
// is asked before the operation begins, so that the operator is elsewhere.
type fault struct {
	name   string
	class  class
	victim func(ctx context.Context, w *world, r Round) (int, error)
	// strike does it, and mend puts the cause away. What follows from it is for
	// the cluster to mend.
	strike func(ctx context.Context, w *world, n int) error
	lasts  time.Duration
	mend   func(ctx context.Context, w *world, n int) error
}

var faults = []fault{
	{name: "none", class: planned, victim: itsNode},
	{"the cluster master's daemon is killed", planned, itsLeader, kill(daemon), 0, start},
	{"the node's daemon is killed", planned, itsNode, kill(daemon), 0, start},
	{"another daemon is killed", planned, another, kill(daemon), 0, start},
	{"the cluster master's daemon is frozen", planned, itsLeader, stop(daemon), beyondLease, goOn(daemon)},
	{"the node's daemon is frozen", planned, itsNode, stop(daemon), beyondLease, goOn(daemon)},
	{"another daemon is frozen", planned, another, stop(daemon), beyondLease, goOn(daemon)},
	{"the node's proxy is killed", planned, itsNode, kill(proxy), 0, nil},
	{"another proxy is killed", planned, another, kill(proxy), 0, nil},
	{"another proxy is frozen", planned, another, stop(proxy), beyondLease, goOn(proxy)},
	{"a replica is killed", planned, another, onEngine("slave", syscall.SIGKILL), 0, nil},
	{"a replica is frozen", planned, another, onEngine("slave", syscall.SIGSTOP), beyondLease, onEngine("slave", syscall.SIGCONT)},
	{"links are slow", planned, another, weather(lan.Weather{Delay: 50 * time.Millisecond}, peers), 8 * time.Second, heal},
	{"links lose packets", planned, another, weather(lan.Weather{Loss: 0.03}, peers), 8 * time.Second, heal},
	{"links flap", planned, another, flap, 0, heal},
	{"a link between two is cut", planned, another, weather(lan.Weather{Cut: true}, toOneOther), 4 * time.Second, heal},

	{"a serving master is killed", crashed, another, onEngine("master", syscall.SIGKILL), 0, nil},
	{"a serving master is frozen", frozen, another, onEngine("master", syscall.SIGSTOP), beyondLease, onEngine("master", syscall.SIGCONT)},
	{"a host dies and refuses", refusing, another, killHost, beyondLease, start},
	{"the node dies and refuses", refusing, itsNode, killHost, beyondLease, start},
	{"a host is frozen", silent, another, stop(everything), 2 * beyondLease, goOn(everything)},
	{"the node is frozen", silent, itsNode, stop(everything), 2 * beyondLease, goOn(everything)},
	{"a host loses its power", silent, another, powerCut, 2 * beyondLease, powerBack},
	{"the cluster master's host loses its power", silent, itsLeader, powerCut, 2 * beyondLease, powerBack},
	{"a host is cut off", silent, another, weather(lan.Weather{Cut: true}, (*lan.LAN).Around), 2 * beyondLease, heal},
	{"the cluster master's host is cut off", silent, itsLeader, weather(lan.Weather{Cut: true}, (*lan.LAN).Around), 2 * beyondLease, heal},
	{"a host is cut off from the others, not from clients", silent, another, weather(lan.Weather{Cut: true}, (*lan.LAN).Peers), 2 * beyondLease, heal},
	{"a link between two is cut for long", parted, another, weather(lan.Weather{Cut: true}, toOneOther), 2 * beyondLease, heal},
	{"a link of the cluster master is cut for long", parted, itsLeader, weather(lan.Weather{Cut: true}, toOneOther), 2 * beyondLease, heal},
	{"a host hears the others and is not heard", silent, another, weather(lan.Weather{Cut: true}, outward), 2 * beyondLease, heal},
	{"a host is heard and hears nobody", silent, another, weather(lan.Weather{Cut: true}, inward), 2 * beyondLease, heal},
}

func itsNode(_ context.Context, _ *world, r Round) (int, error)           { return r.Node, nil }
func another(_ context.Context, _ *world, r Round) (int, error)           { return r.Other, nil }
func itsLeader(ctx context.Context, w *world, _ Round) (n int, err error) { return w.leader(ctx) }

func kill(kind process) func(context.Context, *world, int) error { return send(kind, syscall.SIGKILL) }
func stop(kind process) func(context.Context, *world, int) error { return send(kind, syscall.SIGSTOP) }
func goOn(kind process) func(context.Context, *world, int) error { return send(kind, syscall.SIGCONT) }

func send(kind process, s syscall.Signal) func(context.Context, *world, int) error {
	return func(ctx context.Context, w *world, n int) error {
		pids, err := w.pids(n, kind)
		if err != nil {
			return err
		}
		if err := signal(pids, s); err != nil || s != syscall.SIGKILL {
			return err
		}
		return w.await(ctx, "what was killed is gone", patience, func(context.Context) (bool, error) {
			return !slices.ContainsFunc(pids, func(pid int) bool { return !e2e.Ended(pid) }), nil
		})
	}
}

// onEngine sends a signal to an engine of the host that has the role: one of
// those to be woken is found by being stopped.
func onEngine(role string, s syscall.Signal) func(context.Context, *world, int) error {
	return func(ctx context.Context, w *world, n int) error {
		if s == syscall.SIGCONT {
			list, err := w.records(n)
			for _, r := range list {
				err = errors.Join(err, signal([]int{r.PID}, s))
			}
			return err
		}
		return w.await(ctx, fmt.Sprintf("a %s on node %d is hit", role, n), patience, func(ctx context.Context) (bool, error) {
			shards, err := w.replicated(ctx)
			if err != nil {
				return false, err
			}
			for _, shard := range shards {
				if shard.Role != role || int(shard.Node) != n {
					continue
				}
				r, err := w.engineOf(shard)
				if err != nil {
					return false, err
				}
				return true, signal([]int{r.PID}, s)
			}
			return true, nil // the operation has taken all of them away
		})
	}
}

// replicated are the shards of databases with replication.
func (w *world) replicated(ctx context.Context) ([]api.Shard, error) {
	databases, err := w.databases(ctx)
	if err != nil {
		return nil, err
	}
	shards, err := w.shards(ctx)
	var list []api.Shard
	for _, s := range shards {
		for _, d := range databases {
			if d.UID == s.Database && d.Replication {
				list = append(list, s)
			}
		}
	}
	return list, err
}

func weather(what lan.Weather, where func(*lan.LAN, int) []lan.Link) func(context.Context, *world, int) error {
	return func(_ context.Context, w *world, n int) error {
		w.LAN.Set(what, where(w.LAN, n)...)
		return nil
	}
}

func peers(_ *lan.LAN, n int) []lan.Link      { return lan.Between([]int{n}, others(n)) }
func toOneOther(_ *lan.LAN, n int) []lan.Link { return lan.Between([]int{n}, others(n)[:1]) }
func outward(_ *lan.LAN, n int) []lan.Link    { return links([]int{n}, others(n)) }
func inward(_ *lan.LAN, n int) []lan.Link     { return links(others(n), []int{n}) }

func heal(_ context.Context, w *world, _ int) error {
	w.LAN.Heal()
	return nil
}

// flap cuts the links again and again, each time for less than a lease.
func flap(ctx context.Context, w *world, n int) error {
	for range 4 {
		w.LAN.Set(lan.Weather{Cut: true}, peers(w.LAN, n)...)
		err := sleep(ctx, 700*time.Millisecond)
		w.LAN.Heal()
		if err = errors.Join(err, sleep(ctx, 1500*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

func start(ctx context.Context, w *world, n int) error { return w.Start(ctx, n) }

func killHost(_ context.Context, w *world, n int) error { return w.Kill(n) }

// powerCut ends the host without a word to anybody.
func powerCut(_ context.Context, w *world, n int) error {
	w.LAN.Set(lan.Weather{Cut: true}, w.LAN.Around(n)...)
	return w.Kill(n)
}

func powerBack(ctx context.Context, w *world, n int) error {
	w.LAN.Heal()
	return w.Start(ctx, n)
}

// operatorFor is a host that the fault leaves alone.
func operatorFor(victim int) int { return victim%e2e.Nodes + 1 }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
