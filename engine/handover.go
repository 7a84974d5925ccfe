package engine

import (
	"context"
	"time"
)

// Handover makes Target master in place of Source, of which it is a replica,
// without losing an acknowledged write and without two that serve. It is
// carried out by one executor; a second one may take over when the first may
// not act any more (see Allowed), however far that came.
//
// The order is: pause the source's writes; when the target has them all, fence
// the source by taking user proxy's rights; when the target has what this
// returned as last offset, make the source its replica; promote the target.
// The fence comes before the change of role because a master that becomes the
// replica of one that lags behind copies from it and loses the difference.
//
// Until a promotion was sent, everything can be taken back. From then on it
// only goes forward, unless the target is proven never to carry it out.
type Handover struct {
	Source, Target Instance

	// Allowed says whether this executor may still act: its order's deadline on
	// the boot clock. It is asked right before each effect; nil means always.
	Allowed func() bool
	// Hold asks the proxies to hold the shard's commands and says whether all
	// do; safety does not need it. Release ends it. Both bound themselves.
	Hold    func(context.Context) bool
	Release func(context.Context)
	// Aim points the proxies to the target, which serves by then.
	Aim func(context.Context) error
	// Step is told the name of each step before it begins. An error ends the
	// run there as a crash would: nothing is undone.
	Step func(name string) error

	// Zero values mean the defaults.
	PauseFor    time.Duration // how long writes stay paused if the executor dies: 3 s
	ApproachFor time.Duration // how long the target may take, with nothing paused, to have what the source had at the look: 1 s
	CatchUpFor  time.Duration // how long the target may take to have all writes: 500 ms
	AnswerFor   time.Duration // how long an engine may take to answer: 1 s
	PromoteFor  time.Duration // how long to wait for the promotion: 5 s
	MaxLag      int64         // bytes the target may lag behind beforehand: 4 MiB
}

// The steps, in order. Undo takes the place of what would come next.
const (
	StepLook    = "look"    // close other agents' connections, look at both
	StepHold    = "hold"    // ask the proxies
	StepPause   = "pause"   // stop the source's writes for a while
	StepCatchUp = "catchup" // wait for the target
	StepFence   = "fence"   // take the source's rights
	StepReach   = "reach"   // wait for the target
	StepDemote  = "demote"  // make the source a replica of the target
	StepSettle  = "settle"  // wait for the target
	StepPromote = "promote" // make the target master and give it the rights
	StepAim     = "aim"     // tell the proxies
	StepUndo    = "undo"    // let the source serve again
)

// Result is how a hand-over ended.
type Result string

// The results.
const (
	// Moved: the target was seen as master with rights, and has every write
	// that the source acknowledged.
	Moved Result = "moved"
	// Unmoved: the source was seen as master with rights, or its process was seen
	// gone, and no promotion of the target can happen any more.
	Unmoved Result = "unmoved"
	// Unknown: neither could be established. Run again, by this executor or
	// another, settles it once both engines answer.
	Unknown Result = "unknown"
)

// Outcome is what a run established.
type Outcome struct {
	Result Result
	// Reason says why it is not Moved, or what is left to be done although it is.
	Reason string
	Step   string // the last one begun
	Held   bool   // all proxies held
	// When it is Moved: FinalOffset is where the source's history ended, ReplID
	// the one that the target began there, PrevReplID the source's.
	FinalOffset int64
	ReplID      string
	PrevReplID  string
	// TargetSilent: at the look the target did not answer.
	TargetSilent bool
	// SourceSilent: at the look not even a connection to the source came about.
	SourceSilent bool
	// Pause is how long writes were held up, from asking the source to the end.
	Pause time.Duration
}

// Run carries the hand-over out, from wherever an earlier run left it. Each
// wait in it is bounded, so that it always returns. When ctx ends before the
// source was made a replica, everything is undone; afterwards it goes on.
func (h Handover) Run(ctx context.Context) Outcome {
	r := &run{
		Handover: h.withDefaults(), ctx: ctx,
		source: &line{Instance: h.Source}, target: &line{Instance: h.Target},
	}
	defer r.source.hangUp()
	defer r.target.hangUp()
	r.decide()
	return r.out
}

func (h Handover) withDefaults() Handover {
	fill := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	fill(&h.PauseFor, 3*time.Second)
	fill(&h.ApproachFor, time.Second)
	fill(&h.CatchUpFor, 500*time.Millisecond)
	fill(&h.AnswerFor, time.Second)
	fill(&h.PromoteFor, 5*time.Second)
	if h.MaxLag == 0 {
		h.MaxLag = 4 << 20
	}
	return h
}
