package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// cell is one boundary, one victim and what is done to it.
type cell struct {
	phase    string
	boundary int           // it strikes when the phase has left so many entries
	entry    string        // the last of them in the run in which nothing was struck
	after    time.Duration // from then on: in the midst of what follows
	victim   *victim
	freeze   bool // stopped for longer than a lease, instead of killed
	tries    int
	fate     fate
}

// fate is what became of a cell.
type fate string

const (
	missed fate = ""       // the boundary was not seen
	absent fate = "absent" // there was no such process
	struck fate = "struck"
)

func (c *cell) String() string {
	how := "killed"
	if c.freeze {
		how = "frozen"
	}
	return fmt.Sprintf("%s: %s %s %v after entry %d (%s)", c.phase, c.victim.name, how, c.after, c.boundary, c.entry)
}

// steady reports whether the action has to end as if nothing had happened. Who is
// stopped for longer than a lease is believed gone, and an engine that is not there
// is a reason to refuse.
func (c *cell) steady() bool { return c.victim.role == "" && (!c.freeze || c.victim.kind == proxy) }

// felt is what clients may feel.
func (c *cell) felt() class {
	switch {
	case c.victim.role != "master":
		return planned
	case c.freeze:
		return frozen
	}
	return crashed
}

// outing is a way there and back and what strikes meanwhile, in its order.
type outing struct {
	phases []string
	cells  []*cell
}

func (r outing) String() string { return list(r.cells) }

func (r outing) in(phase string) (cells []*cell) {
	for _, c := range r.cells {
		if c.phase == phase {
			cells = append(cells, c)
		}
	}
	return cells
}

// felt is the worst that clients may feel.
func (r outing) felt() class {
	worst := planned
	for _, c := range r.cells {
		if f := c.felt(); f == crashed || f == frozen && worst == planned {
			worst = f
		}
	}
	return worst
}

func (r outing) steady() bool {
	return !slices.ContainsFunc(r.cells, func(c *cell) bool { return !c.steady() })
}

// Sizes of an outing, and how often a cell is tried.
const (
	cellsEach = 3 // in a phase
	apart     = 3 // boundaries between two of them
	tries     = 3
	moment    = 400 * time.Millisecond
)

// pool is the cells that are left.
type pool struct {
	dice  *rand.Rand
	cells []*cell
}

func newPool(m Matrix) *pool { return &pool{dice: rand.New(rand.NewPCG(m.Seed, 0))} }

func (p *pool) add(phase string, boundary int, entry string) {
	for i := range victims {
		for _, freeze := range []bool{false, true} {
			after := max(0, time.Duration(p.dice.Int64N(2*int64(moment)))-moment).Round(time.Millisecond) // half of them at once
			p.cells = append(p.cells, &cell{phase: phase, boundary: boundary, entry: entry, after: after, victim: &victims[i], freeze: freeze})
		}
	}
}

// shuffle puts the cells into the seed's order and keeps those of the part.
func (p *pool) shuffle(m Matrix) {
	p.dice.Shuffle(len(p.cells), func(i, j int) { p.cells[i], p.cells[j] = p.cells[j], p.cells[i] })
	var kept []*cell
	for i, c := range p.cells {
		if m.Parts == 0 || i%m.Parts == m.Part {
			kept = append(kept, c)
		}
	}
	p.cells = kept
}

// next draws an outing: those that leave everything as it was come first, because
// what others leave may be fewer boundaries; unless it is to be one of the others.
func (p *pool) next(unsteady bool) outing {
	at := slices.IndexFunc(p.cells, func(c *cell) bool { return c.steady() != unsteady })
	first := p.cells[max(at, 0)]
	var r outing
	for _, way := range ways {
		if slices.Contains(way, first.phase) {
			r.phases = way
		}
	}
	for _, c := range append([]*cell{first}, p.cells...) {
		if slices.Contains(r.phases, c.phase) && c.steady() == first.steady() && r.bears(c) {
			r.cells = append(r.cells, c)
		}
	}
	slices.SortStableFunc(r.cells, func(a, b *cell) int {
		return 1000*strings.Compare(b.phase, a.phase) + a.boundary - b.boundary // on before off
	})
	return r
}

// bears reports whether the cell fits to the others of its phase: only one daemon is
// struck in each, because somebody has to give the orders, and a cell that was missed
// before comes first.
func (r outing) bears(c *cell) bool {
	others := r.in(c.phase)
	return len(others) < cellsEach && !slices.ContainsFunc(others, func(o *cell) bool {
		near := max(o.boundary-c.boundary, c.boundary-o.boundary) < apart
		late := c.tries > 0 && o.boundary < c.boundary || o.tries > 0 && c.boundary < o.boundary
		return o == c || near || late || o.victim.kind == daemon && c.victim.kind == daemon
	})
}

// settle takes the cells out of the pool whose fate is known, and those that were
// missed too often.
func (p *pool) settle(r outing, result *MatrixResult) {
	p.cells = slices.DeleteFunc(p.cells, func(c *cell) bool {
		if !slices.Contains(r.cells, c) {
			return false
		}
		c.tries++
		switch {
		case c.fate == struck && c.freeze:
			result.Frozen++
		case c.fate == struck:
			result.Killed++
		case c.fate == absent:
			result.Absent++
		case c.tries < tries:
			return false
		default:
			result.Missed++
		}
		return true
	})
}
