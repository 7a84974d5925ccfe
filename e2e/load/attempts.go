package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// operations counts what the library does beyond what it is asked for. It
// belongs to a writer, whose operations carry it in their context.
type operations struct {
	retries, dials atomic.Int64
}

type operationsKey struct{}

var listen = sync.OnceFunc(func() { redis.SetOTelRecorder(recorder{}) })

func (o *operations) context(ctx context.Context) context.Context {
	listen()
	return context.WithValue(ctx, operationsKey{}, o)
}

// recorder gets the library's own measurements. They are made for metrics; no
// client behaves differently for them.
type recorder struct{}

// RecordOperationDuration learns how many attempts an operation took.
func (recorder) RecordOperationDuration(ctx context.Context, _ time.Duration, _ redis.Cmder, attempts int, _ error, _ redis.ConnInfo, _ int) {
	if o, ok := ctx.Value(operationsKey{}).(*operations); ok {
		o.retries.Add(int64(attempts - 1))
	}
}

// RecordConnectionCreateTime learns of a connection made for an operation.
func (recorder) RecordConnectionCreateTime(ctx context.Context, _ time.Duration, _ redis.ConnInfo) {
	if o, ok := ctx.Value(operationsKey{}).(*operations); ok {
		o.dials.Add(1)
	}
}

// The rest of the library's interface is of no interest here.

func (recorder) RecordPipelineOperationDuration(context.Context, time.Duration, string, int, int, error, redis.ConnInfo, int) {
}
func (recorder) RecordConnectionRelaxedTimeout(context.Context, int, redis.ConnInfo, string, string) {
}
func (recorder) RecordConnectionHandoff(context.Context, redis.ConnInfo, string)           {}
func (recorder) RecordError(context.Context, string, redis.ConnInfo, string, bool, int)    {}
func (recorder) RecordMaintenanceNotification(context.Context, redis.ConnInfo, string)     {}
func (recorder) RecordConnectionWaitTime(context.Context, time.Duration, redis.ConnInfo)   {}
func (recorder) RecordConnectionClosed(context.Context, redis.ConnInfo, string, error)     {}
func (recorder) RecordPubSubMessage(context.Context, redis.ConnInfo, string, string, bool) {}
func (recorder) RecordStreamLag(context.Context, time.Duration, redis.ConnInfo, string, string, string) {
}
