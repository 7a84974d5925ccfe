package store

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haulout/haulout/cluster"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// etcd never closes the idle connections of its HTTP client for other
		// members (lease renewals, promotions), and both ends of them are in this process.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"),
	)
}

// fleet is a cluster whose hosts are loopback addresses with the same ports.
type fleet struct {
	dir    string
	ca     *testAuthority
	peer   int
	client int
	key    []byte
	ttl    time.Duration
}

// host is one node's store while it runs.
type host struct {
	*Store
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
	err    error
	office *office
}

// newFleet makes the test run beside another one: most of its time is waiting.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	t.Parallel()
	return &fleet{
		dir:    t.TempDir(),
		ca:     newTestAuthority(t),
		peer:   freePort(t),
		client: freePort(t),
		key:    bytes.Repeat([]byte{7}, 32),
	}
}

// freePort returns a port that is free on all the addresses tests use.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		port := 0
		free := true
		var open []net.Listener
		for node := 1; node <= 4 && free; node++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%d", node, port))
			if free = err == nil; free {
				open = append(open, l)
				port = l.Addr().(*net.TCPAddr).Port
			}
		}
		for _, l := range open {
			l.Close()
		}
		if free {
			return port
		}
	}
	t.Fatal("no port is free on all addresses")
	return 0
}

func address(node int) string { return fmt.Sprintf("127.0.0.%d", node) }

func (f *fleet) peerURL(node int) string { return PeerURL(address(node), f.peer) }

func (f *fleet) clientURL(node int) string { return ClientURL(address(node), f.client) }

func (f *fleet) config(t *testing.T, node int) Config {
	t.Helper()
	dir := filepath.Join(f.dir, fmt.Sprint(node))
	c := Config{
		Dir:            dir,
		Name:           fmt.Sprintf("member-%d", node),
		NodeID:         node,
		Address:        address(node),
		PeerPort:       f.peer,
		ClientPort:     f.client,
		Key:            f.key,
		HasMember:      true,
		Logger:         logger(t, node),
		UnsafeForTests: true,
	}
	c.CAFile, c.CertFile, c.KeyFile = f.ca.issue(t, dir+"-tls", address(node))
	return c
}

// logger shows what a node says if the test fails.
func logger(t *testing.T, node int) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})).With("node", node)
}

func (f *fleet) run(t *testing.T, s *Store, err error) *host {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if f.ttl != 0 {
		s.ttl = f.ttl
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &host{Store: s, cancel: cancel, done: make(chan error, 1)}
	go func() { h.done <- s.Run(ctx) }()
	t.Cleanup(func() { h.stop() })
	return h
}

// stop ends the store in good order and returns what Run did.
func (h *host) stop() error {
	h.once.Do(func() {
		h.cancel()
		h.err = <-h.done
	})
	return h.err
}

// crash ends it without a word to the others.
func (h *host) crash() {
	if l, err := h.connected(); err == nil && l.member != nil {
		l.member.server.HardStop()
	}
	h.stop()
}

// ended waits for Run to end by itself and returns what it returned.
func (h *host) ended(t *testing.T) error {
	t.Helper()
	select {
	case h.err = <-h.done:
		h.done <- h.err
	case <-time.After(20 * time.Second):
		t.Fatalf("node %d does not end", h.cfg.NodeID)
	}
	return h.err
}

func (h *host) ready(t *testing.T) *host {
	t.Helper()
	select {
	case <-h.Ready():
	case err := <-h.done:
		h.done <- err
		t.Fatalf("node %d ended instead of getting ready: %v", h.cfg.NodeID, err)
	case <-time.After(20 * time.Second):
		t.Fatalf("node %d does not get ready", h.cfg.NodeID)
	}
	return h
}

// first bootstraps node 1 and commits it to the board.
func (f *fleet) first(t *testing.T) *host {
	t.Helper()
	s, err := Bootstrap(f.config(t, 1))
	h := f.run(t, s, err).ready(t)
	o := lead(t, h)
	id := h.Status(t.Context()).Member
	o.commit(t, cluster.Change{Put: []cluster.Object{
		cluster.Cluster{ID: "c", Name: "test"},
		f.node(1, id, cluster.Voter),
	}})
	return h
}

func (f *fleet) node(node int, member uint64, as cluster.Membership) cluster.Node {
	return cluster.Node{ID: node, Address: address(node), MemberID: member, Membership: as}
}

// join adds the node as learner and starts it.
func (f *fleet) join(t *testing.T, through *host, node int) (*host, uint64) {
	t.Helper()
	id, initial, err := through.AddLearner(t.Context(), fmt.Sprintf("member-%d", node), f.peerURL(node), false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Join(f.config(t, node), initial, "token")
	return f.run(t, s, err).ready(t), id
}

// three is a cluster of three voters, all on the board.
func (f *fleet) three(t *testing.T) []*host {
	t.Helper()
	one := f.first(t)
	two, second := f.join(t, one, 2)
	three, third := f.join(t, one, 3)
	if err := one.Promote(t.Context(), second, third); err != nil {
		t.Fatal(err)
	}
	lead(t, one).commit(t, cluster.Change{Put: []cluster.Object{
		f.node(2, second, cluster.Voter), f.node(3, third, cluster.Voter),
	}})
	return []*host{one, two, three}
}

// office shows the epochs in which a host leads.
type office struct {
	*host
	epochs chan int64
	resign chan struct{} // a value makes the present term end by itself
}

// lead lets the host lead for the rest of the test whenever it can.
func lead(t *testing.T, h *host) *office {
	t.Helper()
	if h.office != nil {
		return h.office
	}
	h.office = &office{h, make(chan int64, 100), make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Lead(ctx, h.office.term)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return h.office
}

func (o *office) term(ctx context.Context, epoch int64) error {
	o.epochs <- epoch
	select {
	case <-ctx.Done():
	case <-o.resign:
	}
	return nil
}

func (o *office) epoch(t *testing.T) int64 {
	t.Helper()
	select {
	case e := <-o.epochs:
		return e
	case <-time.After(15 * time.Second):
		t.Fatalf("node %d does not become cluster master", o.cfg.NodeID)
		return 0
	}
}

// commit applies the change in the present epoch, whoever leads.
func (h *host) commit(t *testing.T, c cluster.Change) *cluster.Board {
	t.Helper()
	var board *cluster.Board
	eventually(t, "commit", func() error {
		_, epoch, ok := h.Leader()
		if !ok {
			return errors.New("nobody leads")
		}
		b, err := h.Commit(t.Context(), epoch, h.Board(), c)
		board = b
		return err
	})
	return board
}

// reached waits until the host's mirror shows the board of that revision.
func (h *host) reached(t *testing.T, revision int64) *cluster.Board {
	t.Helper()
	eventually(t, fmt.Sprintf("node %d sees revision %d", h.cfg.NodeID, revision), func() error {
		if got := h.Board().Revision; got < revision {
			return fmt.Errorf("it is at %d", got)
		}
		return nil
	})
	return h.Board()
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func wantCode(t *testing.T, err error, code cluster.Code) {
	t.Helper()
	if err == nil || cluster.CodeOf(err) != code {
		t.Errorf("error = %v, want the code %s", err, code)
	}
}

type testAuthority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestAuthority(t *testing.T) *testAuthority {
	t.Helper()
	a := &testAuthority{cert: certificate("authority"), key: newTestKey(t)}
	a.cert.IsCA, a.cert.BasicConstraintsValid = true, true
	a.cert.KeyUsage |= x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func newTestKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue writes the files of a node with the address.
func (a *testAuthority) issue(t *testing.T, dir, address string) (caFile, certFile, keyFile string) {
	t.Helper()
	key := newTestKey(t)
	c := certificate("node")
	c.IPAddresses = []net.IP{net.ParseIP(address), net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("ca.crt", "CERTIFICATE", a.cert.Raw), write("node.crt", "CERTIFICATE", der), write("node.key", "PRIVATE KEY", keyDER)
}
