package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/lan"
)

// Matrix strikes at the boundaries between the steps of maintenance: after each
// entry that an action leaves in the activity log, and in the midst of what follows
// it, each of the processes that take part is killed, and stopped for longer than a
// lease. Where the boundaries are is learnt from runs in which nothing is struck.
// Whatever is struck, the action has to end as if nothing had been; where a host was
// believed gone or a copy was not there, it may end by name and be asked for again.
type Matrix struct {
	Binary string // the haulout binary; an absolute path
	Folder string // for the hosts' files; removed in the end
	Out    io.Writer
	Seed   uint64        // of the order of the cells
	Sample time.Duration // 0: all cells; otherwise as many as there is time for, at least two outings
	Part   int           // of Parts, from 0: a part of all cells; Parts 0 is one part
	Parts  int
}

// MatrixResult is what it ends with: one line of JSON.
type MatrixResult struct {
	Seed       uint64           `json:"seed"`
	Boundaries map[string]int   `json:"boundaries"` // by phase
	Cells      int              `json:"cells"`      // that were to be struck
	Killed     int              `json:"killed"`
	Frozen     int              `json:"frozen"`
	Absent     int              `json:"absent"`   // there was no such process at the boundary
	Missed     int              `json:"missed"`   // the boundary was not seen, at no try
	Repeated   int              `json:"repeated"` // phases that ended by name and were asked for again
	Failures   []string         `json:"failures"`
	Result     `json:"clients"` // what clients saw
}

// Good reports whether every cell ended as it should.
func (r MatrixResult) Good() bool {
	return r.Killed+r.Frozen > 0 && len(r.Failures) == 0 && r.Result.Good()
}

// The phases of maintenance.
const (
	phaseOn     = "on"
	phaseOff    = "off"
	phaseCancel = "cancel"
)

// The ways there and back.
var ways = [][]string{{phaseOn, phaseOff}, {phaseCancel}}

// The node that goes out and comes back, and the node that takes most of it.
const (
	drained = 2
	target  = 3
)

// enoughFailures end a run, and so does one after which the cluster does not come to rest.
const enoughFailures = 10

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
	p, err := m.discover(ctx, w, &result)
	if err != nil {
		return result, fmt.Errorf("%s\nwith nothing struck: %w", w.trace(), err)
	}
	result.Cells = len(p.cells)
	c.say("%d cells: %v", result.Cells, result.Boundaries)
	began := time.Now()
	for len(p.cells) > 0 && (m.Sample == 0 || result.Rounds < 2 || time.Since(began) < m.Sample) {
		r := p.next(m.Sample > 0 && result.Rounds%2 == 1)
		result.Rounds++
		c.say("%d, %d cells left: %v", result.Rounds, len(p.cells), r)
		began := time.Now()
		if err := w.outing(ctx, c, r, &result); err != nil {
			result.Failures = append(result.Failures, fmt.Sprintf("%v: %v", r, err))
			c.say("%s%s\n%v: %v", w.trace(), w.activity(began), r, err)
			if err := errors.Join(w.tidy(ctx), w.converged(ctx)); err != nil || len(result.Failures) == enoughFailures {
				return result, errors.Join(fmt.Errorf("%d cells have failed", len(result.Failures)), err)
			}
		}
		p.settle(r, &result)
	}
	return result, nil
}

// discover runs each phase with nothing struck.
func (m Matrix) discover(ctx context.Context, w *world, result *MatrixResult) (*pool, error) {
	p := newPool(m)
	for _, way := range ways {
		for _, phase := range way {
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
				p.add(phase, i+1, entry)
			}
		}
		if err := w.converged(ctx); err != nil {
			return nil, err
		}
	}
	p.shuffle(m)
	return p, nil
}

// list is several things in one line.
func list[T fmt.Stringer](all []T) string {
	var texts []string
	for _, one := range all {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, "; ")
}
