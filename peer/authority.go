package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// clockSkew is how far behind a host's clock may be when it meets a new certificate.
	clockSkew = 24 * time.Hour
)

// NewAuthority makes a certificate authority for the cluster of that name
// (ECDSA P-256, ten years) and returns its certificate and key as PEM.
func NewAuthority(name string) (caPEM, keyPEM string, err error) {
	key, err := newKey()
	if err != nil {
		return "", "", err
	}
	template := newCertificate(name+" certificate authority", time.Now(), authorityLife)
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	caPEM, err = sign(template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	keyPEM, err = encodeKey(key)
	return caPEM, keyPEM, err
}

// Hash returns "sha256:" and the hexadecimal SHA-256 of the certificate's DER
// form, by which people and tokens name an authority. It is empty if caPEM
// holds no certificate.
func Hash(caPEM string) string {
	block, _ := pem.Decode([]byte(caPEM))
	if block == nil {
		return ""
	}
	return hash(block.Bytes)
}

func hash(der []byte) string {
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// NewKey makes a node's private key, as PEM.
func NewKey() (keyPEM string, err error) {
	key, err := newKey()
	if err != nil {
		return "", err
	}
	return encodeKey(key)
}

// NewRequest makes a certificate request (PEM) that proves possession of the key.
func NewRequest(keyPEM string) (csrPEM string, err error) {
	key, err := parseKey(keyPEM)
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return "", fmt.Errorf("make certificate request: %w", err)
	}
	return encodePEM("CERTIFICATE REQUEST", der), nil
}

// RequestKey returns "sha256:" and the hexadecimal SHA-256 of the public key
// whose possession the certificate request (PEM) proves.
func RequestKey(csrPEM string) (string, error) {
	request, err := parseRequest(csrPEM)
	if err != nil {
		return "", err
	}
	return hash(request.RawSubjectPublicKeyInfo), nil
}

// Sign issues a certificate (PEM, one year, for both ends of a connection) to
// the node: its names are node-<id> and the addresses, which the caller has
// checked; whatever names the request asks for are ignored. With a loopback
// address comes 127.0.0.1, because that is where a loopback connection starts.
func Sign(caPEM, caKeyPEM, csrPEM string, node int, addresses []string) (certPEM string, err error) {
	ca, err := parseCertificate(caPEM)
	if err != nil {
		return "", err
	}
	caKey, err := parseKey(caKeyPEM)
	if err != nil {
		return "", err
	}
	request, err := parseRequest(csrPEM)
	if err != nil {
		return "", err
	}
	template := newCertificate(nodeName(node), time.Now(), CertificateLife)
	within(template, ca)
	template.DNSNames = []string{nodeName(node)}
	addNames(template, addresses)
	return sign(template, ca, request.PublicKey, caKey)
}

// SelfSigned makes an identity for a daemon that is not in a cluster yet. It
// encrypts and proves nothing.
func SelfSigned(addresses []string) (Identity, error) {
	key, err := newKey()
	if err != nil {
		return Identity{}, err
	}
	template := newCertificate("haulout, not in a cluster", time.Now(), authorityLife)
	addNames(template, addresses)
	certPEM, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return Identity{}, err
	}
	keyPEM, err := encodeKey(key)
	return Identity{KeyPEM: keyPEM, CertPEM: certPEM}, err
}

func newCertificate(name string, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{"haulout"}},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// within has a certificate begin with its authority, so that a clock which was
// ahead when it was made keeps nobody from using it, and end with it at the latest.
func within(c, ca *x509.Certificate) {
	c.NotBefore, c.NotAfter = ca.NotBefore, earlier(c.NotAfter, ca.NotAfter)
}

func addNames(c *x509.Certificate, addresses []string) {
	loopback := false
	for _, a := range addresses {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			c.DNSNames = append(c.DNSNames, a)
			continue
		}
		loopback = loopback || ip.IsLoopback()
		c.IPAddresses = append(c.IPAddresses, ip.AsSlice())
	}
	if loopback && !slices.Contains(addresses, "127.0.0.1") {
		c.IPAddresses = append(c.IPAddresses, netip.AddrFrom4([4]byte{127, 0, 0, 1}).AsSlice())
	}
}

func sign(template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) (string, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return "", err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return "", fmt.Errorf("sign certificate: %w", err)
	}
	return encodePEM("CERTIFICATE", der), nil
}

func nodeName(node int) string { return "node-" + strconv.Itoa(node) }

// nodeOf returns the node that the certificate was issued to, or 0.
func nodeOf(c *x509.Certificate) int {
	id, ok := strings.CutPrefix(c.Subject.CommonName, "node-")
	if !ok {
		return 0
	}
	node, err := strconv.Atoi(id)
	if err != nil {
		return 0
	}
	return node
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func encodeKey(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return encodePEM("PRIVATE KEY", der), nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func parseKey(keyPEM string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(keyPEM))
	if block == nil {
		return nil, errors.New("no private key in the PEM text")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("private key is not an ECDSA key")
	}
	return key, nil
}

func parseCertificate(certPEM string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(certPEM))
	if block == nil {
		return nil, errors.New("no certificate in the PEM text")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return c, nil
}

func parseRequest(csrPEM string) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode([]byte(csrPEM))
	if block == nil {
		return nil, errors.New("no certificate request in the PEM text")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return request, nil
}
