package peer

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// What endpoints show is good for clients and for nothing between daemons.
func TestServingIsNoIdentity(t *testing.T) {
	ca, key, err := NewAuthority("harbour")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := NewServing(ca, key, 2, []string{"10.0.0.2", "redis.example"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil || len(pair.Certificate) != 2 {
		t.Fatalf("%d certificates, %v", len(pair.Certificate), err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	verify := func(name string, use x509.ExtKeyUsage) error {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{use}})
		return err
	}
	for _, name := range []string{"10.0.0.2", "redis.example"} {
		if err := verify(name, x509.ExtKeyUsageServerAuth); err != nil {
			t.Error(err)
		}
	}
	if verify("10.0.0.3", x509.ExtKeyUsageServerAuth) == nil || verify("10.0.0.2", x509.ExtKeyUsageClientAuth) == nil || nodeOf(pair.Leaf) != 0 {
		t.Error("it proves more than it should")
	}
}
