package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says how a [Writer] writes.
type Config struct {
	Name    string // of the writer; begins the names of its keys
	Workers int
	Rate    int // writes per second, all workers together
	// Keys is how many keys each worker uses for its numbered writes; 0 means a
	// new key for each of them.
	Keys int
}

// Writer writes to one database until told to stop.
type Writer struct {
	cfg     Config
	client  *redis.Client
	workers []*worker
	times   histogram
	acked   atomic.Int64
	errors  atomic.Int64
	crossed atomic.Int64
	ops     *operations

	mu      sync.Mutex
	longest Pause
	failure error // the first
}

// Pause is an operation that took long.
type Pause struct {
	Took    time.Duration
	At      time.Time // when it began
	Command string
	Writer  string
}

// Figures are what a writer counted.
type Figures struct {
	Acknowledged int64 // writes
	Lost         int64 // acknowledged, and not there
	Duplicated   int64 // carried out more often than asked for
	Errors       int64 // operations that returned an error; whether those were carried out is not known
	// Crossed is how many more were spoiled by the library itself: while go-redis 9.23
	// hands a connection over, it calls it idle between the commands of its greeting
	// (SingleConnPool.Put), so another user may write at the same time.
	Crossed int64
	// Retries is how often the library sent or tried to send an operation once
	// more, by itself: attempts minus operations, as it reports them.
	Retries int64
	Dials   int64 // connections the library made
	Longest Pause
	P99     time.Duration
	Failure error // the first operation's that failed, if one did
}

// New makes a writer that uses the client. The client is the caller's.
func New(client *redis.Client, cfg Config) *Writer {
	cfg.Workers, cfg.Rate = max(cfg.Workers, 1), max(cfg.Rate, 1)
	w := &Writer{cfg: cfg, client: client, ops: &operations{}}
	for i := range cfg.Workers {
		w.workers = append(w.workers, &worker{writer: w, id: i, doubtful: map[uint32]uint32{}})
	}
	return w
}

// Run writes until ctx ends; an operation begun before is brought to its end.
func (w *Writer) Run(ctx context.Context) {
	interval := time.Second * time.Duration(w.cfg.Workers) / time.Duration(w.cfg.Rate)
	var running sync.WaitGroup
	for i, k := range w.workers {
		running.Go(func() { k.run(ctx, interval, interval*time.Duration(i)/time.Duration(len(w.workers))) })
	}
	running.Wait()
}

// Figures returns what was counted so far. What is lost is complete only after
// Verify.
func (w *Writer) Figures() Figures {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := Figures{
		Acknowledged: w.acked.Load(), Errors: w.errors.Load(), Crossed: w.crossed.Load(),
		Retries: w.ops.retries.Load(), Dials: w.ops.dials.Load(),
		Longest: w.longest, P99: w.times.quantile(0.99), Failure: w.failure,
	}
	for _, k := range w.workers {
		f.Lost += k.lost.Load()
		f.Duplicated += k.duplicated.Load()
	}
	return f
}

// Plus adds the figures of another writer. P99 is the larger of the two.
func (f Figures) Plus(o Figures) Figures {
	longest := f.Longest
	if o.Longest.Took > longest.Took {
		longest = o.Longest
	}
	failure := f.Failure
	if failure == nil {
		failure = o.Failure
	}
	return Figures{
		Acknowledged: f.Acknowledged + o.Acknowledged, Lost: f.Lost + o.Lost, Duplicated: f.Duplicated + o.Duplicated,
		Errors: f.Errors + o.Errors, Crossed: f.Crossed + o.Crossed, Retries: f.Retries + o.Retries, Dials: f.Dials + o.Dials,
		Longest: longest, P99: max(f.P99, o.P99), Failure: failure,
	}
}

// measure runs one operation and books how it went.
func (w *Writer) measure(command string, op func(ctx context.Context) error) error {
	begin := time.Now()
	err := op(w.ops.context(context.Background()))
	took := time.Since(begin)
	w.times.add(took)
	switch {
	case err == nil:
		w.acked.Add(1)
	case errors.Is(err, io.ErrShortWrite):
		w.crossed.Add(1)
	default:
		w.errors.Add(1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if took > w.longest.Took {
		w.longest = Pause{took, begin, command, w.cfg.Name}
	}
	if err != nil && w.failure == nil {
		w.failure = fmt.Errorf("%s %s at %s: %w", w.cfg.Name, command, begin.Format(time.TimeOnly), err)
	}
	return err
}
