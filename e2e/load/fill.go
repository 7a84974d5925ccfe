package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

const (
	valueSize   = 4 << 10 // bytes
	fillAtOnce  = 64      // values of one pipeline
	fillMargin  = valueSize + 64
	fillStreams = 2
)

// Fill writes values that do not compress until so many bytes are there, under
// keys that no writer uses. done grows as it goes.
func Fill(ctx context.Context, client *redis.Client, bytes int64, done *atomic.Int64) error {
	errs := make(chan error, fillStreams)
	for i := range fillStreams {
		go func() { errs <- fill(ctx, client, fmt.Sprintf("fill:%d", i), bytes/fillStreams, done) }()
	}
	var first error
	for range fillStreams {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func fill(ctx context.Context, client *redis.Client, prefix string, bytes int64, done *atomic.Int64) error {
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", prefix))))
	for written, n := int64(0), 0; written < bytes; {
		pipe := client.Pipeline()
		for range fillAtOnce {
			value := make([]byte, valueSize)
			_, _ = random.Read(value) // never fails
			pipe.Set(ctx, fmt.Sprintf("%s:%d", prefix, n), value, 0)
			n++
			written += fillMargin
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("filling: %w", err)
		}
		done.Add(fillAtOnce * fillMargin)
	}
	return nil
}
