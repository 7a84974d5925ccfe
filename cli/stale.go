package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
)

// looks reports whether the command only shows how things stand, once.
func (c command) looks() bool {
	return slices.Contains([]string{"status", "info", "explain", "verify"}, c.head[0]) ||
		slices.Contains([]string{"db list", "cluster master", "cluster running_actions", "node <node> snapshot list"}, strings.Join(c.head, " "))
}

// watchful has the session complain, before anything is shown, if what it shows
// is not the leader's; failed tells afterwards whether it was.
func (s *session) watchful() (failed func() error) {
	stale := false
	s.ctx = api.TellStale(s.ctx, func(node int, why error) {
		if stale {
			return
		}
		stale = true
		s.complain(why)
		if !s.flags.json {
			fmt.Fprintf(s.err, "What follows is STALE: node:%d saw it last while it heard of a cluster master.\n", node)
		}
	})
	return func() error {
		if stale {
			return errTold
		}
		return nil
	}
}
