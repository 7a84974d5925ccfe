package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// JoinToken is what an operator carries from a cluster to a joining node: the
// right to join, and the hash of the CA that the node may then trust.
type JoinToken struct {
	ID     string
	Secret string
	CAHash string // hex
}

var tokenText = base64.RawURLEncoding

// NewJoinToken makes a token and what the board keeps of it.
func NewJoinToken(caHash, owner string, expires time.Time) (JoinToken, cluster.Token) {
	id, secret := make([]byte, 6), make([]byte, 24)
	_, _ = rand.Read(id) // never fails: it ends the program instead
	_, _ = rand.Read(secret)
	t := JoinToken{ID: hex.EncodeToString(id), Secret: tokenText.EncodeToString(secret), CAHash: caHash}
	return t, cluster.Token{ID: t.ID, Hash: t.hash(), Expires: expires, Owner: owner}
}

func (t JoinToken) String() string {
	hash, _ := hex.DecodeString(t.CAHash) // made by CAHash
	return t.ID + "." + t.Secret + "." + tokenText.EncodeToString(hash)
}

func (t JoinToken) hash() string {
	sum := sha256.Sum256([]byte(t.Secret))
	return hex.EncodeToString(sum[:])
}

// ParseJoinToken is the inverse of JoinToken.String.
func ParseJoinToken(s string) (JoinToken, error) {
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) == 3 && parts[0] != "" && parts[1] != "" {
		if hash, err := tokenText.DecodeString(parts[2]); err == nil && len(hash) == sha256.Size {
			return JoinToken{ID: parts[0], Secret: parts[1], CAHash: hex.EncodeToString(hash)}, nil
		}
	}
	return JoinToken{}, badRequest("copy it whole from: haulout cluster token", "this is not a join token")
}

// admit returns by whose right the token admits a host, if it is good now.
// Whether it is used up is decided with the admission.
func (t JoinToken) admit(v cluster.View) (Sponsor, error) {
	stored, ok := v.Tokens[t.ID]
	same := subtle.ConstantTimeCompare([]byte(stored.Hash), []byte(t.hash())) == 1
	if !ok || !same || !v.Now.Before(stored.Expires) {
		return Sponsor{}, cluster.Refuse(cluster.CodeUnauthorized, "make another: haulout cluster token", "the join token is unknown or expired")
	}
	return Sponsor{stored.Owner, stored.ID}, nil
}

// CAHash is the SHA-256 of a CA certificate in PEM, in hex.
func CAHash(certificate string) (string, error) {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return "", errors.New("the CA certificate is not PEM")
	}
	return derHash(block.Bytes), nil
}

func derHash(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// PlainHash brings a fingerprint that a person gave into the form of CAHash.
func PlainHash(s string) string {
	return strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "sha256:"), ":", "")
}

// PinnedTLS trusts the servers that a node of the cluster is: whose certificate was
// issued by the CA with the hash, which the server sends along, to a node at one of
// the addresses. A removed node keeps its certificate, and must not answer with it in
// another's place; nor must whoever has the key of an endpoint.
func PinnedTLS(caHash string, addresses ...string) *tls.Config {
	caHash = PlainHash(caHash)
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // replaced by the check below
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, c := range state.PeerCertificates[1:] {
				if c.IsCA && derHash(c.Raw) == caHash {
					return errors.Join(issued(c, state.PeerCertificates[0]), ofNode(state.PeerCertificates[0], addresses))
				}
			}
			return fmt.Errorf("the CA of the cluster there is not the one with the hash %s", caHash)
		},
	}
}

// issued verifies that the CA has issued the server's certificate.
func issued(ca, server *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := server.Verify(x509.VerifyOptions{Roots: roots})
	return err
}

// ofNode verifies that the certificate is of a node, which is a client of the others
// too, at one of the addresses.
func ofNode(server *x509.Certificate, addresses []string) error {
	if !slices.Contains(server.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return errors.New("it shows a certificate of endpoints, which proves no node")
	}
	if !slices.ContainsFunc(addresses, func(a string) bool { return server.VerifyHostname(a) == nil }) {
		return fmt.Errorf("it shows the certificate of a node at %s; name nodes by the addresses that their daemons were started with", server.IPAddresses)
	}
	return nil
}
