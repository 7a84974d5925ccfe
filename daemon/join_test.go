package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/store"
)

// What a host trusts is the authority that its operator named, whatever is answered.
func TestJoinerTrustsNoOtherAuthority(t *testing.T) {
	ca, caKey, err := peer.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	foreign, foreignKey, err := peer.NewAuthority("foreign")
	if err != nil {
		t.Fatal(err)
	}
	signed := func(ca, caKey string, node int, key string) string {
		id, err := (&Daemon{cfg: Config{Address: "127.0.0.1"}}).certifyKey(key, ca, caKey, node)
		if err != nil {
			t.Fatal(err)
		}
		return id.CertPEM
	}
	other, err := peer.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(key string) admitted{
		"another authority": func(key string) admitted {
			return admitted{Authority: foreign, Certificate: signed(foreign, foreignKey, 2, key)}
		},
		"a second authority": func(key string) admitted {
			return admitted{Authority: ca + foreign, Certificate: signed(ca, caKey, 2, key)}
		},
		"a certificate of another": func(key string) admitted {
			return admitted{Authority: ca, Certificate: signed(foreign, foreignKey, 2, key)}
		},
		"a certificate for another key":      func(string) admitted { return admitted{Authority: ca, Certificate: signed(ca, caKey, 2, other)} },
		"a certificate for another node":     func(key string) admitted { return admitted{Authority: ca, Certificate: signed(ca, caKey, 3, key)} },
		"a certificate that can't be read":   func(string) admitted { return admitted{Authority: ca, Certificate: "none"} },
		"an authority that is no PEM at all": func(key string) admitted { return admitted{Certificate: signed(ca, caKey, 2, key)} },
	} {
		t.Run(name, func(t *testing.T) {
			d := newJoiner(t)
			key, err := d.joiningKey()
			if err != nil {
				t.Fatal(err)
			}
			a := answer(key)
			a.Node, a.ClusterID, a.SealingKey, a.Membership = 2, "c", randomBytes(32), cluster.Client
			a.Endpoints = []string{"https://127.0.0.1:1"}
			r := api.JoinCluster{Nodes: []string{admits(t, ca, caKey, a)}, Username: "u", Password: "p", CAHash: api.PlainHash(peer.Hash(ca))}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := d.join(ctx, r); cluster.CodeOf(err) != cluster.CodeJoinRefused {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(d.cfg.tls(), peer.CAFile)); err == nil || d.id.Node != 0 {
				t.Error("it was taken over")
			}
		})
	}
}

func newJoiner(t *testing.T) *Daemon {
	t.Helper()
	f, err := openFolder(Config{Data: filepath.Join(t.TempDir(), "data"), Address: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	d := &Daemon{cfg: f.cfg, log: slog.New(slog.NewTextHandler(t.Output(), nil)), folder: f, enter: make(chan *rooms, 1)}
	d.id = identity{Version: identityVersion, Identity: "two", Address: "127.0.0.1"}
	return d
}

// admits is a node of the cluster that answers so whoever wants to join.
func admits(t *testing.T, ca, caKey string, a admitted) (address string) {
	t.Helper()
	own, err := (&Daemon{cfg: Config{Address: "127.0.0.1"}}).certify(ca, caKey, 1)
	if err != nil {
		t.Fatal(err)
	}
	public, err := own.PublicTLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", public)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(a) })}
	ended := make(chan struct{})
	t.Cleanup(func() { server.Close(); <-ended })
	go func() { defer close(ended); _ = server.Serve(l) }()
	return l.Addr().String()
}

// Whoever holds a token brings a host, and says of it what only it knows. The rest is the
// cluster's to say.
func TestJoinerSaysOnlyWhatItMay(t *testing.T) {
	s := newSurvivor(t)
	leads(t, s)
	said := cluster.Node{
		Identity: "three", Address: "127.0.0.3", ExternalAddresses: []string{"192.0.2.3"}, Hostname: "three", RackID: "r1",
		Cores: 2, TotalMemory: 1 << 30, Version: cluster.Version, MaxShards: 7, MaxListeners: 8,
	}
	claimed := said
	claimed.ID, claimed.Joined, claimed.Membership, claimed.MemberID = 1, time.Now(), cluster.Voter, 9
	claimed.QuorumOnly, claimed.Limits, claimed.Seen, claimed.DownSince = true, &cluster.CopyLimits{}, 1<<40, time.Now()
	claimed.Abandoned, claimed.Removing, claimed.Vacating, claimed.Absence = true, "a", "a", cluster.Lost
	claimed.Deleting, claimed.Maintenance = []string{"x"}, &cluster.Maintenance{Snapshot: "s"}
	allSet(t, claimed)
	claimed.ID = 0 // whoever says that it is a node already is compared with that
	request, err := json.Marshal(joiner{Node: claimed, Request: csr(t), Member: "three", PeerURL: store.PeerURL("127.0.0.3", s.cfg.EtcdPeerPort)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AdmitJoiner(t.Context(), request, api.Sponsor{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	got := s.rooms.store.Board().Nodes[3]
	said.ID, said.Joined, said.Membership, said.MemberID = 3, got.Joined, cluster.Learner, got.MemberID
	if !reflect.DeepEqual(got, said) || got.MemberID == 9 {
		t.Errorf("%+v", got)
	}
}

// allSet fails if a field is not set, such as one that is new.
func allSet(t *testing.T, n cluster.Node) {
	t.Helper()
	v := reflect.ValueOf(n)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not tried", v.Type().Field(i).Name)
		}
	}
}

func csr(t *testing.T) string {
	t.Helper()
	key, err := peer.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	request, err := peer.NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// leads has the survivor's quorum stand, and itself lead it.
func leads(t *testing.T, s *survivor) {
	t.Helper()
	st, err := store.Open(s.member)
	if err != nil {
		t.Fatal(err)
	}
	own, err := peer.Load(s.cfg.tls())
	if err != nil {
		t.Fatal(err)
	}
	credential, err := peer.NewCredential(own)
	if err != nil {
		t.Fatal(err)
	}
	if s.rooms, err = s.build(st, 1, credential); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error { return st.Run(ctx) })
	group.Go(func() error { return st.Lead(ctx, s.rooms.controller.Lead) })
	t.Cleanup(func() {
		cancel()
		s.rooms.client.Close()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "it leads", s.rooms.controller.Leading)
}

// A host without a member whose certificate has ended is let in again by a token, as the
// node that it is, with what it has.
func TestHostWhoseCertificateHasEndedIsLetInAgain(t *testing.T) {
	s := newSurvivor(t)
	leads(t, s)
	s.cfg.RESTPort = freePort(t)
	s.api, s.tls = api.New(api.Config{Node: s.Daemon, Log: s.log}), s.rooms.credential.PublicTLS()
	token, stored := api.NewJoinToken(api.PlainHash(peer.Hash(s.ca)), "ann", time.Now().Add(time.Hour))
	stored.Uses = 9
	if err := s.rooms.controller.Submit(t.Context(), cluster.PutToken{At: time.Now(), Token: stored}); err != nil {
		t.Fatal(err)
	}
	d := lapsedClient(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	t.Cleanup(func() { cancel(); _ = group.Wait() })
	group.Go(func() error { return s.servePublic(ctx) })
	group.Go(func() error { // the loop of its lives
		for {
			select {
			case r := <-d.enter:
				life, end := context.WithCancel(ctx)
				context.AfterFunc(r.stopped, end)
				_ = r.store.Run(life)
				close(r.ended)
				end()
			case <-ctx.Done():
				return nil
			}
		}
	})
	r := api.JoinCluster{Nodes: []string{at("127.0.0.1", s.cfg.RESTPort)}, Token: token.String()}
	eventually(t, "the port answers", func() bool {
		c, err := net.Dial("tcp", r.Nodes[0])
		return err == nil && c.Close() == nil
	})
	other := r
	other.Token = api.JoinToken{ID: "a", Secret: "b", CAHash: strings.Repeat("ab", 32)}.String()
	if err := d.join(ctx, other); cluster.CodeOf(err) != cluster.CodeForeignData {
		t.Errorf("into another cluster: %v", err)
	}
	d.id.Node = 3
	if err := d.join(ctx, r); cluster.CodeOf(err) != cluster.CodeJoinRefused || len(s.rooms.store.Board().Nodes) != 2 {
		t.Errorf("as another node: %v", err)
	}
	d.id.Node = 2
	if err := d.JoinCluster(ctx, r); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is let in, or not", func() bool { return d.Bootstrap().State.Settled() })
	if b := d.Bootstrap(); b.State != api.BootstrapCompleted || d.Held() != nil || d.id.Node != 2 || d.Board().Cluster.ID != "c" {
		t.Errorf("%+v, held by %v", b, d.Held())
	}
	if r := d.inCluster(); r == nil || r.store.ServeUntil() == 0 {
		t.Error("it is let in, and has no lease: the others show it as down")
	}
	if left, err := os.ReadDir(d.cfg.shards()); err != nil || len(left) != 1 {
		t.Errorf("its instances: %v, %v", left, err)
	}
	if err := d.JoinCluster(ctx, r); cluster.CodeOf(err) != cluster.CodeAlreadyBootstrapped {
		t.Errorf("once more: %v", err)
	}
}

// lapsedClient is node:2, which has an instance, with its certificate ended.
func lapsedClient(t *testing.T, s *survivor) *Daemon {
	t.Helper()
	f, err := openFolder(Config{Data: filepath.Join(t.TempDir(), "data"), Address: "127.0.0.2", PeerPort: s.cfg.PeerPort,
		EtcdPeerPort: s.cfg.EtcdPeerPort, EtcdClientPort: s.cfg.EtcdClientPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	d := &Daemon{cfg: f.cfg, log: s.log, folder: f, enter: make(chan *rooms, 1)}
	d.boot.State = api.BootstrapCompleted
	d.id = identity{Version: identityVersion, Identity: "two", Address: "127.0.0.2", ClusterID: "c", Cluster: "test", Node: 2,
		Endpoints: []string{store.ClientURL("127.0.0.1", s.cfg.EtcdClientPort)}}
	own, err := d.certify(s.ca, s.caKey, 2)
	if err != nil {
		t.Fatal(err)
	}
	if own, err = own.Renewed(s.caKey, time.Now().Add(-2*peer.CertificateLife)); err != nil {
		t.Fatal(err)
	}
	key, err := s.folder.sealingKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := firstOf(own.Save(d.cfg.tls()), f.keepSealingKey(key), f.remember(d.id), os.MkdirAll(filepath.Join(d.cfg.shards(), "1.1"), 0o700), d.resume()); err != nil {
		t.Fatal(err)
	}
	if held := d.Held(); held == nil || held.Code != cluster.CodeCertificateEnds {
		t.Fatalf("held by %v", held)
	}
	return d
}
