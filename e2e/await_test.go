package e2e

import (
	"context"
	"errors"
	"testing"
	"time"
)

// What is told of something that did not come about in time is why it did not,
// not that the last try was cut short.
func TestAwaitTellsTheLastTrueReason(t *testing.T) {
	reason, tries := errors.New("node 3 says nothing"), 0
	err := Await(t.Context(), "an answer", 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		if tries++; tries == 1 {
			return false, reason
		}
		<-ctx.Done()
		return false, ctx.Err()
	})
	if !errors.Is(err, reason) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d tries: %v", tries, err)
	}
}
