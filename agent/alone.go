package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/proxy"
)

// The times of serving without a lease.
const (
	aloneEvery = 500 * time.Millisecond
	// aloneBefore is how long before its lease ends a host begins to ask: a renewal or
	// two may fail, and an election may take its time.
	aloneBefore = 3 * time.Second
	aloneAnswer = 700 * time.Millisecond
	// firstLease is how long a daemon that starts waits for a lease before it asks
	// others, and longLease before it says that it serves nothing as it may not ask.
	firstLease = 2 * time.Second
	longLease  = 10 * time.Second
)

// alone is what this host serves without a lease. It belongs to its loop, but for
// what others are shown.
type alone struct {
	rights map[cluster.RangeID]proxy.Extension

	mu     sync.Mutex
	shown  map[cluster.RangeID]shownAlone
	counts cluster.AloneCounts
}

type shownAlone struct {
	until int64 // of the boot-time clock; 0: it is not served
	why   *cluster.Error
}

// serveAlone keeps the proxy serving what is safe to serve while this host has no
// lease: what everybody who has a copy has promised not to take over.
func (a *Agent) serveAlone(ctx context.Context) error {
	began := bootTime()
	tick := time.NewTicker(aloneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		until := a.cfg.Board.ServeUntil()
		switch {
		case until-bootTime() > aloneBefore.Nanoseconds():
			a.endAlone(ctx)
		case !a.cfg.Board.Current() && bootTime()-began < longLease.Nanoseconds():
		case until == 0 && bootTime()-began < firstLease.Nanoseconds():
		case !a.cfg.Board.Current():
			a.show(startedAlone(a.cfg.Board.Board(), a.cfg.Node))
		case a.routesApplied() < a.cfg.Board.Board().Revision:
			// The proxy does not know the board yet: what it has ends by itself.
		default:
			a.askAll(ctx)
		}
	}
}

// endAlone takes back what the lease covers again.
func (a *Agent) endAlone(ctx context.Context) {
	if a.alone.rights == nil {
		a.show(nil)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, aloneEvery)
	defer cancel()
	if a.cfg.Proxy.Extend(ctx, nil) == nil {
		a.alone.rights = nil
		a.show(nil)
		a.cfg.Logger.Info("this host has its lease again and serves by it")
	}
}

// askAll asks once for everything that this host's endpoints serve.
func (a *Agent) askAll(ctx context.Context) {
	board, sent := a.cfg.Board.Board(), bootTime()
	claims := Claims(board, a.cfg.Node)
	if a.alone.rights == nil {
		a.alone.rights = map[cluster.RangeID]proxy.Extension{}
		a.countAlone(cluster.AloneCounts{Times: 1})
		a.cfg.Logger.Warn("this host's lease is not renewed: others are asked what it may serve without one", "ranges", len(claims.Stands))
	}
	refused := a.collect(ctx, claims)
	a.countAlone(cluster.AloneCounts{Served: int64(len(claims.Stands) - len(refused)), Refused: int64(len(refused) + len(claims.Barred))})
	shown := map[cluster.RangeID]shownAlone{}
	for r, why := range claims.Barred {
		delete(a.alone.rights, r)
		shown[r] = shownAlone{why: why}
	}
	for r := range claims.Stands {
		why, denied := refused[r]
		if !denied {
			a.alone.rights[r] = proxy.Extension{Range: r, Generation: board.Ranges[r].Generation, Until: sent + aloneFor.Nanoseconds()}
		} else if why.final {
			delete(a.alone.rights, r)
		}
		shown[r] = shownAlone{until: a.alone.rights[r].Until, why: why.error(board, r)}
	}
	maps.DeleteFunc(a.alone.rights, func(r cluster.RangeID, e proxy.Extension) bool { _, asked := claims.Stands[r]; return !asked })
	extendCtx, cancel := context.WithTimeout(ctx, aloneEvery)
	defer cancel()
	if err := a.cfg.Proxy.Extend(extendCtx, slices.Collect(maps.Values(a.alone.rights))); err != nil {
		a.cfg.Logger.Warn("the proxy was not told what it may serve without a lease", "error", err)
		return
	}
	a.show(shown)
}

// startedAlone says why a daemon serves nothing that was started without a quorum: its
// board may be old.
func startedAlone(b *cluster.Board, node int) map[cluster.RangeID]shownAlone {
	shown := map[cluster.RangeID]shownAlone{}
	claims := Claims(b, node)
	for r, why := range claims.Barred {
		shown[r] = shownAlone{why: why}
	}
	for r := range claims.Stands {
		d := b.Databases[r.Database]
		shown[r] = shownAlone{why: cluster.Refuse(cluster.CodeServingStopped, "bring the quorum back",
			"db:%d (%s) is not served: the daemon was started without a quorum, and may know less than the one before it", d.ID, d.Name)}
	}
	return shown
}

// Claimed is what a host would serve without a lease: the ranges, as they stand on
// its board, with the nodes to ask, and those that it must not serve whatever they say.
type Claimed struct {
	Stands map[cluster.RangeID]string
	Hosts  map[cluster.RangeID][]int
	Barred map[cluster.RangeID]*cluster.Error
}

// Claims is what the board lets the endpoints of the node serve without a lease.
func Claims(b *cluster.Board, node int) Claimed {
	c := Claimed{Stands: map[cluster.RangeID]string{}, Hosts: map[cluster.RangeID][]int{}, Barred: map[cluster.RangeID]*cluster.Error{}}
	for _, e := range b.Endpoints {
		if !e.ServedBy(node) {
			continue
		}
		for _, r := range b.RangesOf(e.ID.Database) {
			if why := b.MayServeAlone(r); why != nil {
				c.Barred[r.ID] = why
				continue
			}
			c.Stands[r.ID], c.Hosts[r.ID] = Stand(b, r.ID), b.HostsOf(r.ID)
		}
	}
	return c
}

// refusal is why a range is not promised. One that is not final may be a lost
// packet: what was promised before it holds until its end.
type refusal struct {
	node  int
	text  string
	final bool
}

func (r refusal) error(b *cluster.Board, id cluster.RangeID) *cluster.Error {
	if r.node == 0 {
		return nil
	}
	d := b.Databases[id.Database]
	return cluster.Refuse(cluster.CodeServingStopped, fmt.Sprintf("start the daemon of node:%d or mend the network, until the quorum is back; if the host is lost for good: haulout cluster recover dry_run", r.node),
		"slots %s of db:%d (%s) are not served without a quorum: node:%d has a copy and does not promise to leave it one: %s",
		b.Ranges[id].SlotsText(), d.ID, d.Name, r.node, r.text)
}

// collect asks all the hosts at once, this one included, and returns the ranges
// that somebody did not promise.
func (a *Agent) collect(ctx context.Context, c Claimed) map[cluster.RangeID]refusal {
	asks := map[int]Ask{}
	for r, nodes := range c.Hosts {
		for _, node := range nodes {
			if asks[node].Stands == nil {
				asks[node] = Ask{map[cluster.RangeID]string{}}
			}
			asks[node].Stands[r] = c.Stands[r]
		}
	}
	refused := map[cluster.RangeID]refusal{}
	var mu sync.Mutex // guards refused
	var wait sync.WaitGroup
	for node, ask := range asks {
		wait.Go(func() {
			answer, err := a.ask(ctx, node, ask)
			mu.Lock()
			defer mu.Unlock()
			for r := range ask.Stands {
				why, said := answer.Refused[r]
				switch {
				case err != nil:
					refused[r] = refusal{node, "it does not answer", false}
				case !slices.Contains(answer.Promised, r):
					refused[r] = refusal{node, why, said}
				}
			}
		})
	}
	wait.Wait()
	return refused
}

func (a *Agent) ask(ctx context.Context, node int, ask Ask) (answer Answer, err error) {
	if node == a.cfg.Node {
		return a.Promise(node, ask), nil
	}
	ctx, cancel := context.WithTimeout(ctx, aloneAnswer)
	defer cancel()
	err = a.cfg.Peers.Call(ctx, node, PathPromise, ask, &answer)
	return answer, err
}

func (a *Agent) show(shown map[cluster.RangeID]shownAlone) {
	a.alone.mu.Lock()
	defer a.alone.mu.Unlock()
	a.alone.shown = shown
}

func (a *Agent) countAlone(more cluster.AloneCounts) {
	a.alone.mu.Lock()
	defer a.alone.mu.Unlock()
	c := &a.alone.counts
	c.Times, c.Served, c.Refused = c.Times+more.Times, c.Served+more.Served, c.Refused+more.Refused
}

func (a *Agent) aloneCounts() cluster.AloneCounts {
	a.alone.mu.Lock()
	defer a.alone.mu.Unlock()
	return a.alone.counts
}

// Alone returns what this host's endpoints serve, and do not serve, without a lease;
// nil while it has one.
func (a *Agent) Alone() map[cluster.RangeID]cluster.Alone {
	a.alone.mu.Lock()
	defer a.alone.mu.Unlock()
	var list map[cluster.RangeID]cluster.Alone
	now, wall := bootTime(), time.Now().UTC().Round(0)
	for r, s := range a.alone.shown {
		if list == nil {
			list = map[cluster.RangeID]cluster.Alone{}
		}
		if s.until > now {
			list[r] = cluster.Alone{Until: wall.Add(time.Duration(s.until - now)).Truncate(time.Millisecond)}
		} else {
			list[r] = cluster.Alone{Why: s.why}
		}
	}
	return list
}
