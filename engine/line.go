package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/haulout/haulout/resp"
)

// redialEvery paces attempts to reach an engine again; pollEvery the looks at
// the target's offset, inside the pause that clients feel.
const (
	redialEvery = 5 * time.Millisecond
	pollEvery   = 200 * time.Microsecond
)

// line is a run's connection to one engine, dialled anew when it broke.
type line struct {
	Instance
	conn *resp.Conn
}

func (l *line) dial(ctx context.Context) (err error) {
	if l.conn == nil {
		l.conn, err = l.Dial(ctx)
	}
	return err
}

func (l *line) hangUp() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// begin announces a step. Before the source is demoted the end of ctx is a
// reason to go back; later it is not.
func (r *run) begin(step string) error {
	r.out.Step = step
	if r.Step != nil {
		if err := r.Step(step); err != nil {
			r.abandoned = true
			return fmt.Errorf("%w %s: %w", errAbandoned, step, err)
		}
	}
	return r.cancelled()
}

func (r *run) cancelled() error {
	if r.demoted || r.ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("hand-over cancelled: %w", r.ctx.Err())
}

func (r *run) allowed() error {
	if r.Allowed != nil && !r.Allowed() {
		return errForbidden
	}
	return nil
}

// bounded is a context for talking to an engine: not ended by the caller's, so
// that no answer is missed for impatience.
func (r *run) bounded(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.ctx), d)
}

// ask has a transaction carried out, sending it again when the connection
// broke, until the time is over or nobody listens any more. A resp.Error is the
// engine's refusal; after other errors the transaction may be carried out yet.
// Permission is asked when everything else is ready: a run that was frozen
// before has no connection left that its successor did not close.
func (r *run) ask(l *line, within time.Duration, commands [][]string) ([]resp.Value, error) {
	ctx, cancel := r.bounded(within)
	defer cancel()
	for {
		err := l.dial(ctx)
		if err == nil {
			if err := r.allowed(); err != nil {
				return nil, err
			}
			var replies []resp.Value
			var refused resp.Error
			if replies, err = transact(ctx, l.conn, commands); err == nil || errors.As(err, &refused) {
				return replies, err
			}
			l.hangUp()
		}
		if errors.Is(err, syscall.ECONNREFUSED) || !sleep(ctx, redialEvery) {
			return nil, err
		}
	}
}

// take has the rights of everybody taken on the source. The replies are those of the
// transaction in which nobody was left out; the offset in them is final.
func (r *run) take(within time.Duration, commands func(names []string) [][]string) ([]resp.Value, error) {
	f := fencing{names: r.clients, make: commands}
	for range fencings {
		replies, err := r.ask(r.source, within, f.commands())
		if err != nil {
			return nil, err
		}
		if f.complete(replies) {
			r.clients = f.names
			return replies, nil
		}
	}
	return nil, errUnfenced
}

// look closes the connections of other agents and then observes, so that what
// it sees is not changed any more by what they had sent. Only the lack of
// permission is an error.
func (r *run) look(l *line) (Observation, error) {
	ctx, cancel := r.bounded(r.AnswerFor)
	defer cancel()
	var lack error // as in [Instance.Observe]
	for {
		err := l.dial(ctx)
		if wanting(err) {
			lack = err
		}
		if err == nil {
			if err := r.allowed(); err != nil {
				return Observation{}, err
			}
			var o Observation
			if o, err = l.sealAndObserve(ctx); err == nil {
				return o, nil
			}
			l.hangUp()
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return unanswered(err), nil
		}
		if !sleep(ctx, redialEvery) {
			return unanswered(cmp.Or(lack, err)), nil
		}
	}
}

func (l *line) sealAndObserve(ctx context.Context) (Observation, error) {
	if _, err := l.conn.Do(ctx, seal...); err != nil {
		return Observation{}, err
	}
	return observe(ctx, l.conn)
}

// await returns nil when the target has applied the final offset.
func (r *run) await(step string) error {
	if err := r.begin(step); err != nil {
		return err
	}
	return r.reached(r.CatchUpFor)
}

func (r *run) reached(within time.Duration) error {
	ctx, cancel := r.bounded(within)
	defer cancel()
	for {
		at, err := r.target.progress(ctx)
		switch {
		case err == nil && at["role"] != Slave:
			return errUsurped
		case err == nil && at.offset() >= r.out.FinalOffset:
			return nil
		case err == nil:
			err = fmt.Errorf("target %s is at offset %d and %d is needed", r.Target.Name, at.offset(), r.out.FinalOffset)
		case errors.Is(err, syscall.ECONNREFUSED):
			return fmt.Errorf("target %s is gone: %w", r.Target.Name, err)
		}
		if err := r.cancelled(); err != nil {
			return err
		}
		if !sleep(ctx, pollEvery) {
			return fmt.Errorf("no catch-up within %v: %w", within, err)
		}
	}
}

func (l *line) progress(ctx context.Context) (info, error) {
	if err := l.dial(ctx); err != nil {
		return nil, err
	}
	v, err := l.conn.Do(ctx, replInfo...)
	if err != nil {
		l.hangUp()
		return nil, err
	}
	return parseInfo(v.Str), nil
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
