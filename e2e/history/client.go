package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Clients work on one database: together on a few registers, which they read,
// write and increment, and on counters, which they do not write; and each
// writes keys that are written once.
type Clients struct {
	history *History
	prefix  string
	client  *redis.Client
	within  time.Duration

	acknowledged, errors atomic.Int64
	running              sync.WaitGroup
}

// NewClients makes clients whose keys begin with the prefix. The client must not
// try anything twice. An operation is given up after within.
func (h *History) NewClients(client *redis.Client, prefix string, within time.Duration) *Clients {
	return &Clients{history: h, prefix: prefix, client: client, within: within}
}

// The keys are spread over all slots by their numbers.
const (
	registers = 8
	counters  = 8
)

// Start lets so many clients work, each so often a second, until ctx ends; Wait
// waits for their last answers.
func (c *Clients) Start(ctx context.Context, clients, rate int) {
	for id := range clients {
		c.running.Go(func() { (&worker{Clients: c, id: id}).run(ctx, time.Second/time.Duration(rate)) })
	}
}

// Wait waits until all have stopped.
func (c *Clients) Wait() { c.running.Wait() }

// Figures returns how many writes were acknowledged, and how many operations had
// no answer or a bad one.
func (c *Clients) Figures() (acknowledged, errors int64) {
	return c.acknowledged.Load(), c.errors.Load()
}

// worker is one client.
type worker struct {
	*Clients
	id, turn int
	age      [registers]int // of each register's key, as this client sees it
}

func (w *worker) run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval) // what a pause has cost is not made good by a wave
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.work()
		}
		w.turn++
	}
}

// work does the next thing. What is done when is chance; the numbers written are
// all different.
func (w *worker) work() {
	ctx, cancel := context.WithTimeout(context.Background(), w.within)
	defer cancel()
	unique := int64(w.id+1)*1_000_000_000 + int64(w.turn)*1_000
	switch n := rand.IntN(10); {
	case n < 2:
		w.writeOnce(ctx, fmt.Sprintf("%s:once:%d:%d", w.prefix, w.id, w.turn), unique)
	case n < 4:
		kind := [...]Kind{Increment, Increment, Read}[rand.IntN(3)]
		w.do(ctx, kind, fmt.Sprintf("%s:count:%d", w.prefix, rand.IntN(counters)), 0)
	default:
		i := rand.IntN(registers)
		for w.history.worn(w.register(i)) {
			w.age[i]++
		}
		kind := [...]Kind{Read, Read, Read, Write, Increment, Increment}[n-4]
		w.do(ctx, kind, w.register(i), unique)
	}
}

func (w *worker) register(i int) string { return fmt.Sprintf("%s:reg:%d:%d", w.prefix, i, w.age[i]) }

func (w *worker) writeOnce(ctx context.Context, key string, value int64) {
	if err := w.client.Set(ctx, key, value, 0).Err(); err != nil {
		w.errors.Add(1)
		return
	}
	w.acknowledged.Add(1)
	w.history.Acknowledged(key)
}

func (w *worker) do(ctx context.Context, kind Kind, key string, value int64) {
	o := Operation{Client: w.id, Kind: kind, Key: key, Value: value, Call: w.history.Now()}
	answer, err := w.ask(ctx, o)
	o.Return = w.history.Now()
	o.Known = err == nil
	switch {
	case err != nil:
		w.errors.Add(1)
	case kind != Write:
		o.Value = answer
	}
	if err == nil && kind != Read {
		w.acknowledged.Add(1)
	}
	w.history.Add(o)
}

func (c *Clients) ask(ctx context.Context, o Operation) (int64, error) {
	switch o.Kind {
	case Write:
		return 0, c.client.Set(ctx, o.Key, o.Value, 0).Err()
	case Increment:
		return c.client.Incr(ctx, o.Key).Result()
	}
	n, err := c.client.Get(ctx, o.Key).Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return n, err
}
