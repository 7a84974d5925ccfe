package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/lan"
)

// Matrix kills at the boundaries between the steps of maintenance: after each
// entry that an action leaves in the activity log, one of the processes that
// take part in it. Where the boundaries are is learnt from runs in which nothing
// is killed. Whatever is killed, the action has to end as if nothing had been.
type Matrix struct {
	Binary string // the haulout binary; an absolute path
	Folder string // for the hosts' files; removed in the end
	Out    io.Writer
	Seed   uint64        // of the order of the cells
	Sample time.Duration // 0: all cells; otherwise as many as there is time for, at least one
}

// MatrixResult is what it ends with: one line of JSON.
type MatrixResult struct {
	Seed       uint64           `json:"seed"`
	Boundaries map[string]int   `json:"boundaries"` // by phase
	Cells      int              `json:"cells"`
	Killed     int              `json:"killed"` // cells whose boundary was reached
	Failures   []string         `json:"failures"`
	Result     `json:"clients"` // what clients saw
}

// Good reports whether every cell ended as it should.
func (r MatrixResult) Good() bool {
	return r.Killed > 0 && len(r.Failures) == 0 && r.Result.Good()
}

// The phases of maintenance.
const (
	phaseOn     = "on"
	phaseOff    = "off"
	phaseCancel = "cancel"
)

// bystander is who may be killed without anything being lost.
type bystander struct {
	name string
	host func(ctx context.Context, w *world) (int, error)
	kind process
}

// The node that goes out and comes back, and the node that takes most of it.
const (
	drained = 2
	target  = 3
)

var bystanders = []bystander{
	{"the cluster master's daemon", func(ctx context.Context, w *world) (int, error) { return w.leader(ctx) }, daemon},
	{"the node's daemon", hostNumber(drained), daemon},
	{"a target's daemon", hostNumber(target), daemon},
	{"the node's proxy", hostNumber(drained), proxy},
	{"a target's proxy", hostNumber(target), proxy},
}

func hostNumber(n int) func(context.Context, *world) (int, error) {
	return func(context.Context, *world) (int, error) { return n, nil }
}

// cell is one boundary and one victim.
type cell struct {
	phase    string
	boundary int    // it strikes when the phase has left so many entries
	entry    string // the last of them in the run without a kill
	victim   bystander
}

func (c cell) String() string {
	return fmt.Sprintf("%s, after entry %d (%s), %s", c.phase, c.boundary, c.entry, c.victim.name)
}

// Run goes through the cells.
func (m Matrix) Run(ctx context.Context) (result MatrixResult, err error) {
	network, err := lan.New(e2e.Nodes)
	if err != nil {
		return result, err
	}
	defer network.Close()
	hosts := &e2e.Hosts{Binary: m.Binary, Folder: m.Folder, Network: lan.Network, LAN: network}
	defer func() { err = errors.Join(err, hosts.Down()) }()
	result = MatrixResult{Seed: m.Seed, Boundaries: map[string]int{}, Failures: []string{}}
	w, err := newWorld(ctx, &e2e.Cluster{Hosts: hosts, Out: io.Discard})
	if err != nil {
		return result, err
	}
	if err := w.dropAnchors(ctx); err != nil {
		return result, err
	}
	c := Chaos{Out: m.Out}
	cells, err := m.discover(ctx, w, &result)
	if err != nil {
		return result, fmt.Errorf("%s\nwith nothing killed: %w", w.trace(), err)
	}
	cycles := m.cycles(cells)
	c.say("%d cells in %d cycles: %v", len(cells), len(cycles), result.Boundaries)
	began := time.Now()
	for _, cycle := range cycles {
		if m.Sample > 0 && result.Cells > 0 && time.Since(began) > m.Sample {
			break
		}
		result.Rounds++
		c.say("%d: %v", result.Rounds, cycle)
		if err := w.cycle(ctx, c, cycle, &result); err != nil {
			result.Failures = append(result.Failures, fmt.Sprintf("%v: %v", cycle, err))
			return result, fmt.Errorf("%s\n%v: %w", w.trace(), cycle, err)
		}
	}
	return result, nil
}

// cycle is a way there and back, by phase, with a kill in one or both.
type cycle map[string]cell

func (c cycle) phases() []string {
	if _, cancels := c[phaseCancel]; cancels {
		return []string{phaseCancel}
	}
	return []string{phaseOn, phaseOff}
}

func (c cycle) String() string {
	var all []string
	for _, phase := range c.phases() {
		if cell, ok := c[phase]; ok {
			all = append(all, cell.String())
		}
	}
	return strings.Join(all, "; ")
}

// cycles puts each way out together with a way back, by the seed.
func (m Matrix) cycles(cells []cell) []cycle {
	dice := rand.New(rand.NewPCG(m.Seed, 0))
	dice.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
	var list []cycle
	used := map[string]int{} // how many of the cycles there and back have a cell of the phase
	for _, cell := range cells {
		if cell.phase == phaseCancel {
			list = append(list, cycle{phaseCancel: cell})
		}
	}
	first := len(list)
	for _, cell := range cells {
		if cell.phase == phaseCancel {
			continue
		}
		at := first + used[cell.phase]
		if used[cell.phase]++; at == len(list) {
			list = append(list, cycle{})
		}
		list[at][cell.phase] = cell
	}
	dice.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// discover runs each phase with nothing killed.
func (m Matrix) discover(ctx context.Context, w *world, result *MatrixResult) ([]cell, error) {
	var cells []cell
	for _, cycle := range [][]string{{phaseOn, phaseOff}, {phaseCancel}} {
		for _, phase := range cycle {
			j := w.journal()
			if err := w.phase(ctx, j, phase); err != nil {
				return nil, fmt.Errorf("%s: %w", phase, err)
			}
			entries, err := j.entries(ctx)
			if err != nil {
				return nil, err
			}
			result.Boundaries[phase] = len(entries)
			for i, entry := range entries {
				for _, b := range bystanders {
					cells = append(cells, cell{phase, i + 1, entry, b})
				}
			}
		}
		if err := w.converged(ctx); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

// cycle carries a whole cycle out, under load.
func (w *world) cycle(ctx context.Context, c Chaos, cycle cycle, result *MatrixResult) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	before, err := w.placement(ctx)
	if err != nil {
		return err
	}
	work := w.work(ctx, result.Rounds, all)
	defer work.stop()
	for _, phase := range cycle.phases() {
		cell, ok := cycle[phase]
		if !ok {
			err = w.phase(ctx, w.journal(), phase)
		} else {
			var killed bool
			if killed, err = w.killIn(ctx, cell); killed {
				result.Killed++
			} else {
				c.say("  the boundary of %s was not reached", phase)
			}
			result.Cells++
		}
		if err != nil {
			return fmt.Errorf("%s: %w", phase, err)
		}
	}
	if err := w.converged(ctx); err != nil {
		return err
	}
	after, err := w.placement(ctx)
	if d := before.Differences(after); err == nil && len(d) > 0 {
		err = fmt.Errorf("not as it was: %v", d)
	}
	if err != nil {
		return err
	}
	return errors.Join(work.judge(ctx, c, planned, &result.Result), w.anchorsHold(ctx))
}

// placement waits until somebody tells where everything is.
func (w *world) placement(ctx context.Context) (p e2e.Placement, err error) {
	w.Cluster.REST = w.rest[w.operator]
	return p, w.await(ctx, "the placement is told", patience, func(ctx context.Context) (bool, error) {
		p, err = w.Placement(ctx)
		return err == nil, err
	})
}

// killIn carries the cell's phase out and kills its victim at the boundary.
func (w *world) killIn(ctx context.Context, cell cell) (killed bool, err error) {
	victim, err := cell.victim.host(ctx, w)
	if err != nil {
		return false, err
	}
	w.operator = operatorFor(victim)
	j := w.journal()
	ended := make(chan error, 1)
	go func() { ended <- w.phase(ctx, j, cell.phase) }()
	for !killed && len(ended) == 0 {
		entries, err := j.entries(ctx)
		if err == nil && len(entries) >= cell.boundary {
			killed = true
			err = w.killAndStart(ctx, victim, cell.victim.kind)
		} else {
			err = sleep(ctx, 5*time.Millisecond)
		}
		if err != nil {
			return killed, errors.Join(err, <-ended)
		}
	}
	return killed, <-ended
}

// killAndStart kills the process. A daemon has to be started by somebody; a
// proxy by its daemon.
func (w *world) killAndStart(ctx context.Context, n int, kind process) error {
	if err := send(kind, syscall.SIGKILL)(ctx, w, n); err != nil || kind == proxy {
		return err
	}
	return w.Start(ctx, n)
}
