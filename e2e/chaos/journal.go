package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/haulout/haulout/api"
)

// journal is what a phase of an action leaves in the activity log. Safe for
// concurrent use.
type journal struct {
	w     *world
	since time.Time

	mu    sync.Mutex
	begun bool
	from  int // entries that were there before
}

func (w *world) journal() *journal {
	return &journal{w: w, since: time.Now().Add(-time.Second)} // the question is in whole seconds
}

func (j *journal) log(ctx context.Context) (list []api.Event, err error) {
	return list, j.w.get(ctx, "/v1/logs?order=asc&stime="+url.QueryEscape(j.since.UTC().Format(time.RFC3339)), &list)
}

// begin forgets what is there already.
func (j *journal) begin(ctx context.Context) error {
	list, err := j.log(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.from, j.begun = len(list), err == nil
	return err
}

// entries are the types of what actions have left since the beginning.
func (j *journal) entries(ctx context.Context) ([]string, error) {
	list, err := j.log(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || !j.begun {
		return nil, err
	}
	var types []string
	for _, e := range list[min(j.from, len(list)):] {
		if e.TaskID != "" {
			types = append(types, e.Type)
		}
	}
	return types, nil
}

// phase carries one phase out, to its end.
func (w *world) phase(ctx context.Context, j *journal, phase string) error {
	if phase == phaseCancel {
		return w.phaseOfCancel(ctx, j)
	}
	if err := w.heard(ctx, phase); err != nil {
		return err
	}
	if err := w.begun(ctx, j); err != nil {
		return err
	}
	return w.typed(ctx, "node", fmt.Sprint(drained), "maintenance_mode", phase)
}

// begun lets the journal begin as soon as somebody tells what is there.
func (w *world) begun(ctx context.Context, j *journal) error {
	return w.await(ctx, "the activity is told", patience, func(ctx context.Context) (bool, error) {
		err := j.begin(ctx)
		return err == nil, err
	})
}

// heard waits until the phase would be begun: a leader that is new, after a kill
// in the phase before, refuses until every node has reported.
func (w *world) heard(ctx context.Context, phase string) error {
	return w.await(ctx, "a dry run ends well", patience, func(ctx context.Context) (bool, error) {
		err := w.typed(ctx, "node", fmt.Sprint(drained), "maintenance_mode", phase, "dry_run")
		return err == nil, err
	})
}

// phaseOfCancel begins with the word to cancel.
func (w *world) phaseOfCancel(ctx context.Context, j *journal) error {
	if err := w.heard(ctx, phaseOn); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- w.typed(ctx, "node", fmt.Sprint(drained), "maintenance_mode", "on") }()
	task, err := w.begunAction(ctx)
	if err == nil {
		err = w.begun(ctx, j)
	}
	if err == nil {
		err = w.typed(ctx, "cluster", "cancel_action", task)
	}
	told := <-ended
	if err == nil && told == nil {
		err = errors.New("it was cancelled, and said to be completed")
	}
	return err
}

// begunAction waits for an action whose moves have begun.
func (w *world) begunAction(ctx context.Context) (task string, err error) {
	return task, w.await(ctx, "an action has begun to move", patience, func(ctx context.Context) (bool, error) {
		running, err := w.actions(ctx)
		for _, a := range running {
			if isBegun(a) {
				task = a.TaskID
			}
		}
		return task != "", err
	})
}
