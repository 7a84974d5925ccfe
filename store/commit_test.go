package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

func database(id int, name string) cluster.Object { return cluster.Database{ID: id, Name: name} }

func put(objects ...cluster.Object) cluster.Change { return cluster.Change{Put: objects} }

func TestCommitIsFenced(t *testing.T) {
	one := newFleet(t).first(t)
	epoch := one.office.epoch(t)
	basis := one.Board()
	next, err := one.Commit(t.Context(), epoch, basis, put(database(1, "a")))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("by the epoch", func(t *testing.T) {
		_, err := one.Commit(t.Context(), epoch-1, next, put(database(1, "b")))
		wantCode(t, err, cluster.CodeStale)
	})
	t.Run("by the basis", func(t *testing.T) {
		_, err := one.Commit(t.Context(), epoch, basis, put(database(1, "b")))
		wantCode(t, err, cluster.CodeStale)
		_, err = one.Commit(t.Context(), epoch, nil, put(database(1, "b")))
		wantCode(t, err, cluster.CodeStale)
	})
	if got := one.Board(); got != next || got.Databases[1].Name != "a" {
		t.Errorf("a refused commit left a trace: %+v", got.Databases)
	}
}

func TestLastWriteToAKeyCounts(t *testing.T) {
	one := newFleet(t).first(t)
	b := one.commit(t, put(database(1, "a"), database(1, "b"), database(2, "c")))
	if b.Databases[1].Name != "b" {
		t.Errorf("database 1 = %+v", b.Databases[1])
	}
	b = one.commit(t, cluster.Change{Put: []cluster.Object{database(2, "d")}, Delete: []cluster.Key{{Kind: cluster.KindDatabase, ID: "2"}}})
	if _, stands := b.Databases[2]; stands {
		t.Error("a database that was deleted in the same change stands")
	}
}

// A database comes and goes in one transaction, however many shards it may have.
func TestLargestDatabaseIsNotTooLarge(t *testing.T) {
	one := newFleet(t).first(t)
	basis := one.commit(t, put(one.Board().Nodes[1], cluster.Node{ID: 2}, cluster.Cluster{ID: "c", Name: "test", NextDatabase: 1, NextShard: 1}))
	const most = 512
	d := cluster.Database{Name: "a", MemorySize: 1 << 40, ShardsCount: most, Replication: true, Persistence: "disabled", Eviction: "noeviction", ProxyPolicy: "single"}
	where := cluster.Placement{Masters: slices.Repeat([]int{1}, most), Replicas: slices.Repeat([]int{2}, most), Endpoint: 1}
	create := cluster.CreateDatabase{Database: d, Placement: where}
	for _, c := range []cluster.Command{create, cluster.DeleteDatabase{Database: 1}} {
		change, err := c.Apply(basis)
		if err != nil {
			t.Fatal(err)
		}
		basis = one.commit(t, change)
	}
	if len(basis.Instances)+len(basis.Ranges)+len(basis.Shards) > 0 {
		t.Errorf("%d instances are left", len(basis.Instances))
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	one := newFleet(t).first(t)
	var c cluster.Change
	for i := range maxOps {
		c.Put = append(c.Put, database(i+1, "x"))
	}
	epoch := one.office.epoch(t)
	_, err := one.Commit(t.Context(), epoch, one.Board(), c)
	wantCode(t, err, cluster.CodeTooLarge)
	_, err = one.Commit(t.Context(), epoch, one.Board(), put(database(1, strings.Repeat("x", 2<<20))))
	wantCode(t, err, cluster.CodeTooLarge)
}

func TestNothingWorksBeforeRun(t *testing.T) {
	f := newFleet(t)
	s, err := Bootstrap(f.config(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if b := s.Board(); b == nil || b.Revision != 0 {
		t.Errorf("board = %v", b)
	}
	_, err = s.Commit(t.Context(), 1, nil, put(database(1, "a")))
	wantCode(t, err, cluster.CodeNoQuorum)
	_, err = s.Log(t.Context(), time.Time{}, time.Time{}, 0, 0, false)
	wantCode(t, err, cluster.CodeNoQuorum)
}

func TestWithoutAQuorum(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	b := hosts[0].commit(t, put(cluster.Cluster{ID: "c", Incarnation: 1}, database(1, "a")))
	_, epoch, _ := hosts[0].Leader()
	hosts[1].reached(t, b.Revision)
	fourth := f.client4(t, 1, 2)
	fourth.reached(t, b.Revision)
	for _, h := range []*host{hosts[1], fourth} {
		eventually(t, "a lease", func() error {
			if !h.Current() {
				return errors.New("it has had none")
			}
			return nil
		})
	}
	fourth.crash()
	hosts[0].crash()
	hosts[2].crash()

	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := hosts[1].Commit(ctx, epoch, b, put(database(2, "b")))
	wantCode(t, err, cluster.CodeNoQuorum)
	fourth = f.client4(t, 1, 2)
	if text(t, fourth.Board()) != text(t, b) || !fourth.Current() || fourth.ServeUntil() != 0 {
		t.Errorf("a client that starts without a quorum shows %s (%v), want what it knew: %s", text(t, fourth.Board()), fourth.Current(), text(t, b))
	}
	fourth.crash()
	hosts[1].crash()

	s, err := Open(f.config(t, 2))
	alone := f.run(t, s, err).ready(t)
	if text(t, alone.Board()) != text(t, b) {
		t.Errorf("a member that starts without a quorum shows %s, want what it knew: %s", text(t, alone.Board()), text(t, b))
	}
	if alone.Status(t.Context()).Quorum {
		t.Error("it claims a quorum")
	}
	if alone.ServeUntil() != 0 {
		t.Error("it believes that it may serve")
	}
	if !alone.Current() {
		t.Error("it does not know that it has lost nothing")
	}
	alone.crash()

	newer, err := openLatest(f.config(t, 2).Dir, slog.New(slog.DiscardHandler))
	if err == nil {
		err = newer.leased(boardAt("c", 1, b.Revision+1))
	}
	if err != nil {
		t.Fatal(err)
	}
	newer.close()
	s, err = Open(f.config(t, 2))
	if f.run(t, s, err).ready(t).Current() {
		t.Error("it believes to know all that was shown there")
	}
}

// Without a quorum a client does not start by what a voter knows if that is older than
// what it was shown.
func TestClientThatKnewMore(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	b := hosts[0].commit(t, put(cluster.Cluster{ID: "c", Incarnation: 1}))
	hosts[1].reached(t, b.Revision)
	hosts[0].crash()
	hosts[2].crash()
	c := f.config(t, 4)
	c.HasMember, c.Endpoints = false, []string{f.clientURL(2)}
	knew, err := openLatest(c.Dir, slog.New(slog.DiscardHandler))
	if err == nil {
		err = knew.leased(boardAt("c", 1, b.Revision+1))
	}
	if err != nil {
		t.Fatal(err)
	}
	knew.close()
	said := make(lines, 1000)
	c.Logger = slog.New(slog.NewTextHandler(said, nil))
	s, err := Open(c)
	fourth := f.run(t, s, err)
	deadline := time.After(20 * time.Second)
	for tried := false; !tried; {
		select {
		case line := <-said:
			tried = strings.Contains(line, "may know less than this host was shown before")
		case <-deadline:
			t.Fatal("it does not say that it has tried")
		}
	}
	select {
	case <-fourth.Ready():
		t.Errorf("it shows %s", text(t, fourth.Board()))
	default:
	}
}

// lines is a log, line by line; what is too much is left out.
type lines chan string

func (l lines) Write(text []byte) (int, error) {
	select {
	case l <- string(text):
	default:
	}
	return len(text), nil
}

// randomChange writes and deletes some objects of several kinds.
func randomChange(r *rand.Rand) cluster.Change {
	var c cluster.Change
	for range 1 + r.IntN(5) {
		id := 1 + r.IntN(8)
		objects := []cluster.Object{
			cluster.Database{ID: id, Name: fmt.Sprint(r.IntN(100))},
			cluster.Secrets{Database: id, Agent: fmt.Sprint(r.IntN(100))},
			cluster.SlotRange{ID: cluster.RangeID{Database: id, Index: r.IntN(2)}, Generation: r.Int64()},
			cluster.Snapshot{ID: cluster.SnapshotID{Node: id, Name: "s:1"}, Created: time.Unix(r.Int64N(1<<30), 0).UTC()},
			cluster.Token{ID: fmt.Sprint("t", id), Hash: fmt.Sprint(r.IntN(100))},
		}
		o := objects[r.IntN(len(objects))]
		if r.IntN(3) == 0 {
			c.Delete = append(c.Delete, o.Key())
		} else {
			c.Put = append(c.Put, o)
		}
	}
	return c
}

func TestAllMirrorsAgree(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	client := f.client4(t, 1, 2, 3)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	random := func(n int) (b *cluster.Board) {
		for range n {
			expected := hosts[0].Board()
			c := randomChange(r)
			b = hosts[0].commit(t, c)
			if got, want := text(t, b), text(t, expected.With(b.Revision, c)); got != want {
				t.Fatalf("after %+v the board is\n%s\nwant\n%s", c, got, want)
			}
		}
		return b
	}
	agree := func(b *cluster.Board, others ...*host) {
		t.Helper()
		for _, h := range others {
			if got, want := text(t, h.reached(t, b.Revision)), text(t, b); got != want {
				t.Fatalf("node %d sees\n%s\nwant\n%s", h.cfg.NodeID, got, want)
			}
		}
	}
	agree(random(60), hosts[1], hosts[2], client)

	away := newMirror(hosts[1].codec, logger(t, 9))
	l, err := hosts[1].connected()
	if err != nil {
		t.Fatal(err)
	}
	follow := func(until int64) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- away.run(ctx, l) }()
		if _, err := away.await(t.Context(), until); err != nil {
			t.Error(err)
		}
		cancel()
		<-done
	}
	follow(hosts[1].Board().Revision)
	b := random(60)
	agree(b, hosts[1])
	if _, err := l.client().Compact(t.Context(), b.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	follow(b.Revision)
	if got, want := text(t, away.state().board), text(t, b); got != want {
		t.Errorf("after a compaction a mirror that was away sees\n%s\nwant\n%s", got, want)
	}
}

// client4 is node 4, which has no member and knows the endpoints of the nodes.
func (f *fleet) client4(t *testing.T, nodes ...int) *host {
	t.Helper()
	c := f.config(t, 4)
	c.HasMember = false
	for _, n := range nodes {
		c.Endpoints = append(c.Endpoints, f.clientURL(n))
	}
	s, err := Open(c)
	return f.run(t, s, err).ready(t)
}
