package chaos

import (
	"fmt"
	"strings"

	"github.com/haulout/haulout/e2e"
)

// trace is the end of every daemon's log.
func (w *world) trace() string {
	const lines = 60
	var b strings.Builder
	for n := 1; n <= e2e.Nodes; n++ {
		fmt.Fprintf(&b, "the end of the log of node %d\n%s\n", n, w.LogTail(n, lines))
	}
	return b.String()
}
