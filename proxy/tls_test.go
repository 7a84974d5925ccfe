package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// signer is a certificate with its key, which may sign others.
type signer struct {
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	pem, pkm string
}

func (s *signer) tls() tls.Certificate {
	c, _ := tls.X509KeyPair([]byte(s.pem), []byte(s.pkm))
	return c
}

// sign makes a certificate, signed by itself if by is nil.
func sign(t testing.TB, name string, by *signer, life time.Duration) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, with := c, key
	if by != nil {
		parent, with = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), with)
	if err != nil {
		t.Fatal(err)
	}
	made, _ := x509.ParseCertificate(der)
	secret, _ := x509.MarshalPKCS8PrivateKey(key)
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return &signer{made, key, encode("CERTIFICATE", der), encode("PRIVATE KEY", secret)}
}

// secure has the rig's endpoint speak TLS by a certificate of its own.
func (r *rig) secure(change func(*TLSRoute)) *signer {
	r.t.Helper()
	s := sign(r.t, "server", nil, time.Hour)
	route := &TLSRoute{Certificate: s.pem, Key: s.pkm}
	if change != nil {
		change(route)
	}
	r.endpoint().TLS = route
	r.apply()
	return s
}

// trusting is what a client needs that trusts these servers and shows a certificate.
func trusting(own *signer, servers ...*signer) *tls.Config {
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	for _, s := range servers {
		c.RootCAs.AddCert(s.cert)
	}
	if own != nil {
		c.Certificates = []tls.Certificate{own.tls()}
	}
	return c
}

func (r *rig) redisTLS(c *tls.Config, change func(*redis.Options)) *redis.Client {
	o := &redis.Options{Addr: r.addr(), Password: clientSecret, MaxRetries: -1, TLSConfig: c}
	if change != nil {
		change(o)
	}
	client := redis.NewClient(o)
	r.t.Cleanup(func() { client.Close() })
	return client
}

func (r *rig) loadTLS(n int, c *tls.Config) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	r.t.Cleanup(func() { l.cancel(); l.done.Wait() })
	for i := range n {
		client := r.redisTLS(c, nil)
		l.done.Go(func() { l.count(ctx, client, fmt.Sprintf("secure:%d", i)) })
	}
	eventually(r.t, "load runs", func() bool { return l.writes.Load() > 200 || l.failed() })
	return l
}

func TestTLS(t *testing.T) {
	r := startProxy(t, startEngine(t))
	server := r.secure(nil)
	c := r.redisTLS(trusting(nil, server), nil)
	big := strings.Repeat("x", 3<<20) // more than any buffer on the way holds
	if err := c.Set(r.ctx(), "big", big, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(r.ctx(), "big").Result(); err != nil || got != big {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := r.redisTLS(trusting(nil), nil).Ping(r.ctx()).Err(); err == nil || !strings.Contains(err.Error(), "authority") {
		t.Errorf("a server nobody vouches for was believed: %v", err)
	}
	plain := r.redis(2)
	if err := plain.Ping(r.ctx()).Err(); err == nil {
		t.Error("a client came in in the clear")
	}
	plain.Close()
	c.Close()
	eventually(t, "the connection is gone", func() bool { return r.stats().Connections == 0 })
}

// A hand-over is invisible through TLS, too, and so is another certificate.
func TestTLSHandoverAndRotation(t *testing.T) {
	master, replica := pair(t)
	r := startProxy(t, master)
	first := r.secure(nil)
	l := r.loadTLS(8, trusting(nil, first))
	before := r.stats().Connections
	h := Hold{Range: rangeID(0), Generation: 2, For: 5 * time.Second}
	if _, err := r.client.Hold(r.ctx(), h); err != nil {
		t.Fatal(err)
	}
	switchMaster(t, master, replica)
	if err := r.client.Aim(r.ctx(), Aim{Range: rangeID(0), Generation: 2, Address: replica.addr}); err != nil {
		t.Fatal(err)
	}
	l.goesOn(t)
	r.endpoint().Ranges[0].Generation, r.endpoint().Ranges[0].Address = 2, replica.addr
	second := r.secure(nil)
	l.goesOn(t)
	if got := r.stats().Connections; got != before {
		t.Errorf("%d connections, %d before", got, before)
	}
	if err := r.redisTLS(trusting(nil, second), nil).Ping(r.ctx()).Err(); err != nil {
		t.Errorf("by the new certificate: %v", err)
	}
	if err := r.redisTLS(trusting(nil, first), nil).Ping(r.ctx()).Err(); err == nil {
		t.Error("the old certificate is still shown")
	}
	l.end(t)
}

func TestTLSDrain(t *testing.T) {
	e := startEngine(t)
	a, b := startProxy(t, e), startAnother(t, e)
	trust := trusting(nil, a.secure(nil), b.secure(nil))
	trust.ServerName = "127.0.0.1"
	var target atomic.Pointer[rig]
	target.Store(a)
	c := a.redisTLS(nil, func(o *redis.Options) {
		o.MaxRetries, o.PoolSize = 0, 30
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", target.Load().addr())
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for i := range 30 {
		l.done.Go(func() { l.count(ctx, c, fmt.Sprintf("drained:%d", i)) })
	}
	eventually(t, "all connected", func() bool { return a.stats().Connections >= 25 })
	target.Store(b)
	a.endpoint().Drain = true
	a.apply()
	eventually(t, "all have left", func() bool { return a.stats().Connections == 0 })
	l.goesOn(t)
	l.end(t)
	if s := a.stats(); s.Drained < 25 || s.Cut != 0 {
		t.Errorf("%+v", s)
	}
}

func TestClientCertificates(t *testing.T) {
	r := startProxy(t, startEngine(t))
	authority := sign(t, "authority", nil, time.Hour)
	signed, listed, stale := sign(t, "signed", authority, time.Hour), sign(t, "listed", sign(t, "other", nil, time.Hour), time.Hour), sign(t, "stale", authority, -time.Minute)
	server := r.secure(func(x *TLSRoute) { x.Authenticate, x.Clients = true, []string{authority.pem, listed.pem, stale.pem} })
	for name, test := range map[string]struct {
		own *signer
		in  bool
	}{
		"signed by one of them": {signed, true}, "one of them": {listed, true}, "out of date": {stale, false},
		"a stranger": {sign(t, "stranger", nil, time.Hour), false}, "none": {nil, false},
	} {
		if err := r.redisTLS(trusting(test.own, server), nil).Ping(r.ctx()).Err(); (err == nil) != test.in {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whoever could not come in any more leaves at a rest; the others notice nothing.
	stays := r.loadTLS(3, trusting(signed, server))
	goes := r.redisTLS(trusting(listed, server), func(o *redis.Options) { o.PoolSize = 1 })
	if err := goes.Ping(r.ctx()).Err(); err != nil {
		t.Fatal(err)
	}
	before := r.stats().Connections
	r.endpoint().TLS = &TLSRoute{Certificate: server.pem, Key: server.pkm, Authenticate: true, Clients: []string{authority.pem}}
	r.apply()
	eventually(t, "the other has left", func() bool { return r.stats().Connections <= before-1 })
	if err := goes.Ping(r.ctx()).Err(); err == nil {
		t.Error("it came in again")
	}
	stays.goesOn(t)
	stays.end(t)
}

// From plain to TLS: clients in the clear go at a rest, never in a transaction.
func TestTLSModeChanges(t *testing.T) {
	r := startProxy(t, startEngine(t))
	idle, busy := r.dial(2), r.dial(2)
	r.say(idle, "PING")
	r.say(busy, "MULTI")
	server := r.secure(nil)
	idle.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := idle.ReadValue(); err == nil {
		t.Error("it was not sent away")
	}
	r.say(busy, "SET a 1")
	if got := r.say(busy, "EXEC"); !strings.Contains(got, "OK") {
		t.Errorf("got %s", got)
	}
	if err := r.redisTLS(trusting(nil, server), nil).Get(r.ctx(), "a").Err(); err != nil {
		t.Error(err)
	}
	eventually(t, "nobody is left in the clear", func() bool { return r.stats().Connections <= 1 })
}

// Without a certificate that can be used nobody is let in, least of all in the clear.
func TestBadCertificateClosesTheDoor(t *testing.T) {
	r := startProxy(t, startEngine(t))
	r.endpoint().TLS = &TLSRoute{Certificate: "nonsense", Key: "nonsense"}
	r.apply()
	if s := r.stats(); s.Listening || !strings.Contains(s.Reason, "certificate") {
		t.Fatalf("%+v", s)
	}
	server := r.secure(nil)
	c := r.redisTLS(trusting(nil, server), nil)
	if err := c.Ping(r.ctx()).Err(); err != nil {
		t.Error(err)
	}
	r.endpoint().TLS = &TLSRoute{Certificate: "nonsense", Key: "nonsense"}
	r.apply()
	eventually(t, "who came in before is gone, too", func() bool { s := r.stats(); return !s.Listening && s.Connections == 0 })
}

// A client that never ends its handshake, or never reads, goes with the proxy.
func TestTLSSilentClients(t *testing.T) {
	r := startProxy(t, startEngine(t))
	server := r.secure(nil)
	mute, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	deaf, err := tls.Dial("tcp", r.addr(), trusting(nil, server))
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	r.redisTLS(trusting(nil, server), nil).Set(r.ctx(), "big", strings.Repeat("x", 8<<20), 0)
	fmt.Fprintf(deaf, "AUTH %s\r\nGET big\r\nGET big\r\n", clientSecret)
	eventually(t, "replies pile up", func() bool { return r.stats().Commands >= 3 })
}
