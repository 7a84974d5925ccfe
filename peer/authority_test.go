package peer

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// authority is a certificate authority of a test.
type authority struct{ cert, key string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	cert, key, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) identity(t *testing.T, node int, addresses ...string) Identity {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := Sign(a.cert, a.key, csr, node, addresses)
	if err != nil {
		t.Fatal(err)
	}
	return Identity{KeyPEM: key, CertPEM: cert, CAPEM: a.cert}
}

func TestCertificateNamesNodeAndAllAddresses(t *testing.T) {
	id := newAuthority(t).identity(t, 7, "127.0.0.2", "10.0.0.7", "db7.example")
	c, err := parseCertificate(id.CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	if got := nodeOf(c); got != 7 {
		t.Errorf("node of the certificate = %d, want 7", got)
	}
	for _, name := range []string{"127.0.0.2", "10.0.0.7", "db7.example", "node-7", "127.0.0.1"} {
		if err := c.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := c.VerifyHostname("127.0.0.3"); err == nil {
		t.Error("the certificate is valid for another node's address")
	}
}

func TestNoLoopbackNameWithoutLoopbackAddress(t *testing.T) {
	c, err := parseCertificate(newAuthority(t).identity(t, 1, "10.0.0.1").CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.VerifyHostname("127.0.0.1"); err == nil {
		t.Error("the certificate is valid for 127.0.0.1 although the node has no loopback address")
	}
}

func TestOnlyValidRequestsAreSigned(t *testing.T) {
	a := newAuthority(t)
	if _, err := Sign(a.cert, a.key, "nonsense", 1, nil); err == nil {
		t.Error("nonsense was signed")
	}
	key, _ := NewKey()
	csr, err := NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(csr))
	block.Bytes[len(block.Bytes)-1] ^= 1
	forged := string(pem.EncodeToMemory(block))
	if _, err := Sign(a.cert, a.key, forged, 1, nil); err == nil {
		t.Error("a request with a broken signature was signed")
	}
}

func TestIdentitySurvivesTheDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	empty, err := Load(dir)
	if err != nil || empty != (Identity{}) {
		t.Fatalf("Load of a missing folder = %v, %v", empty, err)
	}
	id := newAuthority(t).identity(t, 1, "127.0.0.1")
	for range 2 { // the second time replaces
		if err := id.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Load(dir); err != nil || got != id {
		t.Errorf("loaded identity differs (err %v)", err)
	}
	checkModes(t, dir)
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("the folder holds %v, want three files", entries)
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v", info.Mode())
	}
}

func TestSelfSignedHasNoAuthority(t *testing.T) {
	id, err := SelfSigned([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := id.ServerTLS(); err == nil {
		t.Error("an identity without an authority yields a configuration for daemons")
	}
}

func TestHashOfNonsenseIsEmpty(t *testing.T) {
	if got := Hash("nonsense"); got != "" {
		t.Errorf("Hash = %q", got)
	}
}
