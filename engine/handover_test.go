package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a source and its replica, ready for a hand-over.
func pair(t testing.TB) (*Process, *Process) {
	t.Helper()
	m := startMaster(t, "1.1")
	r := startReplica(t, "1.2", m)
	setClients(t, m, testClients...)
	r.Clients = testClients
	ask(t, m.Instance, "SET", "a", "1")
	// A replica that comes back is sent writes at once, a new one after a second.
	ask(t, r.Instance, "CLIENT", "KILL", "TYPE", "master")
	eventually(t, "replica has all", func() bool {
		o := m.Observe(bounded(t))
		return o.Offset > 0 && r.Observe(bounded(t)).Offset == o.Offset && slices.Contains(o.Feeds(), r.source())
	})
	return m, r
}

// brisk is a hand-over with waits fit for a test.
func brisk(source, target Instance) Handover {
	return Handover{
		Source: source, Target: target,
		PauseFor: 250 * time.Millisecond, CatchUpFor: 200 * time.Millisecond,
		AnswerFor: 300 * time.Millisecond, PromoteFor: 400 * time.Millisecond,
	}
}

// patient is one that succeeds on a busy machine too.
func patient(source, target Instance) Handover {
	return Handover{
		Source: source, Target: target,
		ApproachFor: 10 * time.Second, CatchUpFor: 10 * time.Second, AnswerFor: 10 * time.Second, PromoteFor: 10 * time.Second,
	}
}

func checkSwapped(t testing.TB, out Outcome, source, target *Process) {
	t.Helper()
	if out.Result != Moved || out.ReplID == "" || out.PrevReplID == "" {
		t.Fatalf("outcome %+v", out)
	}
	o := target.Observe(bounded(t))
	if o.Role != Master || !o.Serving || o.ReplID != out.ReplID || o.ReplID2 != out.PrevReplID {
		t.Errorf("target %+v, outcome %+v", o, out)
	}
	eventually(t, "old master follows the new one", func() bool {
		o := source.Observe(bounded(t))
		return linked(o) && o.Source == target.source() && !o.Serving && slices.Contains(target.Observe(bounded(t)).Feeds(), source.source())
	})
}

func TestHandoversUnderLoad(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	load := startLoad(6, 0, a.Instance, b.Instance)
	defer load.end()
	watch := watchReigns(a.Instance, b.Instance)
	copies := func() int64 { return a.Observe(bounded(t)).SyncFull + b.Observe(bounded(t)).SyncFull }
	before := copies()
	for n := range 10 {
		h := patient(a.Instance, b.Instance)
		held := false
		h.Hold = func(context.Context) bool { held = true; return true }
		h.Release = func(context.Context) { held = false }
		out := h.Run(bounded(t))
		t.Logf("%d: paused for %v, offset %d", n, out.Pause, out.FinalOffset)
		if held || !out.Held {
			t.Errorf("held %v, outcome %+v", held, out)
		}
		checkSwapped(t, out, a, b)
		a, b = b, a
	}
	load.end()
	if err := watch(); err != nil {
		t.Error(err)
	}
	load.checkReplies(t)
	load.check(t, a.Instance)
	if after := copies(); after != before {
		t.Errorf("%d full copies were made", after-before)
	}
}

func TestHandoverReturnsWhatItFindsDone(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	h := patient(a.Instance, b.Instance)
	first := h.Run(bounded(t))
	checkSwapped(t, first, a, b)
	again := h.Run(bounded(t))
	if again.Result != Moved || again.ReplID != first.ReplID || again.PrevReplID != first.PrevReplID {
		t.Errorf("again %+v", again)
	}
}

func TestHandoverBlockers(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	c := startReplica(t, "1.3", b)
	lone := startMaster(t, "1.4")
	for name, x := range map[string]struct {
		h      Handover
		result Result
		reason string
	}{
		"a replica of another":     {brisk(a.Instance, c.Instance), Unmoved, "replicates from"},
		"master of another":        {brisk(a.Instance, lone.Instance), Unknown, "another history"},
		"nobody there":             {brisk(a.Instance, Instance{Name: "1.9", Address: testAddress, Port: freePort(t), AgentPassword: "x"}), Unmoved, "is absent"},
		"no source":                {brisk(Instance{Name: "1.9", Address: testAddress, Port: freePort(t), AgentPassword: "x"}, b.Instance), Unmoved, "has ended"},
		"both replicas of another": {brisk(b.Instance, c.Instance), Unknown, "replicates from"},
	} {
		out := x.h.Run(bounded(t))
		if silent := name == "nobody there"; out.Result != x.result || !strings.Contains(out.Reason, x.reason) || out.Pause != 0 || out.TargetSilent != silent {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if o := a.Observe(bounded(t)); o.Role != Master || !o.Serving {
		t.Errorf("the master was touched: %+v", o)
	}
	ask(t, a.Instance, "ACL", "SETUSER", "replica", "off")
	ask(t, b.Instance, "CLIENT", "KILL", "TYPE", "master")
	if out := brisk(a.Instance, b.Instance).Run(bounded(t)); out.Result != Unmoved || !strings.Contains(out.Reason, "not linked") {
		t.Errorf("unlinked: %+v", out)
	}
}

// With a blocker, a source that a dead executor left fenced serves again.
func TestHandoverBlockedLiftsFence(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	h := patient(a.Instance, b.Instance)
	h.Step = stopAt(StepDemote)
	if out := h.Run(bounded(t)); out.Result != Unknown {
		t.Fatalf("outcome %+v", out)
	}
	if a.Observe(bounded(t)).Serving {
		t.Fatal("not fenced")
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	h.Step = nil
	// The target might have been promoted and have served before it ended: that
	// would have been the loss of a serving master. Nobody else can serve now.
	if out := h.Run(bounded(t)); out.Result != Unmoved || !a.Observe(bounded(t)).Serving {
		t.Errorf("outcome %+v", out)
	}
	if err := a.Fence(bounded(t)); err != nil {
		t.Fatal(err)
	}
	c := startReplica(t, "1.3", a)
	if err := b.Remove(); err != nil {
		t.Fatal(err)
	}
	h.Target = c.Instance
	h.MaxLag = -1 << 40
	if out := h.Run(bounded(t)); out.Result != Unmoved || !strings.Contains(out.Reason, "lags") {
		t.Errorf("outcome %+v", out)
	}
	if !a.Observe(bounded(t)).Serving {
		t.Error("still fenced")
	}
}

var errStopped = errors.New("killed by the test")

func stopAt(step string) func(string) error {
	return func(s string) error {
		if s == step {
			return errStopped
		}
		return nil
	}
}

// steps runs a hand-over and returns the names of its steps.
func steps(t testing.TB) []string {
	a, b := pair(t)
	var names []string
	h := patient(a.Instance, b.Instance)
	h.Step = func(name string) error { names = append(names, name); return nil }
	checkSwapped(t, h.Run(bounded(t)), a, b)
	return names
}

func TestHandoverCancelled(t *testing.T) {
	t.Parallel()
	for _, step := range steps(t) {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			ctx, cancel := context.WithCancel(bounded(t))
			h := patient(a.Instance, b.Instance)
			released := false
			h.Release = func(context.Context) { released = true }
			demoted := false
			h.Step = func(name string) error {
				if name == step {
					cancel()
				}
				demoted = demoted || name == StepSettle
				return nil
			}
			out := h.Run(ctx)
			if demoted {
				checkSwapped(t, out, a, b)
				return
			}
			if out.Result != Unmoved || step != StepLook && step != StepHold && !released {
				t.Errorf("outcome %+v, released %v", out, released)
			}
			if !serves(bounded(t), a.Instance) || serves(bounded(t), b.Instance) {
				t.Error("the source does not serve")
			}
		})
	}
}

// After its deadline an executor touches nothing, and does not claim anything.
func TestHandoverForbidden(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	for n := int32(0); ; n++ {
		var asked atomic.Int32
		h := patient(a.Instance, b.Instance)
		h.Allowed = func() bool { return asked.Add(1) <= n }
		out := h.Run(bounded(t))
		t.Logf("%d effects allowed: %s at %s: %s", n, out.Result, out.Step, out.Reason)
		if out.Result == Moved {
			if n < 5 {
				t.Errorf("moved with %d effects", n)
			}
			return
		}
		if out.Result != Unknown {
			t.Errorf("%d: outcome %+v", n, out)
		}
		if n > 20 {
			t.Fatal("never moved")
		}
		// The next executor settles it, and the one after brings it back.
		checkSwapped(t, patient(a.Instance, b.Instance).Run(bounded(t)), a, b)
		a, b = b, a
	}
}

// The executor is stopped for longer than the pause, clients write on, and the
// target is frozen: it has none of that. Were the source made its replica as
// soon as the target wakes up, it would copy from the target, which is behind,
// and lose all of it.
func TestWritesAfterThePauseAreNotLost(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	h := brisk(a.Instance, b.Instance)
	const keys = 10_000
	frozen := false
	h.Step = func(name string) error {
		switch {
		case (name == StepFence || name == StepDemote) && !frozen:
			frozen = true
			unix.Kill(b.PID, unix.SIGSTOP)
			// The first of them waits until the pause has run out.
			fill(t, a.Instance, keys)
		case name == StepSettle:
			unix.Kill(b.PID, unix.SIGCONT)
		}
		return nil
	}
	out := h.Run(bounded(t))
	unix.Kill(b.PID, unix.SIGCONT)
	if out.Result != Unmoved || !strings.Contains(out.Reason, "no catch-up") {
		t.Errorf("outcome %+v", out)
	}
	eventually(t, "replica is linked", func() bool { return linked(b.Observe(bounded(t))) })
	if o := a.Observe(bounded(t)); !o.Serving || o.Keys != keys+1 {
		t.Errorf("%d keys of %d, serving %v", o.Keys, keys+1, o.Serving)
	}
	if n := b.Observe(bounded(t)).SyncFull; n != 0 {
		t.Errorf("the source made %d copies of the target", n)
	}
}

// A target that is behind when the source is paused is waited for.
func TestTargetBehindIsWaitedFor(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	h := patient(a.Instance, b.Instance)
	const keys = 3000
	h.Step = func(name string) error {
		if name != StepPause {
			return nil
		}
		unix.Kill(b.PID, unix.SIGSTOP)
		fill(t, a.Instance, keys)
		time.AfterFunc(200*time.Millisecond, func() { unix.Kill(b.PID, unix.SIGCONT) })
		return nil
	}
	checkSwapped(t, h.Run(bounded(t)), a, b)
	if o := b.Observe(bounded(t)); o.Keys != keys+1 {
		t.Errorf("%d keys of %d", o.Keys, keys+1)
	}
}

// What a target lacks at the look is waited for while clients are served: nothing
// is held or paused for a target that does not get it.
func TestNothingIsPausedForATargetThatIsLate(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	h := patient(a.Instance, b.Instance)
	held := false
	h.Hold = func(context.Context) bool { held = true; return true }
	approach := func(within time.Duration, offset int64) Outcome {
		h.ApproachFor = within
		r := &run{Handover: h.withDefaults(), ctx: bounded(t), source: &line{Instance: a.Instance}, target: &line{Instance: b.Instance}}
		defer r.source.hangUp()
		defer r.target.hangUp()
		r.approach(Observation{Offset: offset})
		return r.out
	}
	needed := a.Observe(bounded(t)).Offset + 1000
	out := approach(50*time.Millisecond, needed)
	if out.Result != Unmoved || !strings.Contains(out.Reason, "no catch-up") || out.Pause != 0 || held || !serves(bounded(t), a.Instance) {
		t.Errorf("held %v, outcome %+v", held, out)
	}
	fill(t, a.Instance, 1)
	checkSwapped(t, approach(10*time.Second, needed), a, b)
	if !held {
		t.Error("not held")
	}
}

// fill writes keys of 2 KB each as user proxy.
func fill(t testing.TB, i Instance, keys int) {
	t.Helper()
	var sets [][]string
	for n := range keys {
		sets = append(sets, []string{"SET", "k" + strconv.Itoa(n), strings.Repeat("v", 2000)})
	}
	replies, err := dialProxy(t, i).Pipeline(bounded(t), sets...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replies {
		if r.IsError() {
			t.Fatal(r.Err())
		}
	}
}
