package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/haulout/haulout/cluster"
)

func TestLearnerFollowsAndGoesOnAsVoter(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	two, id := f.join(t, one, 2)
	if s := two.Status(t.Context()); !s.Learner || !s.Quorum || s.Member != id {
		t.Errorf("status of the learner: %+v", s)
	}
	two.reached(t, one.commit(t, put(database(1, "before"))).Revision)
	one.seesAlive(t, 2, true)
	two.serves(t)
	for range 2 { // the second time it votes already
		if err := one.Promote(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	got := two.reached(t, one.commit(t, put(database(2, "after"))).Revision)
	if got.Databases[1].Name != "before" || got.Databases[2].Name != "after" {
		t.Errorf("board of the new voter: %+v", got.Databases)
	}
	if two.Status(t.Context()).Learner {
		t.Error("it still says that it is a learner")
	}
}

func TestClientFollowsWhenItsVoterGoes(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	client := f.client4(t, 3, 2)
	hosts[2].crash()
	client.reached(t, hosts[0].commit(t, put(database(1, "a"))).Revision)
	client.serves(t)
	if s := client.Status(t.Context()); !s.Quorum || s.Member != 0 || s.RaftLead != 1 {
		t.Errorf("status of the client: %+v", s)
	}
	if _, _, err := client.AddLearner(t.Context(), "x", "https://127.0.0.9:1", false); err == nil {
		t.Error("a client changed the membership")
	}
}

func TestHalfDoneJoinIsTakenUp(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	first, _, err := one.AddLearner(t.Context(), "member-2", f.peerURL(2), false)
	if err != nil {
		t.Fatal(err)
	}
	// The node died before it started; the next attempt has another name.
	second, initial, err := one.AddLearner(t.Context(), "member-2", f.peerURL(2), false)
	if err != nil || second != first {
		t.Fatalf("second attempt: member %x, %v; want %x", second, err, first)
	}
	s, err := Join(f.config(t, 2), initial, "token")
	two := f.run(t, s, err).ready(t)
	eventually(t, "the member has a name", func() error {
		for _, m := range membersOf(t, one) {
			if m.Name == "" {
				return errors.New("it has none")
			}
		}
		return nil
	})
	_, _, err = one.AddLearner(t.Context(), "member-2b", f.peerURL(2), false)
	wantCode(t, err, cluster.CodeJoinRefused)
	two.crash()
	third, _, err := one.AddLearner(t.Context(), "member-2b", f.peerURL(2), true)
	if err != nil || third == first {
		t.Errorf("replaced by member %x, %v", third, err)
	}
}

// Who waited in vain is told for what, also if an attempt was under way at the end.
func TestReasonForWaitingIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := retry(ctx, []error{rpctypes.ErrTooManyLearners}, func() error {
		if tries++; tries == 1 {
			return rpctypes.ErrTooManyLearners
		}
		cancel()
		return context.DeadlineExceeded
	})
	if !errors.Is(err, rpctypes.ErrTooManyLearners) {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestThirdLearnerHasToWait(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	for node := 2; node <= 3; node++ {
		if _, _, err := one.AddLearner(t.Context(), fmt.Sprint("member-", node), f.peerURL(node), false); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := one.AddLearner(t.Context(), "member-4", f.peerURL(4), false)
	wantCode(t, err, cluster.CodeJoinRefused)
}

func TestRemovedMemberSaysSo(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	two, id := f.join(t, one, 2)
	if err := one.RemoveMember(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := two.ended(t); !errors.Is(err, ErrRemoved) {
		t.Errorf("Run of the removed member = %v", err)
	}
	if err := one.RemoveMember(t.Context(), id); err != nil {
		t.Errorf("removing it again: %v", err)
	}

	s, err := Open(f.config(t, 2))
	if err := f.run(t, s, err).ended(t); !errors.Is(err, ErrRemoved) {
		t.Errorf("Run of the removed member's data = %v", err)
	}
	c := f.config(t, 2)
	aside, err := SetAside(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(aside, "etcd", "member")); err != nil {
		t.Error(err)
	}
	again, _ := f.join(t, one, 2)
	again.reached(t, one.Board().Revision)
}

// A node without a member is off the board: its daemon learns it at once, and
// when it is started again.
func TestRemovedClientSaysSo(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	one.commit(t, put(cluster.Cluster{ID: "c", NextNode: 5}, f.node(4, 0, cluster.Client)))
	client := f.client4(t, 1)
	one.commit(t, cluster.Change{Delete: []cluster.Key{f.node(4, 0, cluster.Client).Key()}})
	if err := client.ended(t); !errors.Is(err, ErrRemoved) {
		t.Errorf("Run of the removed client = %v", err)
	}
	c := f.config(t, 4)
	c.HasMember, c.Endpoints = false, []string{f.clientURL(1)}
	s, err := Open(c)
	if err := f.run(t, s, err).ended(t); !errors.Is(err, ErrRemoved) {
		t.Errorf("Run of the removed client, started again = %v", err)
	}
}

// A node that joined after the state was saved from which the cluster was recovered was
// not removed, and is not told that its data is of no use.
func TestClientThatTheRecoveredClusterDoesNotKnowSaysSo(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	one.commit(t, put(cluster.Cluster{ID: "c", NextNode: 5}, f.node(4, 0, cluster.Client)))
	client := f.client4(t, 1)
	one.commit(t, cluster.Change{
		Put:    []cluster.Object{cluster.Cluster{ID: "c", Incarnation: 2, NextNode: 14, SkippedNodes: 4, ResumedNodes: 14}},
		Delete: []cluster.Key{f.node(4, 0, cluster.Client).Key()},
	})
	err := client.ended(t)
	wantCode(t, err, cluster.CodeForeignData)
	if errors.Is(err, ErrRemoved) {
		t.Error("it was removed")
	}
}

func TestQuorumIsNotRemovedByMistake(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	var ids []uint64
	for _, h := range hosts {
		ids = append(ids, h.Status(t.Context()).Member)
	}
	hosts[2].crash()
	ctx := t.Context()
	if err := hosts[0].RemoveMember(ctx, ids[2]); err != nil {
		t.Fatalf("a dead member can't be removed: %v", err)
	}
	hosts[0].commit(t, put(database(1, "a")))
}

// A node that joins may ask a member which has not heard of it yet.
func TestJoinBeforeItIsKnown(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	c := f.config(t, 2)
	refused := make(chan struct{})
	c.Logger = slog.New(&listening{Handler: c.Logger.Handler(), text: "bootstrap failed", heard: sync.OnceFunc(func() { close(refused) })})
	s, err := Join(c, "member-1="+f.peerURL(1)+",member-2="+f.peerURL(2), "token")
	two := f.run(t, s, err)
	select {
	case <-refused:
	case <-time.After(20 * time.Second):
		t.Fatal("the member that is not known was not refused")
	}
	if _, _, err := one.AddLearner(t.Context(), "member-2", f.peerURL(2), false); err != nil {
		t.Fatal(err)
	}
	two.ready(t)
}

// listening is a handler of log lines that waits for one.
type listening struct {
	slog.Handler
	text  string
	heard func()
}

func (l *listening) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == l.text {
		l.heard()
	}
	return l.Handler.Handle(ctx, r)
}

func (l *listening) WithAttrs(a []slog.Attr) slog.Handler {
	return &listening{l.Handler.WithAttrs(a), l.text, l.heard}
}
