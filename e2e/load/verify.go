package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

const readAtOnce = 500 // keys of one pipeline

// Verify reads back every acknowledged write and every counter, and books what
// is lost or doubled. Call it once, after Run. An error means that something
// could not be read.
func (w *Writer) Verify(ctx context.Context) error {
	for _, k := range w.workers {
		if err := k.verifyWrites(ctx); err != nil {
			return err
		}
		if err := k.verifyCounter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *worker) verifyWrites(ctx context.Context) error {
	for first := 0; first < len(k.written); first += readAtOnce {
		numbers := k.written[first:min(first+readAtOnce, len(k.written))]
		found, err := k.read(ctx, uint32(first), len(numbers))
		if err != nil {
			return err
		}
		for i, want := range numbers {
			later, doubtful := k.doubtful[uint32(first+i)]
			if found[i] != want && !(doubtful && found[i] == later) {
				k.lost.Add(1)
			}
		}
	}
	return nil
}

// read returns the numbers in n keys; 0 is a key that is not there.
func (k *worker) read(ctx context.Context, first uint32, n int) ([]uint32, error) {
	pipe := k.writer.client.Pipeline()
	for i := range n {
		pipe.Get(ctx, k.key(first+uint32(i)))
	}
	replies, err := pipe.Exec(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("%s: reading back: %w", k.writer.cfg.Name, err)
	}
	numbers := make([]uint32, n)
	for i, r := range replies {
		text, err := r.(*redis.StringCmd).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: reading back: %w", k.writer.cfg.Name, err)
		}
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: reading back %s: %w", k.writer.cfg.Name, k.key(first+uint32(i)), err)
		}
		numbers[i] = uint32(number)
	}
	return numbers, nil
}

func (k *worker) verifyCounter(ctx context.Context) error {
	got, err := k.writer.client.Get(ctx, k.counterKey()).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s: reading back: %w", k.writer.cfg.Name, err)
	}
	k.count(got)
	k.counter = got
	return nil
}
