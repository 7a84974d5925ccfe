package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestLeadingTwiceIsTwoEpochs(t *testing.T) {
	one := newFleet(t).first(t)
	first := one.office.epoch(t)
	basis := one.Board()
	one.office.resign <- struct{}{}
	second := one.office.epoch(t)
	if second <= first {
		t.Fatalf("epochs %d, then %d", first, second)
	}
	_, err := one.Commit(t.Context(), first, basis, put(database(1, "late")))
	wantCode(t, err, cluster.CodeStale)
	if err := one.TrimLog(t.Context(), second); err != nil {
		t.Error(err)
	}
	if _, err := one.Commit(t.Context(), second, basis, put(database(1, "in time"))); err != nil {
		t.Error(err)
	}
	if node, epoch, ok := one.Leader(); node != 1 || epoch != second || !ok {
		t.Errorf("leader = %d, %d, %v", node, epoch, ok)
	}
}

// moved waits until the host leads and everybody of the others says so.
func moved(t *testing.T, to *host, others ...*host) int64 {
	t.Helper()
	epoch := to.office.epoch(t)
	for _, h := range append(others, to) {
		eventually(t, fmt.Sprintf("node %d knows the cluster master", h.cfg.NodeID), func() error {
			if node, e, ok := h.Leader(); node != to.cfg.NodeID || e != epoch || !ok {
				return fmt.Errorf("it says %d, %d, %v", node, e, ok)
			}
			return nil
		})
	}
	return epoch
}

func TestLeadershipMovesOnRequest(t *testing.T) {
	hosts := newFleet(t).three(t)
	old := hosts[0].office.epoch(t)
	lead(t, hosts[1])
	wantCode(t, hosts[1].TransferLeadership(t.Context(), 3), cluster.CodeNoLeader)
	wantCode(t, hosts[0].TransferLeadership(t.Context(), 9), cluster.CodeNodeNotFound)
	if err := hosts[0].TransferLeadership(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	epoch := moved(t, hosts[1], hosts[0], hosts[2])
	if epoch <= old {
		t.Errorf("the new epoch %d is not above %d", epoch, old)
	}
	_, err := hosts[0].Commit(t.Context(), old, hosts[0].Board(), put(database(1, "late")))
	wantCode(t, err, cluster.CodeStale)
	hosts[0].commit(t, put(database(1, "any node can carry the epoch")))
}

// Two nodes that go out of service would hand the office to each other again and again.
func TestLeadershipGoesToANodeThatStays(t *testing.T) {
	hosts := newFleet(t).three(t)
	hosts[0].office.epoch(t)
	lead(t, hosts[1])
	lead(t, hosts[2])
	leaves := hosts[0].Board().Nodes[2]
	leaves.Maintenance = &cluster.Maintenance{}
	b := hosts[0].commit(t, put(leaves))
	hosts[2].reached(t, b.Revision)
	eventually(t, "all nodes count as alive", func() error {
		if alive := hosts[0].Alive(); len(alive) != 3 {
			return fmt.Errorf("alive: %v", alive)
		}
		return nil
	})
	if err := hosts[0].TransferLeadership(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	moved(t, hosts[2], hosts[0], hosts[1])
}

func TestAnotherLeadsWhenTheLeaderStops(t *testing.T) {
	hosts := newFleet(t).three(t)
	lead(t, hosts[1])
	lead(t, hosts[2])
	b := hosts[0].commit(t, put(database(1, "a")))
	for _, h := range hosts[1:] {
		h.reached(t, b.Revision)
	}
	hosts[0].crash()
	next := hosts[1]
	select {
	case e := <-hosts[1].office.epochs:
		hosts[1].office.epochs <- e
	case e := <-hosts[2].office.epochs:
		hosts[2].office.epochs <- e
		next = hosts[2]
	}
	moved(t, next)
	if got := next.commit(t, put(database(2, "b"))); got.Databases[1].Name != "a" {
		t.Errorf("the new leader's board lacks what was committed: %+v", got.Databases)
	}
}

func TestLeadEndsWithItsContextAndWithRun(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	<-one.office.epochs
	ended := make(chan error, 1)
	go func() {
		ended <- one.Lead(context.Background(), func(ctx context.Context, _ int64) error {
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	one.stop()
	if err := <-ended; err != nil {
		t.Errorf("Lead = %v", err)
	}
}

func TestATermEndsWhenTheRecordIsTaken(t *testing.T) {
	one := newFleet(t).first(t)
	first := one.office.epoch(t)
	l, err := one.connected()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.client().Delete(t.Context(), leaderKey); err != nil {
		t.Fatal(err)
	}
	if second := one.office.epoch(t); second <= first {
		t.Errorf("epochs %d, then %d", first, second)
	}
}

func TestFailingTermsAreNotRepeatedAtOnce(t *testing.T) {
	f := newFleet(t)
	s, err := Bootstrap(f.config(t, 1))
	h := f.run(t, s, err).ready(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	terms := 0
	h.Lead(ctx, func(context.Context, int64) error {
		if terms++; terms == 3 {
			cancel()
		}
		return errors.New("the controller is broken")
	})
	if terms != 3 {
		t.Errorf("%d terms", terms)
	}
}
