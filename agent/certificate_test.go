package agent

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
)

func TestCertificate(t *testing.T) {
	ca, key, err := peer.NewAuthority("harbour")
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Node: 2})
	put := func(b *cluster.Board, o ...cluster.Object) *cluster.Board {
		return b.With(b.Revision+1, cluster.Change{Put: o})
	}
	authority := cluster.Authority{CertificatePEM: ca, KeyPEM: key}
	b := put(&cluster.Board{}, authority, cluster.Node{ID: 2, Address: "127.0.0.2"})
	shown := func(b *cluster.Board) cluster.Certificate {
		t.Helper()
		c, err := a.Certificate(b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := shown(b)
	if shown(b) != first {
		t.Error("issued anew without a reason")
	}
	if a.issued.renew = time.Now(); shown(b) == first {
		t.Error("not renewed in time")
	}
	moved := shown(put(b, cluster.Node{ID: 2, Address: "127.0.0.2", ExternalAddresses: []string{"192.0.2.2"}}))
	pair, err := tls.X509KeyPair([]byte(moved.CertificatePEM), []byte(moved.KeyPEM))
	if err != nil || pair.Leaf.VerifyHostname("192.0.2.2") != nil {
		t.Errorf("not good for the new address: %v", err)
	}
	authority.Proxy = cluster.Certificate{CertificatePEM: "theirs", KeyPEM: "secret"}
	if got := shown(put(b, authority)); got != authority.Proxy {
		t.Errorf("got %+v", got)
	}
	if _, err := New(Config{Node: 2}).Certificate(put(&cluster.Board{}, cluster.Node{ID: 2})); err == nil {
		t.Error("issued without an authority")
	}
}

// An endpoint speaks TLS only if its database does, whatever there is to show.
func TestRoutesSpeakTLS(t *testing.T) {
	b := (&cluster.Board{}).With(1, cluster.Change{Put: []cluster.Object{
		cluster.Node{ID: 1, Address: "127.0.0.1"},
		cluster.Database{ID: 1, Name: "plain"}, cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Nodes: []int{1}},
		cluster.Database{ID: 2, Name: "secure", TLS: cluster.TLS{Mode: cluster.TLSEnabled, Authenticate: true, Clients: []string{"c"}}},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 2, Index: 1}, Nodes: []int{2, 1}},
	}})
	r := Routes(b, 1, cluster.Certificate{CertificatePEM: "shown", KeyPEM: "key"})
	if len(r.Endpoints) != 2 || r.Endpoints[0].TLS != nil {
		t.Fatalf("%+v", r)
	}
	if s := r.Endpoints[1].TLS; s == nil || s.Certificate != "shown" || s.Key != "key" || !s.Authenticate || len(s.Clients) != 1 {
		t.Errorf("%+v", s)
	}
}
