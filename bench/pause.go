package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	pauseOf  = "longest operation in a hand-over, ms"
	lostOf   = "acknowledged writes lost, per round"
	errorsOf = "errors and redirections seen, per round"
	writesOf = "acknowledged writes, per round"
)

// pair is two copies of a shard that can change their roles, in whatever way.
type pair struct {
	tag       string   // of the writers' keys, for those who care for slots
	addresses []string // for clients, the master's first
	// swap hands over once; what it costs clients is over when it returns.
	swap func(ctx context.Context) error
	// settle, if there is one, waits until the next can be done.
	settle func(ctx context.Context) error
	end    func() error // if more is to be ended than servers
	// follow, if there is one, tells the writers who is master until ctx ends.
	follow func(ctx context.Context, w *writers)
	rest   time.Duration // needed between two
}

// way is how a hand-over is done.
type way struct {
	name  string
	setUp func(b *bench, ctx context.Context) (*pair, error)
}

const (
	nothing         = "nothing (noise)"
	redisFailover   = "Redis FAILOVER"
	clusterFailover = "CLUSTER FAILOVER"
	sentinel        = "SENTINEL FAILOVER"
	look            = "haulout, status only (noise)"
	executor        = "haulout, the hand-over alone"
)

var ways = []way{
	{nothing, (*bench).idlePair},
	{redisFailover, (*bench).failoverPair},
	{clusterFailover, (*bench).clusterPair},
	{sentinel, (*bench).sentinelPair},
	{executor, (*bench).executorPair},
	{look, (*bench).lookPair},
	{haulout, (*bench).ourPair},
}

const handovers = 50 // of each way, over all rounds

// pause hands over under load, each way in turn. Every round has servers of
// its own.
func pause(ctx context.Context, b *bench, r *report) error {
	each := (handovers + b.rounds - 1) / b.rounds
	if b.short {
		each = 5
	}
	r.Settings["hand-overs per round"] = each
	r.Settings["writes per second"] = writerCount * int(time.Second/writerInterval)
	for range b.rounds {
		for _, w := range ways {
			began := time.Now()
			if err := b.handOver(ctx, r, w, each); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			fmt.Printf("%s: %d in %.0f s\n", w.name, each, time.Since(began).Seconds())
		}
	}
	judgePause(r)
	return nil
}

// handOver does so several times and books what the writers saw.
func (b *bench) handOver(ctx context.Context, r *report, w way, times int) (err error) {
	defer b.endServers()
	p, err := w.setUp(b, ctx)
	if err != nil {
		return err
	}
	if p.end != nil {
		defer func() { err = errors.Join(err, p.end()) }()
	}
	all := startWriters(ctx, p)
	defer all.end()
	const of = "one shard and its replica"
	for range times {
		if err := sleep(ctx, p.rest); err != nil {
			return err
		}
		longest, err := all.during(ctx, func() error { return p.swap(ctx) })
		if err != nil {
			return err
		}
		r.add(of, w.name, pauseOf, microseconds(longest)/1000)
		if p.settle != nil {
			if err := p.settle(ctx); err != nil {
				return err
			}
		}
	}
	all.end()
	if err := all.verify(ctx, *all.master.Load()); err != nil {
		return err
	}
	t := all.tally()
	r.add(of, w.name, lostOf, float64(t.lost+t.doubled))
	r.add(of, w.name, errorsOf, float64(t.errors))
	r.add(of, w.name, writesOf, float64(t.acknowledged))
	return nil
}

// judgePause compares with the best that loses nothing.
func judgePause(r *report) {
	const of = "one shard and its replica"
	at := func(subject string, q float64) float64 { return quantile(r.find(of, subject, pauseOf).Samples, q) }
	sum := func(subject, quantity string) (n float64) {
		for _, s := range r.find(of, subject, quantity).Samples {
			n += s
		}
		return n
	}
	best, who := math.Inf(1), ""
	for _, subject := range []string{redisFailover, clusterFailover, sentinel} {
		if sum(subject, lostOf) == 0 && at(subject, 0.5) < best {
			best, who = at(subject, 0.5), subject
		}
	}
	r.aim(target{What: "pause of the hand-over alone, p50", Value: at(executor, 0.5), Limit: 2, Unit: "ms"})
	r.aim(target{What: "pause, p50", Value: at(haulout, 0.5), Limit: 2, Unit: "ms"})
	r.aim(target{What: "pause, p90", Value: at(haulout, 0.9), Limit: 10, Unit: "ms"})
	r.aim(target{What: "pause, p50, times shorter than the best that loses nothing", Against: who, Value: best / at(haulout, 0.5), Limit: 10, AtLeast: true, Unit: "x"})
	r.aim(target{What: "acknowledged writes lost or doubled", Value: sum(haulout, lostOf), Limit: 0, Unit: "writes"})
	r.aim(target{What: "errors seen by clients", Value: sum(haulout, errorsOf), Limit: 0, Unit: "errors"})
	for _, w := range ways {
		fmt.Printf("%-28s p50 %s  p90 %s  max %s ms; lost or doubled %s, errors and redirections %s\n", w.name,
			number(at(w.name, 0.5)), number(at(w.name, 0.9)), number(at(w.name, 1)), number(sum(w.name, lostOf)), number(sum(w.name, errorsOf)))
	}
}
