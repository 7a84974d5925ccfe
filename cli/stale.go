package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/haulout/haulout/api"
)

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

// fresh asks, and says why if the answer is not the leader's: what is awaited would
// never be seen in it.
func fresh[T any](s *session, ask func(context.Context) (T, error)) (T, error) {
	var stale error
	answer, err := ask(api.TellStale(s.ctx, func(_ int, why error) { stale = why }))
	if err == nil {
		err = stale
	}
	return answer, err
}

// news is when something new was last heard of what is awaited.
type news struct {
	*session
	heard time.Time
	told  bool
}

func (s *session) news() *news { return &news{session: s, heard: time.Now()} }

// end reports whether there is no use in looking again after err: it does not pass,
// or has not for as long as the session is patient. That there is no news is told
// once, and not while one master just follows another.
func (n *news) end(err error) bool {
	silence := time.Since(n.heard)
	switch {
	case err == nil:
		n.heard, n.told = time.Now(), false
	case n.ctx.Err() != nil:
	case !passing(err) || silence > n.patience:
		return true
	case !n.told && silence > n.patience/10:
		n.told = true
		if !n.flags.json {
			fmt.Fprintf(n.err, "note: no news for %s: %s\n", silence.Round(time.Second), asError(err).Message)
		}
	}
	return false
}
