package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// executorMain carries out one hand-over in a process of its own. It names
// each step on its output and begins it when it gets a line.
func executorMain() {
	var of struct{ Source, Target Source }
	if err := json.Unmarshal([]byte(os.Getenv("PAIR")), &of); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	instance := func(name string, s Source) Instance {
		return Instance{name, s.Address, s.Port, testUsers.Agent, testClients}
	}
	h := brisk(instance("1.1", of.Source), instance("1.2", of.Target))
	in := bufio.NewReader(os.Stdin)
	h.Step = func(step string) error {
		fmt.Println(step)
		_, err := in.ReadString('\n')
		return err
	}
	json.NewEncoder(os.Stdout).Encode(h.Run(context.Background()))
}

// trial is one hand-over under load in which something happens at one step.
type trial struct {
	t              *testing.T
	source, target *Process
	load           *load
	endWatch       func() error
	timers         sync.WaitGroup
	copies         int64
}

// faults is what may happen right before a step.
var faults = map[string]func(*trial, string) Outcome{
	"nothing":          func(x *trial, step string) Outcome { return x.run(step, func() {}) },
	"executor stopped": func(x *trial, step string) Outcome { return x.runElsewhere(step, unix.SIGSTOP) },
	"executor killed":  func(x *trial, step string) Outcome { return x.runElsewhere(step, unix.SIGKILL) },
	"source frozen":    func(x *trial, step string) Outcome { return x.run(step, func() { x.freeze(x.source) }) },
	"target frozen":    func(x *trial, step string) Outcome { return x.run(step, func() { x.freeze(x.target) }) },
	"source killed":    func(x *trial, step string) Outcome { return x.run(step, func() { x.source.Kill() }) },
	"target killed":    func(x *trial, step string) Outcome { return x.run(step, func() { x.target.Kill() }) },
}

func TestHandoverWhateverHappens(t *testing.T) {
	t.Parallel()
	for _, step := range steps(t) {
		for name, fault := range faults {
			t.Run(name+" before "+step, func(t *testing.T) {
				t.Parallel()
				x := newTrial(t)
				x.settle(fault(x, step))
			})
		}
	}
}

func newTrial(t *testing.T) *trial {
	x := &trial{t: t}
	x.source, x.target = pair(t)
	x.copies = x.fullCopies()
	x.load = startLoad(3, 200*time.Microsecond, x.source.Instance, x.target.Instance)
	x.endWatch = watchReigns(x.source.Instance, x.target.Instance)
	return x
}

func (x *trial) fullCopies() int64 {
	return x.source.Observe(bounded(x.t)).SyncFull + x.target.Observe(bounded(x.t)).SyncFull
}

func (x *trial) handover() Handover { return brisk(x.source.Instance, x.target.Instance) }

// run carries the hand-over out here, with the fault before the step.
func (x *trial) run(step string, fault func()) Outcome {
	h := x.handover()
	h.Step = func(name string) error {
		if name == step {
			step = ""
			fault()
		}
		return nil
	}
	return h.Run(bounded(x.t))
}

// freeze stops an engine for longer than the executor waits for an answer.
func (x *trial) freeze(p *Process) {
	unix.Kill(p.PID, unix.SIGSTOP)
	x.timers.Go(func() {
		sleep(context.Background(), 700*time.Millisecond)
		p.pid.signal(unix.SIGCONT)
	})
}

// runElsewhere carries the hand-over out in another process, which gets the
// signal before the step. A stopped one goes on after the pause has run out; a
// killed one is succeeded by another executor.
func (x *trial) runElsewhere(step string, s unix.Signal) Outcome {
	of, _ := json.Marshal(map[string]Source{"Source": x.source.source(), "Target": x.target.source()})
	cmd := another(x.t, "executor", "PAIR="+string(of))
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text()[0] != '{' {
		if lines.Text() == step {
			step = ""
			if x.hit(cmd, s) {
				return x.handover().Run(bounded(x.t))
			}
		}
		io.WriteString(in, "\n")
	}
	var outcome Outcome
	if err := json.Unmarshal(lines.Bytes(), &outcome); err != nil {
		x.t.Fatalf("%q: %v", lines.Text(), err)
	}
	return outcome
}

func (x *trial) hit(cmd *exec.Cmd, s unix.Signal) (dead bool) {
	cmd.Process.Signal(s)
	if s == unix.SIGKILL {
		return true
	}
	sleep(context.Background(), 400*time.Millisecond)
	cmd.Process.Signal(unix.SIGCONT)
	return false
}

// settle runs the hand-over again while its outcome is unknown, as the
// control plane would, and then holds what was said against what is.
func (x *trial) settle(out Outcome) {
	x.t.Logf("%s at %s: %s", out.Result, out.Step, out.Reason)
	x.check(out)
	x.timers.Wait()
	deadline := time.Now().Add(15 * time.Second)
	for out.Result == Unknown && x.source.Alive() && x.target.Alive() && time.Now().Before(deadline) {
		out = x.handover().Run(bounded(x.t))
		x.t.Logf("then %s at %s: %s", out.Result, out.Step, out.Reason)
	}
	x.check(out)
	if out.Result == Unknown && x.source.Alive() && x.target.Alive() {
		x.t.Error("both engines answer and nobody knows who serves")
	}
	if err := x.endWatch(); err != nil {
		x.t.Error(err)
	}
	x.load.end()
	x.load.checkReplies(x.t)
	switch {
	case out.Result == Moved && x.target.Alive():
		x.load.check(x.t, x.target.Instance)
		x.follows(x.source, x.target)
	case out.Result == Unmoved && x.source.Alive():
		x.load.check(x.t, x.source.Instance)
		x.follows(x.target, x.source)
	}
}

// check compares the outcome with the engines, as far as they live and answer.
func (x *trial) check(out Outcome) {
	x.t.Helper()
	var serving, other *Process
	switch out.Result {
	case Moved:
		serving, other = x.target, x.source
	case Unmoved:
		serving, other = x.source, x.target
	default:
		return
	}
	if o := serving.Observe(bounded(x.t)); o.answered() && (o.Role != Master || !o.Serving) {
		x.t.Errorf("%s, and %s is %s, serving %v", out.Result, serving.Name, o.Role, o.Serving)
	}
	if o := other.Observe(bounded(x.t)); o.answered() && o.Serving {
		x.t.Errorf("%s, and %s serves", out.Result, other.Name)
	}
}

// follows waits until the one that does not serve is a replica of the other,
// after the nudge that the control plane gives it.
func (x *trial) follows(replica, master *Process) {
	if !replica.Alive() {
		return
	}
	if err := replica.Follow(bounded(x.t), master.source()); err != nil {
		x.t.Error(err)
	}
	eventually(x.t, "the other follows", func() bool { return linked(replica.Observe(bounded(x.t))) })
	if n := x.fullCopies(); master.Alive() && n != x.copies {
		x.t.Errorf("%d full copies were made", n-x.copies)
	}
}

// The executor is frozen between asking for permission and using it, for every
// effect it has in turn. Meanwhile its deadline passes and a successor does all
// of it. When it wakes up, nothing of what it still does takes effect.
func TestHandoverFrozenInTheGap(t *testing.T) {
	t.Parallel()
	for effect := range int32(7) {
		t.Run(fmt.Sprint(effect), func(t *testing.T) {
			t.Parallel()
			x := newTrial(t)
			frozen, wake, old := make(chan bool), make(chan bool), make(chan Outcome)
			var asked atomic.Int32
			h := patient(x.source.Instance, x.target.Instance)
			h.Allowed = func() bool {
				switch n := asked.Add(1) - 1; {
				case n < effect:
					return true
				case n == effect:
					close(frozen)
					<-wake
					return true
				}
				return false
			}
			go func() { old <- h.Run(bounded(t)) }()
			<-frozen
			out := patient(x.source.Instance, x.target.Instance).Run(bounded(t))
			if out.Result != Moved {
				t.Errorf("successor: %+v", out)
			}
			close(wake)
			late := <-old
			t.Logf("predecessor %s at %s: %s", late.Result, late.Step, late.Reason)
			if late.Result == Unmoved {
				t.Error("the predecessor claims that nothing moved")
			}
			x.settle(out)
		})
	}
}
