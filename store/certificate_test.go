package store

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// A certificate that replaces another in its file is shown to new connections
// on both ports; nothing is started anew for it.
func TestRenewedCertificateIsShown(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	shown := func(port int) *x509.Certificate {
		pair, err := tls.LoadX509KeyPair(h.cfg.CertFile, h.cfg.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(f.ca.cert)
		c, err := tls.Dial("tcp", fmt.Sprintf("%s:%d", address(1), port), &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0]
	}
	before := map[int]*x509.Certificate{f.peer: shown(f.peer), f.client: shown(f.client)}
	f.ca.issue(t, f.dir+"/1-tls", address(1))
	for port, old := range before {
		if now := shown(port); now.Equal(old) {
			t.Errorf("port %d shows the certificate of before", port)
		}
	}
	lead(t, h).commit(t, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Name: "renewed"}}})
}
