// Package chaos lets an operator work and things go wrong at the same time, on
// hosts in namespaces, under load, and holds what clients saw against what one
// copy of the data could have answered. What is done and what goes wrong follows
// from a seed.
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
	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/history"
	"github.com/haulout/haulout/e2e/lan"
)

// Chaos is a run.
type Chaos struct {
	Binary string // the haulout binary; an absolute path
	Folder string // for the hosts' files; removed in the end
	Out    io.Writer
	Seed   uint64
	From   int    // the first round; rounds before it are left out
	Only   string // in the round's name, if given; others are left out
}

// Run runs rounds for about so long, at least one, and returns what came of it.
// An error is something that should not be, and ends the run.
func (c Chaos) Run(ctx context.Context, length time.Duration) (result Result, err error) {
	network, err := lan.New(e2e.Nodes)
	if err != nil {
		return result, err
	}
	defer network.Close()
	hosts := &e2e.Hosts{Binary: c.Binary, Folder: c.Folder, Network: lan.Network, LAN: network}
	defer func() { err = errors.Join(err, hosts.Down()) }()
	result = Result{Seed: c.Seed}
	w, err := newWorld(ctx, &e2e.Cluster{Hosts: hosts, Out: io.Discard})
	if err != nil {
		return result, err
	}
	if err := w.dropAnchors(ctx); err != nil {
		return result, err
	}
	end := time.Now().Add(length)
	for number := c.From; result.Rounds == 0 || time.Now().Before(end); number++ {
		r := roundOf(c.Seed, number)
		if number > c.From+tooMany {
			return result, fmt.Errorf("no round has %q in its name", c.Only)
		}
		if !strings.Contains(r.String(), c.Only) {
			continue
		}
		c.say("%v", r)
		began := time.Now()
		if err := w.round(ctx, c, r, &result); err != nil {
			return result, fmt.Errorf("%sthe activity since the round began%s\nseed %d, %v: %w", w.trace(), w.activity(began), c.Seed, r, err)
		}
		result.Rounds++
	}
	return result, nil
}

func (c Chaos) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Out, time.Now().Format("15:04:05.000 ")+format+"\n", args...) // nobody may be listening
}

// Sizes of a round.
const (
	clientsEach  = 6
	rate         = 20 // operations a second of each client
	patient      = 4 * time.Second
	enough       = 200 // writes acknowledged before anything happens, and after everything
	operationEnd = 4 * time.Minute
	tooMany      = 10_000           // rounds to look for one with some words
	slow         = 12 * time.Second // for clients to be without a database
)

// replicatedOnes may lose a host; the last database may not.
var replicatedOnes, all = []string{"orders", "sessions", ledger}, []string{"orders", "sessions", ledger, "cache"}

// ledger is the database with min_replicas: what it acknowledged is there, whoever was killed.
const ledger = "ledger"

// round carries one round out and judges it.
func (w *world) round(ctx context.Context, c Chaos, r Round, result *Result) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	victim, err := r.Fault.victim(ctx, w, r)
	if err != nil {
		return err
	}
	w.operator = operatorFor(victim)
	names := replicatedOnes
	if r.Fault.class == planned {
		names = all
	}
	work := w.work(ctx, r.Number, names)
	defer work.stop()
	if err := work.goOn(ctx); err != nil {
		return err
	}
	operated := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, operationEnd)
		defer cancel()
		operated <- r.Operation.run(ctx, w, r)
	}()
	if err := sleep(ctx, r.After); err != nil {
		return err
	}
	if err := w.misfortune(ctx, c, r, victim, result); err != nil {
		return err
	}
	result.Operations++
	if err := <-operated; err != nil {
		c.say("  the operator was told: %.300s", err.Error())
		result.Refused++
	}
	if err := w.recoverUnreplicated(ctx, r); err != nil {
		return err
	}
	if err := w.tidy(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := w.converged(ctx); err != nil {
		return err
	}
	c.say("  all is well %v after the end", time.Since(began).Round(time.Millisecond))
	if err := work.goOn(ctx); err != nil {
		return err
	}
	if err := work.judge(ctx, c, r.Fault.class, result); err != nil {
		return err
	}
	return w.anchorsHold(ctx)
}

// misfortune strikes and mends, and measures how long clients were without it.
func (w *world) misfortune(ctx context.Context, c Chaos, r Round, victim int, result *Result) error {
	if r.Fault.strike == nil {
		return nil
	}
	carried, err := w.carries(ctx, victim, r.Fault.class)
	if err != nil {
		return err
	}
	leader, _ := w.leads(ctx) // what is struck is struck, whoever leads
	c.say("  node %d is hit; node %d leads", victim, leader)
	began := time.Now()
	if err := r.Fault.strike(ctx, w, victim); err != nil {
		return fmt.Errorf("%s: %w", r.Fault.name, err)
	}
	result.Faults++
	measured := make(chan error, 1)
	if r.Fault.class == planned || !carried {
		measured <- nil
	} else {
		go func() {
			var err error
			var took time.Duration
			for _, name := range replicatedOnes {
				err = errors.Join(err, w.writesAgain(ctx, name, victim))
				since := time.Since(began)
				c.say("  %s: %s writes again after %v", r.Fault.class, name, since.Round(time.Millisecond))
				if name == ledger { // it waits for its replica to be back, too
					result.recovered(r.Fault.class+", min_replicas", since)
				} else {
					took = since
				}
			}
			if time.Since(began) > slow {
				c.say("  that was slow: %s", w.activity(began))
			}
			result.recovered(r.Fault.class, took)
			measured <- err
		}()
	}
	if err := sleep(ctx, r.Fault.lasts); err != nil {
		return err
	}
	if r.Fault.mend != nil {
		err = r.Fault.mend(ctx, w, victim)
	}
	return errors.Join(err, <-measured)
}

// carries reports whether the host has something whose loss the clients of
// replicated databases feel.
func (w *world) carries(ctx context.Context, n int, felt class) (bool, error) {
	shards, err := w.replicated(ctx)
	if slices.ContainsFunc(shards, func(s api.Shard) bool { return int(s.Node) == n && s.Role == "master" }) {
		return true, err
	}
	databases, err := w.databases(ctx)
	return felt != crashed && felt != frozen && slices.ContainsFunc(databases, func(d api.Database) bool {
		return d.Replication && slices.Contains(d.Endpoints[0].Nodes, api.NumberID(n))
	}), err
}

// work is what the clients of a round do.
type work struct {
	w       *world
	history *history.History
	clients map[string]*history.Clients
	cancel  context.CancelFunc
	closers []func() error
	prefix  string
}

func (w *world) work(ctx context.Context, round int, names []string) *work {
	ctx, cancel := context.WithCancel(ctx)
	work := &work{w: w, history: history.New(), clients: map[string]*history.Clients{}, cancel: cancel, prefix: fmt.Sprintf("r%d", round)}
	for _, name := range names {
		client := w.FrankClient(name, patient)
		work.closers = append(work.closers, client.Close)
		work.clients[name] = work.history.NewClients(client, work.prefix+":"+name, patient)
		work.clients[name].Start(ctx, clientsEach, rate)
	}
	return work
}

// stop ends the clients. It may be called again.
func (work *work) stop() {
	work.cancel()
	for _, c := range work.clients {
		c.Wait()
	}
	for _, f := range work.closers {
		_ = f() // may be gone already
	}
	work.closers = nil
}

// goOn waits until the clients of each database have written for a while.
func (work *work) goOn(ctx context.Context) error {
	for name, c := range work.clients {
		before, _ := c.Figures()
		err := work.w.await(ctx, "clients write to "+name, patience, func(context.Context) (bool, error) {
			now, _ := c.Figures()
			return now > before+enough, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// judge holds what the clients saw against what one copy could have answered.
func (work *work) judge(ctx context.Context, c Chaos, felt class, result *Result) error {
	work.stop()
	var damage history.Damage
	var kept error
	for name, clients := range work.clients {
		client := work.w.Client(name)
		d, err := clients.ReadBack(ctx, client)
		_ = client.Close()
		if err != nil {
			return err
		}
		damage.Add(d)
		if name == ledger && d.Lost > 0 {
			result.KeptLost += d.Lost
			kept = fmt.Errorf("%d acknowledged writes of %s are lost, which has min_replicas", d.Lost, name)
		}
		acknowledged, failed := clients.Figures()
		result.Acknowledged += acknowledged
		result.Errors += failed
	}
	result.Doubled += damage.Doubled
	err := kept
	if damage.Doubled > 0 {
		err = errors.Join(err, fmt.Errorf("%d increments were carried out twice", damage.Doubled))
	}
	returns := 0
	for name := range work.clients {
		returns = max(returns, work.history.MostReturns(work.prefix+":"+name+":count:"))
	}
	if felt != planned {
		result.UnplannedLost += damage.Lost
		c.say("  %d acknowledged writes are lost; counters went back %d times", damage.Lost, returns)
		if returns > 1 {
			result.TwoMasters++
			err = errors.Join(err, fmt.Errorf("a counter went back %d times: two masters answered", returns))
		}
		return err
	}
	result.PlannedLost += damage.Lost
	if damage.Lost > 0 || returns > 0 {
		err = errors.Join(err, fmt.Errorf("%d acknowledged writes are lost, a counter went back %d times", damage.Lost, returns))
	}
	for name := range work.clients {
		v := work.history.Judge(work.prefix + ":" + name + ":reg:")
		result.Judged += v.Operations
		result.Undecided += len(v.Undecided)
		for _, key := range v.Broken {
			result.Broken++
			err = errors.Join(err, fmt.Errorf("no single copy could have answered so: %s", key))
		}
	}
	return err
}
