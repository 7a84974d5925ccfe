package peer

import (
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// CertificateLife is how long a node's certificate is good; none outlives its
// authority.
const CertificateLife = 365 * 24 * time.Hour

// Until returns when the node's certificate ends, and its authority's.
func (id Identity) Until() (certificate, authority time.Time, err error) {
	c, err := parseCertificate(id.CertPEM)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	ca, err := parseCertificate(id.CAPEM)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	return c.NotAfter, ca.NotAfter, nil
}

// Due reports whether a certificate made now would be good for longer by a third
// of its life, or for as long as the authority.
func (id Identity) Due(now time.Time) (bool, error) {
	until, authority, err := id.Until()
	next := now.Add(CertificateLife)
	if next.Before(authority) {
		return next.Sub(until) > CertificateLife/3, err
	}
	return until.Before(authority), err
}

// Renewed is the identity with a new certificate for the same key and addresses.
func (id Identity) Renewed(caKeyPEM string, now time.Time) (Identity, error) {
	old, err := parseCertificate(id.CertPEM)
	if err != nil {
		return Identity{}, err
	}
	key, err := parseKey(id.KeyPEM)
	if err != nil {
		return Identity{}, err
	}
	ca, err := parseCertificate(id.CAPEM)
	if err != nil {
		return Identity{}, err
	}
	caKey, err := parseKey(caKeyPEM)
	if err != nil {
		return Identity{}, err
	}
	next := newCertificate(old.Subject.CommonName, now, CertificateLife)
	within(next, ca)
	next.DNSNames, next.IPAddresses = old.DNSNames, old.IPAddresses
	id.CertPEM, err = sign(next, ca, &key.PublicKey, caKey)
	return id, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Credential is a node's identity in use. A certificate that replaces another is
// for new connections; those that are open stay. Safe for concurrent use.
type Credential struct {
	mu     sync.Mutex // guards everything that follows
	id     Identity
	node   tls.Certificate
	public tls.Certificate // with the authority's behind it
}

// NewCredential takes an identity into use.
func NewCredential(id Identity) (*Credential, error) {
	c := new(Credential)
	return c, c.Set(id)
}

// Set replaces the identity. With an error the former one stays in use.
func (c *Credential) Set(id Identity) error {
	node, _, err := id.parse()
	if err != nil {
		return err
	}
	public, err := tls.X509KeyPair([]byte(id.CertPEM+id.CAPEM), []byte(id.KeyPEM))
	if err != nil {
		return fmt.Errorf("node certificate: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id, c.node, c.public = id, node, public
	return nil
}

// Identity returns what is in use now.
func (c *Credential) Identity() Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// ServerTLS is [Identity.ServerTLS] with the certificate of the moment.
func (c *Credential) ServerTLS() (*tls.Config, error) {
	config, err := c.Identity().ServerTLS()
	if err != nil {
		return nil, err
	}
	config.Certificates = nil
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.shown(&c.node), nil }
	return config, nil
}

// ClientTLS is [Identity.ClientTLS] with the certificate of the moment.
func (c *Credential) ClientTLS() (*tls.Config, error) {
	config, err := c.Identity().ClientTLS()
	if err != nil {
		return nil, err
	}
	config.Certificates = nil
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.shown(&c.node), nil }
	return config, nil
}

// PublicTLS is [Identity.PublicTLS] with the certificate of the moment.
func (c *Credential) PublicTLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.shown(&c.public), nil },
	}
}

func (c *Credential) shown(which *tls.Certificate) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := *which
	return &copied
}
