package daemon

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/peer"
)

// What a daemon shows on its REST port is what a joining host checks.

// authority is a cluster's own, with a node's identity that it has signed.
func authority(t *testing.T) (ca string, node peer.Identity) {
	t.Helper()
	ca, caKey, err := peer.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{cfg: Config{Address: "127.0.0.1"}}
	if node, err = d.certify(ca, caKey, 1); err != nil {
		t.Fatal(err)
	}
	return ca, node
}

// show serves an identity as the REST port does, and returns the address.
func show(t *testing.T, id peer.Identity) string {
	t.Helper()
	public, err := id.PublicTLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", public)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, address, hash string) error {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{}, "tcp", address, api.PinnedTLS(hash, "127.0.0.1"))
	if err != nil {
		return err
	}
	return c.Close()
}

func TestHashAuthenticatesTheFirstContact(t *testing.T) {
	ours, node := authority(t)
	theirs, _ := authority(t)
	address := show(t, node)
	if got, err := api.Fingerprint(t.Context(), address); err != nil || "sha256:"+got != peer.Hash(ours) {
		t.Errorf("shown hash = %q, %v; want %q", got, err, peer.Hash(ours))
	}
	if err := dial(t, address, peer.Hash(ours)); err != nil {
		t.Errorf("the right hash is refused: %v", err)
	}
	for name, hash := range map[string]string{"another authority's": peer.Hash(theirs), "an empty": ""} {
		if err := dial(t, address, hash); err == nil {
			t.Errorf("%s hash is accepted", name)
		}
	}
}

func TestHashIsNotProofWithoutTheSignature(t *testing.T) {
	ours, _ := authority(t)
	_, impostor := authority(t)
	impostor.CAPEM = ours // shows our certificate without having been signed by it
	address := show(t, impostor)
	if err := dial(t, address, peer.Hash(ours)); err == nil {
		t.Error("a server whose certificate the authority did not sign is accepted")
	}
	if _, err := api.Fingerprint(t.Context(), address); err == nil {
		t.Error("the fingerprint of an authority that did not sign is shown")
	}
}

func TestHostOutsideAClusterShowsNoAuthority(t *testing.T) {
	id, err := peer.SelfSigned([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Fingerprint(t.Context(), show(t, id)); err == nil {
		t.Error("it does")
	}
}

// Whoever has a key that the authority has signed is not yet whom the operator named.
func TestCertificateOfAnotherNodeIsNoProof(t *testing.T) {
	ca, caKey, err := peer.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	removed, err := (&Daemon{cfg: Config{Address: "10.0.0.2"}}).certify(ca, caKey, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := dial(t, show(t, removed), peer.Hash(ca)); err == nil {
		t.Error("a node that was removed answers at another's address")
	}
	endpoints := peer.Identity{CAPEM: ca}
	if endpoints.CertPEM, endpoints.KeyPEM, err = peer.NewServing(ca, caKey, 1, []string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, show(t, endpoints), peer.Hash(ca)); err == nil {
		t.Error("the key of an endpoint answers for its node")
	}
}
