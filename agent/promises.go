package agent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
)

// PathPromise is where a host without a lease asks another one: Ask -> Answer.
const PathPromise = "/promise"

const (
	// promiseFor is how long a promise binds who gives it, from when it is given;
	// aloneFor how long who gets it may serve, from when it asked. What is between is
	// for clock rates, scheduling, and carrying out the fence, as with leases.
	promiseFor = aloneFor + 1500*time.Millisecond
	aloneFor   = 2 * time.Second
)

// Ask asks a host to make none of its copies of these ranges master, as long as
// they stand on its board as they do on the asker's.
type Ask struct {
	Stands map[cluster.RangeID]string `json:"stands"`
}

// Answer says which ranges are promised, and why the others are not.
type Answer struct {
	Promised []cluster.RangeID          `json:"promised"`
	Refused  map[cluster.RangeID]string `json:"refused,omitempty"`
}

// Promises are what a host has promised to hosts that serve without a lease: that
// it makes none of its copies of a range master for a while, but for the master
// that the asker has in mind. They are in memory only: a new one is bound for as long
// as any promise of the one before it. Times are of the boot-time clock, in
// nanoseconds. Safe for concurrent use.
type Promises struct {
	mu    sync.Mutex
	free  int64 // what was promised before has ended then
	given map[agreed]promise
}

// agreed is what a promise was asked for. One for a range as it stands now does not
// replace one for the range as it stood before.
type agreed struct {
	of    cluster.RangeID
	stand string
}

type promise struct {
	until  int64
	master cluster.InstanceID
}

// NewPromises returns those of a daemon that starts now.
func NewPromises(now int64) *Promises {
	return &Promises{free: now + promiseFor.Nanoseconds(), given: map[agreed]promise{}}
}

// Give makes a promise, or says why not. The board is read while nobody looks
// whether there is a promise: one who does so after reading a board with a
// hand-over either sees the promise, or it is not made.
func (p *Promises) Give(board func() *cluster.Board, r cluster.RangeID, stand string, now int64) (refusal string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := board()
	own, known := b.Ranges[r]
	switch {
	case !known:
		return "its board does not have them"
	case b.MayServeAlone(own) != nil:
		return "its board does not allow it: " + b.MayServeAlone(own).Message
	case Stand(b, r) != stand:
		return "its board shows them differently"
	}
	p.given[agreed{r, stand}] = promise{now + promiseFor.Nanoseconds(), own.Master}
	return ""
}

// Forbids reports whether the instance must not become master of the range now.
func (p *Promises) Forbids(r cluster.RangeID, id cluster.InstanceID, now int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a, g := range p.given {
		if a.of == r && now < g.until && id != g.master {
			return true
		}
	}
	return now < p.free
}

// Bound reports whether anything promised still holds that was promised on another
// board than this, as far as its range is concerned.
func (p *Promises) Bound(b *cluster.Board, now int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.given, func(_ agreed, g promise) bool { return now >= g.until })
	for a := range p.given {
		if Stand(b, a.of) != a.stand {
			return true
		}
	}
	return now < p.free
}

// Stand sums up all of a range on which hosts have to agree before one of them
// serves it without a lease: which life of the cluster it is of, who is master, all
// its copies, and how clients are let in.
func Stand(b *cluster.Board, id cluster.RangeID) string {
	type copyOf struct {
		ID      cluster.InstanceID
		Address string
		Node    int
		Port    int
	}
	r := b.Ranges[id]
	all := struct {
		Cluster     string
		Incarnation int64
		First, Last int
		Master      cluster.InstanceID
		Generation  int64
		Copies      []copyOf
		Database    cluster.Database
		Secrets     cluster.Secrets
	}{
		Cluster: b.Cluster.ID, Incarnation: b.Cluster.Incarnation, First: r.First, Last: r.Last, Master: r.Master,
		Generation: r.Generation, Database: b.Databases[id.Database], Secrets: b.Secrets[id.Database],
	}
	for _, i := range b.Instances {
		if i.Range == id {
			all.Copies = append(all.Copies, copyOf{i.ID, b.Nodes[i.Node].Address, i.Node, i.Port})
		}
	}
	slices.SortFunc(all.Copies, func(x, y copyOf) int {
		return cmp.Or(cmp.Compare(x.ID.Shard, y.ID.Shard), cmp.Compare(x.ID.Incarnation, y.ID.Incarnation))
	})
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // numbers and strings
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Promise answers a host that wants to go on serving without a lease. A daemon whose
// board may be older than what its host once carried out promises nothing.
func (a *Agent) Promise(from int, ask Ask) Answer {
	answer := Answer{Promised: []cluster.RangeID{}, Refused: map[cluster.RangeID]string{}}
	for r, stand := range ask.Stands {
		why := ""
		if _, known := a.cfg.Board.Board().Nodes[from]; !known {
			why = "its board does not know who asks"
		} else if !a.cfg.Board.Current() {
			why = "its daemon was started without a quorum, and may know less than the one before"
		} else {
			why = a.promises.Give(a.cfg.Board.Board, r, stand, bootTime())
		}
		if why == "" {
			answer.Promised = append(answer.Promised, r)
		} else {
			answer.Refused[r] = why
		}
	}
	return answer
}
