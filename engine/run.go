package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/haulout/haulout/resp"
)

// run is one executor's attempt at a hand-over.
type run struct {
	Handover
	ctx            context.Context
	source, target *line

	paused      time.Time // when the source was first asked to pause
	clients     []string  // the source's users besides user proxy, as far as they are known
	demoted     bool      // the source is, or may be, a replica of the target
	promoteSent bool      // the target was, or may have been, told to be master
	abandoned   bool      // Step failed: act as if dead
	leftToDo    error     // what a run that moved could not do
	out         Outcome
}

var (
	errAbandoned = errors.New("stopped before the step")
	errForbidden = errors.New("the order's deadline has passed")
	errUsurped   = errors.New("the target became master by another hand")
)

// decide looks at both engines and goes on from there. Whatever an earlier
// executor had sent was carried out before the look or never will be.
func (r *run) decide() {
	if err := r.begin(StepLook); err != nil {
		r.stop(err)
		return
	}
	s, err := r.look(r.source)
	r.clients = s.Clients
	var t Observation
	if err == nil {
		t, err = r.look(r.target)
	}
	r.out.TargetSilent = err == nil && !t.answered()
	r.out.SourceSilent = err == nil && s.Silent
	switch {
	case err != nil:
		r.stop(err)
	case t.answered() && t.Role == Master:
		r.finish(s, t)
	case s.State == Absent && (t.answered() || t.State == Absent):
		// Nobody was promoted, and nobody will be by this order: what the target is
		// good for is decided anew.
		r.unmoved(fmt.Sprintf("the process of source %s has ended", r.Source.Name))
	case !s.answered():
		r.unknown("source %s does not answer: %s", r.Source.Name, s.Reason)
	case s.Role == Master:
		r.start(s, t)
	case t.State == Absent:
		r.demoted = true
		r.back(fmt.Errorf("the process of target %s has ended", r.Target.Name))
	case !t.answered():
		r.unknown("target %s does not answer: %s", r.Target.Name, t.Reason)
	default:
		r.resume(s, t)
	}
}

// start does the whole, if nothing speaks against it.
func (r *run) start(s, t Observation) {
	switch why := r.blocker(s, t); {
	case why == "" && s.Serving:
		r.approach(s)
	case why == "":
		r.swap()
	case s.Serving:
		r.unmoved(why)
	case t.answered(), t.State == Absent:
		// An earlier executor left the source fenced.
		r.back(errors.New(why))
	default:
		r.unknown("source %s is fenced and %s", r.Source.Name, why)
	}
}

// approach waits, while clients are served, until the target answers and has what
// the source had at the look. A copy that has just been loaded may first have to
// catch up with what was written meanwhile; so that costs nobody a pause.
func (r *run) approach(s Observation) {
	r.out.FinalOffset = s.Offset
	switch err := r.reached(r.ApproachFor); {
	case err == nil:
		r.swap()
	case errors.Is(err, errUsurped):
		r.stop(err)
	default:
		r.unmoved(err.Error())
	}
}

// blocker says why the hand-over should not begin, or nothing.
func (r *run) blocker(s, t Observation) string {
	name := r.Target.Name
	switch lag := s.Offset - t.Offset; {
	case s.State != Up:
		return fmt.Sprintf("source %s is %s", r.Source.Name, s.State)
	case t.State != Up:
		return fmt.Sprintf("target %s is %s: %s", name, t.State, t.Reason)
	case t.Source != r.Source.source():
		return fmt.Sprintf("target %s replicates from %s", name, t.Source)
	case t.Syncing:
		return fmt.Sprintf("target %s still makes its copy", name)
	case !t.LinkUp:
		return fmt.Sprintf("target %s is not linked to its source", name)
	case !slices.Contains(s.Feeds(), r.Target.source()):
		return fmt.Sprintf("target %s is linked, but is not seen to follow yet", name)
	case t.ReplID != s.ReplID:
		return fmt.Sprintf("target %s has data of another history", name)
	case lag > r.MaxLag:
		return fmt.Sprintf("target %s lags %d bytes behind", name, lag)
	}
	return ""
}

// swap goes through the steps; the first that fails is answered by going back.
func (r *run) swap() {
	if err := r.begin(StepHold); err != nil {
		r.stop(err)
		return
	}
	if r.Release != nil {
		defer r.release()
	}
	if r.Hold != nil && r.allowed() == nil {
		r.out.Held = r.Hold(r.ctx)
	}
	for _, step := range []func() error{r.pause, r.catchUp, r.fence, r.reach, r.demote} {
		if err := step(); err != nil {
			r.stop(err)
			return
		}
	}
	r.settle()
}

func (r *run) pause() error {
	if err := r.begin(StepPause); err != nil {
		return err
	}
	r.paused = time.Now()
	replies, err := r.ask(r.source, r.AnswerFor, pause(r.PauseFor))
	r.out.FinalOffset = replication(replies).offset()
	return err
}

func (r *run) catchUp() error { return r.await(StepCatchUp) }

// fence ends the source's reign: no write is acknowledged after the offset it
// returns, whatever became of the pause meanwhile. It renews the pause so that
// the engine does not write by itself either, as expiry does.
func (r *run) fence() error {
	if err := r.begin(StepFence); err != nil {
		return err
	}
	replies, err := r.take(r.AnswerFor, func(names []string) [][]string { return fence(r.PauseFor, names) })
	r.out.FinalOffset = replication(replies).offset()
	return err
}

func (r *run) reach() error { return r.await(StepReach) }

// demote makes the source a replica. The target has every acknowledged write
// and the source can acknowledge no other, so a source that does not answer
// stops nothing: it follows when it wakes up.
func (r *run) demote() error {
	if err := r.begin(StepDemote); err != nil {
		return err
	}
	r.demoted = true
	replies, err := r.take(r.AnswerFor, func(names []string) [][]string { return follow(r.Target.source(), names) })
	if err == nil {
		r.out.FinalOffset = max(r.out.FinalOffset, replication(replies).offset())
		return nil
	}
	var refused resp.Error
	if errors.As(err, &refused) || errors.Is(err, errForbidden) {
		return err
	}
	r.leftToDo = fmt.Errorf("source %s was fenced and did not confirm to follow: %w", r.Source.Name, err)
	return nil
}

// settle promotes the target when it has all that the source has.
func (r *run) settle() {
	if err := r.await(StepSettle); err != nil {
		r.stop(err)
		return
	}
	r.promote()
}

// resume goes on where an earlier executor died: both are replicas of each
// other, nobody serves, and the source's offset is final. A source that began
// to copy from the target has nothing of its own any more; it was allowed to
// only because the target had everything.
func (r *run) resume(s, t Observation) {
	if s.Source != r.Target.source() || t.Source != r.Source.source() {
		r.unknown("source %s replicates from %s and target %s from %s", r.Source.Name, s.Source, r.Target.Name, t.Source)
		return
	}
	if r.Release != nil {
		defer r.release()
	}
	r.demoted = true
	if !intact(s, 0) {
		r.promote()
		return
	}
	r.out.FinalOffset = s.Offset
	r.settle()
}

func (r *run) promote() {
	if err := r.begin(StepPromote); err != nil {
		r.stop(err)
		return
	}
	r.promoteSent = true
	replies, err := r.ask(r.target, r.PromoteFor, serve(r.Target))
	if err != nil {
		r.stop(err)
		return
	}
	r.moved(replication(replies).promotion())
}

// finish completes what an earlier executor had promoted already. The source
// is fenced before the target is given rights it does not have.
func (r *run) finish(s, t Observation) {
	if !r.continues(s, t) {
		r.unknown("target %s is master of another history than source %s", r.Target.Name, r.Source.Name)
		return
	}
	if !t.Serving && !s.answered() && s.State != Absent {
		r.unknown("target %s is fenced and source %s does not answer: %s", r.Target.Name, r.Source.Name, s.Reason)
		return
	}
	if r.Release != nil {
		defer r.release()
	}
	if s.State != Absent && (s.Role != Slave || s.Source != r.Target.source() || s.Serving) {
		if err := r.demote(); err != nil {
			r.unknown("source %s: %v", r.Source.Name, err)
			return
		}
	}
	if t.Serving {
		r.moved(Promotion{t.ReplID, t.ReplID2, t.SecondOffset - 1})
		return
	}
	r.promote()
}

// continues reports whether master t took over from s. Without s the only
// evidence is that t took over from somebody.
func (r *run) continues(s, t Observation) bool {
	switch {
	case !s.answered():
		return t.SecondOffset > 0
	case s.Role == Slave:
		return s.Source == r.Target.source()
	}
	return s.ReplID == t.ReplID2
}

// moved records the success and tells the proxies.
func (r *run) moved(p Promotion) {
	r.out.Result = Moved
	r.out.ReplID, r.out.PrevReplID, r.out.FinalOffset = p.ReplID, p.PrevReplID, p.Offset
	r.endPause()
	err := errors.Join(r.begin(StepAim), r.allowed())
	if err == nil && r.Aim != nil {
		err = r.Aim(context.WithoutCancel(r.ctx))
	}
	if err = errors.Join(r.leftToDo, err); err != nil {
		r.out.Reason = err.Error()
	}
}

func (r *run) unmoved(why string) {
	r.out.Result, r.out.Reason = Unmoved, why
	r.endPause()
}

func (r *run) unknown(format string, args ...any) {
	r.out.Result, r.out.Reason = Unknown, fmt.Sprintf(format, args...)
	r.endPause()
}

func (r *run) endPause() {
	if !r.paused.IsZero() && r.out.Pause == 0 {
		r.out.Pause = time.Since(r.paused)
	}
}

func (r *run) release() {
	if !r.abandoned {
		r.Release(context.WithoutCancel(r.ctx))
	}
}
