package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/haulout/haulout/e2e"
)

// trace is the end of every daemon's log. It is told before what went wrong: of a
// long report the end is what is kept.
func (w *world) trace() string {
	const lines = 60
	var b strings.Builder
	for n := 1; n <= e2e.Nodes; n++ {
		fmt.Fprintf(&b, "the end of the log of node %d\n%s\n", n, w.LogTail(n, lines))
	}
	return b.String()
}

// activity is what the activity log tells since then, in seconds.
func (w *world) activity(since time.Time) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := (&journal{w: w, since: since}).log(ctx)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "\n    %7.3f %s: %s", e.Time.Sub(since).Seconds(), e.Type, e.Description)
	}
	return b.String()
}
