package peer

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// TrustHash returns a client configuration for a host that knows nothing of
// the cluster but the hash of its authority: a server is accepted if that very
// certificate stands in its chain and has signed the server's own. Names are
// not compared, since a joining host may know the server by any address.
func TrustHash(caHash string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection decides instead
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyByHash(state.PeerCertificates, caHash)
		},
	}
}

func verifyByHash(chain []*x509.Certificate, caHash string) error {
	ca := authorityIn(chain)
	if ca == nil {
		return errors.New("the server shows no certificate authority; it may not be in a cluster")
	}
	if subtle.ConstantTimeCompare([]byte(hash(ca.Raw)), []byte(caHash)) != 1 {
		return fmt.Errorf("the server's certificate authority has the hash %s, not the expected %s", hash(ca.Raw), caHash)
	}
	return signedBy(ca, chain[0])
}

// PresentedHash connects to the address (host:port) and returns the hash of
// the authority that the server shows, for a person to confirm. Nothing is
// trusted or sent. At most five seconds.
func PresentedHash(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var presented string
	dialer := tls.Dialer{Config: &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // only looked at, never trusted
		VerifyConnection: func(state tls.ConnectionState) error {
			ca := authorityIn(state.PeerCertificates)
			if ca == nil {
				return errors.New("the server shows no certificate authority; it may not be in a cluster")
			}
			presented = hash(ca.Raw)
			return signedBy(ca, state.PeerCertificates[0])
		},
	}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("ask %s for its certificate authority: %w", address, err)
	}
	conn.Close()
	return presented, nil
}

func authorityIn(chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain[min(1, len(chain)):] {
		if c.IsCA {
			return c
		}
	}
	return nil
}

func signedBy(ca, leaf *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	return nil
}
