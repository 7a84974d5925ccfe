package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

const (
	fillAtOnce  = 64 // values of one pipeline
	keyMargin   = 64 // bytes that a key takes beside its value
	fillStreams = 2
)

// Fill writes values of size bytes, which do not compress, until so many bytes are
// there, under keys that no writer uses. done grows as it goes.
func Fill(ctx context.Context, client *redis.Client, size int, bytes int64, done *atomic.Int64) error {
	errs := make(chan error, fillStreams)
	for i := range fillStreams {
		go func() { errs <- fill(ctx, client, fmt.Sprintf("fill:%d", i), size, bytes/fillStreams, done) }()
	}
	var first error
	for range fillStreams {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func fill(ctx context.Context, client *redis.Client, prefix string, size int, bytes int64, done *atomic.Int64) error {
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", prefix))))
	for written, n := int64(0), 0; written < bytes; {
		pipe := client.Pipeline()
		for range fillAtOnce {
			value := make([]byte, size)
			_, _ = random.Read(value) // never fails
			pipe.Set(ctx, fmt.Sprintf("%s:%d", prefix, n), value, 0)
			n++
			written += int64(size) + keyMargin
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("filling: %w", err)
		}
		done.Add(fillAtOnce * (int64(size) + keyMargin))
	}
	return nil
}
