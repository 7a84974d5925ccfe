package discovery

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// shown is a certificate for all loopback addresses of the tests.
func shown(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	for n := 1; n <= 3; n++ {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(address(n)))
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(made)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// One port serves clients that speak TLS and clients that do not.
func TestTLSAndPlainOnOnePort(t *testing.T) {
	h := newHost(t, patienceInTests)
	own, pool := shown(t)
	h.port = freePort(t)
	h.shown = func() (*tls.Config, error) { return own, nil }
	h.start(1, patienceInTests)
	for name, config := range map[string]*tls.Config{"TLS": {RootCAs: pool}, "plain": nil} {
		c := redis.NewSentinelClient(&redis.Options{Addr: h.sentinel(1), TLSConfig: config})
		got, err := c.GetMasterAddrByName(t.Context(), "orders").Result()
		if err != nil || len(got) != 2 || got[0] != address(1) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		c.Close()
	}
	stranger := redis.NewSentinelClient(&redis.Options{Addr: h.sentinel(1), TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}, MaxRetries: -1})
	defer stranger.Close()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("a certificate nobody vouches for was believed")
	}
}

// Without a certificate TLS is refused, and nothing else.
func TestTLSWithoutACertificate(t *testing.T) {
	h := newHost(t, patienceInTests)
	h.port = freePort(t)
	h.shown = func() (*tls.Config, error) { return nil, errors.New("there is none") }
	h.start(1, patienceInTests)
	c := redis.NewSentinelClient(&redis.Options{Addr: h.sentinel(1)})
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	if conn, err := tls.Dial("tcp", h.sentinel(1), &tls.Config{InsecureSkipVerify: true}); err == nil {
		conn.Close()
		t.Error("a handshake without a certificate")
	}
}
