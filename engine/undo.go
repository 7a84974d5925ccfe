package engine

import "errors"

// stop ends a run that can not go forward. One that was abandoned or may not
// act any more touches nothing; any other goes back.
func (r *run) stop(err error) {
	if r.abandoned || errors.Is(err, errForbidden) || errors.Is(err, errUsurped) {
		r.unknown("%v", err)
		return
	}
	r.back(err)
}

// back lets the source serve again, if that is safe.
func (r *run) back(why error) {
	step := r.out.Step
	if err := r.begin(StepUndo); r.abandoned {
		r.unknown("%v", err)
		return
	}
	defer func() { r.out.Step = step }()
	if r.promoteSent && !r.promotionImpossible(why) {
		return
	}
	if r.demoted && !r.sourceIntact(why) {
		return
	}
	if _, err := r.ask(r.source, r.AnswerFor, serve(r.Source)); err != nil {
		r.unknown("%v; and going back: %v", why, err)
		return
	}
	r.unmoved(why.Error())
}

// promotionImpossible reports whether the target never was and never will be
// promoted by what this run sent: it is gone, or still a replica after the
// connection with the command on it was closed by the engine. Clients were not
// sent there yet, so nothing is lost with it. If the promotion did happen, the
// run has moved after all.
func (r *run) promotionImpossible(why error) bool {
	t, err := r.look(r.target)
	switch {
	case err != nil:
		r.unknown("%v; %v", why, err)
	case t.State == Absent, t.answered() && t.Role == Slave:
		return true
	case t.answered() && t.Serving:
		r.moved(Promotion{t.ReplID, t.ReplID2, t.SecondOffset - 1})
	default:
		r.unknown("%v; target %s is %s: %s", why, r.Target.Name, t.State, t.Reason)
	}
	return false
}

// sourceIntact reports whether the demoted source still has everything: it may
// have begun to copy from the target.
func (r *run) sourceIntact(why error) bool {
	s, err := r.look(r.source)
	switch {
	case err != nil:
		r.unknown("%v; %v", why, err)
	case !s.answered():
		r.unknown("%v; source %s does not answer: %s", why, r.Source.Name, s.Reason)
	case s.Role == Slave && !intact(s, r.out.FinalOffset):
		r.unknown("%v; source %s has begun to copy from the target", why, r.Source.Name)
	default:
		return true
	}
	return false
}

func intact(s Observation, offset int64) bool {
	return s.State == Up && !s.Syncing && s.Copied && s.Offset >= offset
}
