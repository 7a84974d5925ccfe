package peer

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"
)

const day = 24 * time.Hour

// Renewed long before its end, a certificate is good for as long as the authority.
func TestCertificatesAreRenewedUntilTheAuthorityEnds(t *testing.T) {
	a := newAuthority(t)
	id := a.identity(t, 3, "127.0.0.3")
	first := id.CertPEM
	_, end, err := id.Until()
	if err != nil {
		t.Fatal(err)
	}
	renewals := 0
	for now := time.Now(); now.Before(end); now = now.Add(day) {
		if until, _, err := id.Until(); err != nil || until.After(end) || now.Add(CertificateLife/2).Before(end) && until.Sub(now) < CertificateLife/2 {
			t.Fatalf("at %s the certificate ends %s, the authority %s, %v", now, until, end, err)
		}
		due, err := id.Due(now)
		if err != nil {
			t.Fatal(err)
		}
		if !due {
			continue
		}
		renewals++
		if id, err = id.Renewed(a.key, now); err != nil {
			t.Fatal(err)
		}
	}
	if renewals < 20 || renewals > 35 || id.CertPEM == first {
		t.Errorf("renewed %d times in ten years", renewals)
	}
	was, _ := parseCertificate(first)
	last, _ := parseCertificate(id.CertPEM)
	if nodeOf(last) != 3 || last.VerifyHostname("127.0.0.3") != nil || !last.NotBefore.Equal(was.NotBefore) {
		t.Errorf("the last certificate is of node %d with %v", nodeOf(last), last.IPAddresses)
	}
	if _, err := id.Renewed("no key", time.Now()); err == nil {
		t.Error("renewed without the authority's key")
	}
}

// A clock that is ahead by more than a certificate's life makes certificates
// that the others accept today.
func TestAClockAheadKeepsNobodyOut(t *testing.T) {
	a := newAuthority(t)
	id, err := a.identity(t, 1, "127.0.0.1").Renewed(a.key, time.Now().Add(2*CertificateLife))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := parseCertificate(id.CertPEM)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(id.CAPEM))
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
		t.Error(err)
	}
}

// Connections that are open outlive a renewal; new ones are shown the new certificate.
func TestRenewalCutsNoConnection(t *testing.T) {
	a := newAuthority(t)
	server, err := NewCredential(a.identity(t, 1, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewCredential(a.identity(t, 2, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	address, shown := echo(t, server)
	old := connect(t, address, client)
	<-shown
	for _, c := range []*Credential{server, client} {
		next, err := c.Identity().Renewed(a.key, time.Now())
		if err == nil {
			err = c.Set(next)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Set(Identity{}); err == nil {
		t.Error("an identity of nothing is taken into use")
	}
	anew := connect(t, address, client)
	if got, want := anew.ConnectionState().PeerCertificates[0], parsed(t, server); !got.Equal(want) {
		t.Error("a new connection is shown the old certificate of the server")
	}
	if got, want := <-shown, parsed(t, client); !got.Equal(want) {
		t.Error("a new connection shows the old certificate of the client")
	}
	for _, c := range []*tls.Conn{old, anew} {
		word := []byte("ahoy")
		if _, err := c.Write(word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, word); err != nil || string(word) != "ahoy" {
			t.Errorf("%q, %v", word, err)
		}
	}
}

func parsed(t *testing.T, c *Credential) *x509.Certificate {
	t.Helper()
	certificate, err := parseCertificate(c.Identity().CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func connect(t *testing.T, address string, c *Credential) *tls.Conn {
	t.Helper()
	config, err := c.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// echo answers what it is sent and tells which certificates it was shown.
func echo(t *testing.T, c *Credential) (address string, shown <-chan *x509.Certificate) {
	t.Helper()
	config, err := c.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	clients := make(chan *x509.Certificate, 2)
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if s := conn.(*tls.Conn); s.Handshake() == nil {
					clients <- s.ConnectionState().PeerCertificates[0]
					_, _ = io.Copy(s, s)
				}
			}()
		}
	}()
	return l.Addr().String(), clients
}
