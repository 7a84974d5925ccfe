package cli

import (
	"errors"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// cancelPatience bounds the wait for a cancelled action: what has moved comes back first.
const cancelPatience = time.Hour

func cancelAction(s *session, w words) error {
	a, err := s.client.Action(s.ctx, w.text("task"))
	if err != nil {
		return err
	}
	if ended(a) {
		return cluster.Refuse(cluster.CodeStale, "there is nothing to cancel", "%s of %s has ended: it is %s", a.Name, subject(a), a.Status)
	}
	again := false
	err = s.insist(func() error {
		if again { // one that has ended would be forgotten
			if a, err := s.client.Action(s.ctx, a.TaskID); err != nil || ended(a) || a.Status == api.StatusCancelling {
				return err
			}
		}
		again = true
		return s.client.CancelAction(s.ctx, a.TaskID)
	})
	if err != nil {
		return err
	}
	if !s.flags.json {
		s.say("Cancelling %s of %s", a.Name, subject(a))
	}
	if a, err = s.awaitEnd(a.TaskID); err != nil {
		return err
	}
	return s.tellCancelled(a)
}

func (s *session) awaitEnd(task string) (api.Action, error) {
	news := s.news()
	for deadline := time.Now().Add(cancelPatience); ; {
		a, err := s.action(task)
		switch {
		case news.end(err):
			return a, err
		case err == nil && ended(a):
			return a, nil
		case time.Now().After(deadline):
			return a, cluster.Refuse(cluster.CodeDeadline, "look at haulout cluster running_actions", "the action %s has not ended after %s", task, cancelPatience)
		}
		if s.sleep(s.poll) != nil {
			return a, errors.New("interrupted; it is cancelled all the same")
		}
	}
}

func (s *session) tellCancelled(a api.Action) error {
	if a.Status != string(cluster.ActionCancelled) {
		return cluster.Refuse(cluster.CodeStale, "there is nothing to cancel any more", "%s of %s had ended: it is %s", a.Name, subject(a), a.Status)
	}
	if s.print(a) {
		return nil
	}
	switch {
	case a.Proof != nil && a.Proof.Exact:
		s.say("restored exactly (%d shards, endpoints and limits compared)", a.Proof.Compared)
	case a.Proof != nil:
		for _, d := range a.Proof.Differences {
			s.say("differs: %s", d)
		}
	}
	for _, left := range a.Left {
		s.say("left: %s", left)
	}
	if a.ErrorHint != "" {
		s.say("%s", a.ErrorHint)
	}
	s.done()
	return nil
}
