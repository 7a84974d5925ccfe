package daemon

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/store"
)

// survivor is a host whose quorum is gone.
type survivor struct {
	*Daemon
	member    store.Config
	ca, caKey string
	old       string // a state that was saved long ago: of the first life, with this node alone
}

// newSurvivor was in the cluster's third life, with a second node, when the quorum ended.
func newSurvivor(t *testing.T) *survivor {
	t.Helper()
	f, err := openFolder(Config{Data: filepath.Join(t.TempDir(), "data"), Address: "127.0.0.1", PeerPort: freePort(t), EtcdPeerPort: freePort(t), EtcdClientPort: freePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	d := &Daemon{cfg: f.cfg, log: slog.New(slog.NewTextHandler(t.Output(), nil)), folder: f, enter: make(chan *rooms, 1)}
	d.boot.State = api.BootstrapCompleted
	d.id = identity{Version: identityVersion, Identity: "one", Address: "127.0.0.1", ClusterID: "c", Cluster: "test", Node: 1, Member: "one"}
	s := &survivor{Daemon: d}
	if s.ca, s.caKey, err = peer.NewAuthority("test"); err != nil {
		t.Fatal(err)
	}
	own, err := d.certify(s.ca, s.caKey, 1)
	if err != nil {
		t.Fatal(err)
	}
	key := randomBytes(32)
	if err := firstOf(own.Save(d.cfg.tls()), f.keepSealingKey(key), f.remember(d.id)); err != nil {
		t.Fatal(err)
	}
	s.member = d.storeConfig(d.id, 1, key)
	s.member.UnsafeForTests = true
	s.live(t)
	return s
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// live goes through the lives of the cluster and ends its quorum.
func (s *survivor) live(t *testing.T) {
	t.Helper()
	st, err := store.Bootstrap(s.member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- st.Run(ctx) }()
	led, done := context.WithCancel(ctx)
	err = st.Lead(led, func(ctx context.Context, epoch int64) error {
		defer done()
		board, err := st.Commit(ctx, epoch, nil, cluster.Change{Put: []cluster.Object{
			cluster.Cluster{ID: "c", Name: "test", Incarnation: 1}, cluster.Authority{CertificatePEM: s.ca, KeyPEM: s.caKey},
			cluster.Node{ID: 1, Address: "127.0.0.1", Membership: cluster.Voter},
		}})
		if err != nil {
			t.Error(err)
			return err
		}
		saved, err := st.Save(s.cfg.backups(), time.Now())
		if err != nil {
			t.Error(err)
			return err
		}
		s.old = saved.Path
		_, err = st.Commit(ctx, epoch, board, cluster.Change{Put: []cluster.Object{
			cluster.Cluster{ID: "c", Name: "test", Incarnation: 3, NextNode: 3}, cluster.Node{ID: 2, Identity: "two", Address: "127.0.0.2", Membership: cluster.Voter},
		}})
		if err != nil {
			t.Error(err)
		}
		return err
	})
	cancel()
	if ran := <-ended; err != nil || ran != nil || t.Failed() {
		t.Fatal(err, ran)
	}
	s.rooms = &rooms{node: 1, cfg: s.cfg, log: s.log, store: st, ended: make(chan struct{})}
	s.rooms.stopped, s.rooms.stop = context.WithCancelCause(context.Background())
	close(s.rooms.ended)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// neighbour is another host's daemon that says this of its life.
func (s *survivor) neighbour(t *testing.T, address string, says life) {
	t.Helper()
	other := &Daemon{cfg: Config{Address: address}}
	own, err := other.certify(s.ca, s.caKey, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := own.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	server := peer.NewServer(config, s.log)
	server.RefuseRemoved(func(node int) bool { return says.removed && node == 1 })
	on(server, pathLife, func(context.Context, int, any) (any, error) { return says, nil })
	on(server, pathRejoin, func(context.Context, int, any) (any, error) {
		return nil, cluster.Refuse(cluster.CodeJoinRefused, cluster.KeepFolder, "the recovered cluster knows no such node")
	})
	l, err := net.Listen("tcp", at(address, s.cfg.PeerPort))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// A life that begins from an old saved state comes after every life that this host knows of.
func TestRecoveryFromAnOldStateIsTheNewestLife(t *testing.T) {
	s := newSurvivor(t)
	p, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old})
	if err != nil || p.plan.Incarnation != 4 {
		t.Errorf("plan %+v, %v; want incarnation 4", p.plan, err)
	}
	if err := s.restore(p, api.RecoverCluster{}, s.old); err != nil {
		t.Fatal(err)
	}
	if r := s.id.Recovery; r == nil || r.Lives != 3 {
		t.Errorf("%+v, want to begin three lives after the saved one", r)
	}
	s.rooms = nil // it is one that had heard of a fifth life, and was to join it
	s.id.Rejoin, s.id.Incarnation = []string{"127.0.0.3"}, 5
	if p, err = s.prepare(t.Context(), api.RecoverCluster{File: s.old}); err != nil || p.plan.Incarnation != 6 {
		t.Errorf("plan %+v, %v; want incarnation 6", p.plan, err)
	}
}

// Old passwords are good again by an old state. That is said, not left to be found out.
func TestRecoveryFromASavedStateTellsOfOldRights(t *testing.T) {
	s := newSurvivor(t)
	for file, told := range map[string]bool{s.old: true, "": false} {
		for _, dry := range []bool{true, false} {
			plan, err := s.prepare(t.Context(), api.RecoverCluster{File: file, DryRun: dry})
			if err != nil || slices.ContainsFunc(plan.plan.Notes, func(n string) bool { return strings.Contains(n, "passwords") }) != told {
				t.Errorf("%q: %q, %v", file, plan.plan.Notes, err)
			}
		}
	}
}

// Whoever may have the quorum is asked, also hosts of which an old saved state knows nothing.
func TestRecoveryAsksHostsThatTheSavedStateDoesNotKnow(t *testing.T) {
	for name, arrange := range map[string]func(s *survivor){
		"of its own board":                  func(*survivor) {},
		"by which it reached the quorum":    func(s *survivor) { s.rooms = nil; s.id.Endpoints = []string{store.ClientURL("127.0.0.2", 1)} },
		"of the life that it was to rejoin": func(s *survivor) { s.rooms = nil; s.id.Rejoin = []string{"127.0.0.2"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSurvivor(t)
			arrange(s)
			s.neighbour(t, "127.0.0.2", life{Cluster: "c", Incarnation: 3, Quorum: true})
			if _, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old, DryRun: true}); cluster.CodeOf(err) != cluster.CodeQuorumStands {
				t.Error(err)
			}
		})
	}
}

// The others may come back while they are asked: what they then decide together with this
// host is not taken back.
func TestQuorumThatCameBackMeanwhileIsNotEnded(t *testing.T) {
	s := newSurvivor(t)
	p, err := s.prepare(t.Context(), api.RecoverCluster{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(s.member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- st.Run(ctx) }()
	eventually(t, "the quorum is back", func() bool { return st.Status(ctx).Quorum })
	s.rooms.store = st
	if err := s.recover(ctx, p, api.RecoverCluster{}); cluster.CodeOf(err) != cluster.CodeQuorumStands || s.rooms.stopped.Err() != nil {
		t.Errorf("%v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A room that does not end, because its disk does not answer, is not waited for without end.
func TestRecoveryIsNotHeldUpForEver(t *testing.T) {
	s := newSurvivor(t)
	s.rooms.ended = make(chan struct{})
	p, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.recover(ctx, p, api.RecoverCluster{File: s.old}) }()
	select {
	case err := <-ended:
		if cluster.CodeOf(err) != cluster.CodeDeadline || s.id.Recovery != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits on")
	}
}

// What is no file may never come to an end, and is refused before it is opened.
func TestPipeIsNoSavedState(t *testing.T) {
	s := newSurvivor(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []api.RecoverCluster{{File: pipe}, {File: s.old, KeyFile: pipe}, {File: "/dev/zero"}, {File: s.old, KeyFile: "/dev/zero"}, {File: t.TempDir()}} {
		refused := make(chan error, 1)
		go func() { _, err := s.prepare(t.Context(), r); refused <- err }()
		select {
		case err := <-refused:
			if cluster.CodeOf(err) != cluster.CodeDamagedBackup {
				t.Errorf("%+v: %v", r, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%+v: it waits on", r)
		}
	}
}

// Whoever takes this host for removed speaks for a cluster that goes on without it.
func TestRemovedHostRecoversNothing(t *testing.T) {
	s := newSurvivor(t)
	s.neighbour(t, "127.0.0.2", life{Cluster: "c", Incarnation: 3, removed: true})
	for _, r := range []api.RecoverCluster{{}, {File: s.old}} {
		if _, err := s.prepare(t.Context(), r); cluster.CodeOf(err) != cluster.CodeNodeRemoved {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// A host without a member that was started when the quorum was gone has seen no board: a
// saved state is all that is left, and only one of its own cluster will do.
func TestHostThatHasSeenNoBoardRecoversFromASavedState(t *testing.T) {
	s := newSurvivor(t)
	c := s.member
	c.HasMember, c.Dir, c.Endpoints = false, filepath.Join(t.TempDir(), "client"), []string{store.ClientURL("127.0.0.2", 1)}
	st, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	s.rooms.store = st
	if _, err := s.prepare(t.Context(), api.RecoverCluster{}); cluster.CodeOf(err) != cluster.CodeNoQuorum {
		t.Errorf("without a saved state: %v", err)
	}
	if p, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old}); err != nil || p.node != 1 {
		t.Errorf("%+v, %v", p.plan, err)
	}
	s.id.ClusterID = "another"
	if _, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old}); cluster.CodeOf(err) != cluster.CodeForeignData {
		t.Errorf("of another cluster: %v", err)
	}
}

// A daemon that dies while its files are replaced finds a certificate that fits the key.
func TestRecoveryKeepsTheKeyOfTheHost(t *testing.T) {
	s := newSurvivor(t)
	p, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old})
	if err != nil {
		t.Fatal(err)
	}
	mixed, err := peer.Load(s.cfg.tls())
	if err != nil {
		t.Fatal(err)
	}
	mixed.KeyPEM = p.own.KeyPEM
	if _, err := peer.NewCredential(mixed); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(s.cfg.tls(), peer.KeyFile)); err != nil {
		t.Fatal(err)
	}
	if p, err = s.prepare(t.Context(), api.RecoverCluster{File: s.old}); err != nil || p.own.KeyPEM == "" {
		t.Errorf("without one: %v", err)
	}
}
