package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// worker is one goroutine of a writer, with keys and a counter of its own.
type worker struct {
	writer           *Writer
	id               int
	lost, duplicated atomic.Int64

	issued uint32 // numbered writes begun; the last one's number
	// written holds for each key the last number acknowledged, 0 for none.
	written []uint32
	// doubtful holds by key the number of a later write that returned an error.
	doubtful map[uint32]uint32

	counter int64 // the last answer
	unsure  int64 // increments since that returned an error
}

// run writes once per interval, beginning after delay. It never catches up:
// what a pause has cost is not made good by a wave.
func (k *worker) run(ctx context.Context, interval, delay time.Duration) {
	next := time.Now().Add(delay)
	for turn := 0; ; turn++ {
		if !waitUntil(ctx, next) {
			return
		}
		if turn%2 == 0 {
			k.set()
		} else {
			k.increment()
		}
		next = next.Add(interval)
		if now := time.Now(); next.Before(now) {
			next = now
		}
	}
}

func (k *worker) key(slot uint32) string {
	return fmt.Sprintf("%s:w:%d:%d", k.writer.cfg.Name, k.id, slot)
}

func (k *worker) counterKey() string { return fmt.Sprintf("%s:c:%d", k.writer.cfg.Name, k.id) }

// slot is the key that the numbered write goes to.
func (k *worker) slot(number uint32) uint32 {
	if keys := uint32(k.writer.cfg.Keys); keys > 0 {
		return (number - 1) % keys
	}
	return number - 1
}

func (k *worker) set() {
	k.issued++
	number, slot := k.issued, k.slot(k.issued)
	for uint32(len(k.written)) <= slot {
		k.written = append(k.written, 0)
	}
	err := k.writer.measure("SET", func(ctx context.Context) error {
		return k.writer.client.Set(ctx, k.key(slot), number, 0).Err()
	})
	if err != nil {
		k.doubtful[slot] = number
		return
	}
	k.written[slot] = number
	delete(k.doubtful, slot)
}

func (k *worker) increment() {
	var got int64
	err := k.writer.measure("INCR", func(ctx context.Context) (err error) {
		got, err = k.writer.client.Incr(ctx, k.counterKey()).Result()
		return err
	})
	if err != nil {
		k.unsure++
		return
	}
	k.count(got - 1)
	k.counter = got
}

// count compares the counter, as it stood before the next increment, with what
// it should have been.
func (k *worker) count(before int64) {
	switch surplus := before - k.counter; {
	case surplus < 0:
		k.lost.Add(-surplus)
	case surplus > k.unsure:
		k.duplicated.Add(surplus - k.unsure)
	}
	k.unsure = 0
}

func waitUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
