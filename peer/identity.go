package peer

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of an identity in its folder.
const (
	KeyFile  = "node.key"
	CertFile = "node.crt"
	CAFile   = "ca.crt"
)

// Identity is what a node proves itself with: its key, its certificate and the
// certificate of the authority that signed it (empty outside a cluster), as PEM.
type Identity struct {
	KeyPEM  string
	CertPEM string
	CAPEM   string
}

// Save writes the identity into the folder, which is made if missing (0700,
// files 0600). Each file is replaced as a whole.
func (id Identity) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{KeyFile: id.KeyPEM, CertFile: id.CertPEM, CAFile: id.CAPEM} {
		if text == "" {
			continue
		}
		if err := replace(filepath.Join(dir, name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load reads the identity in the folder. Files that are not there leave their
// field empty; the error is about files that can't be read.
func Load(dir string) (Identity, error) {
	var id Identity
	for name, field := range map[string]*string{KeyFile: &id.KeyPEM, CertFile: &id.CertPEM, CAFile: &id.CAPEM} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Identity{}, err
		}
		*field = string(content)
	}
	return id, nil
}

// ServerTLS is for the port between daemons: only certificates of the same
// authority are let in.
func (id Identity) ServerTLS() (*tls.Config, error) {
	cert, roots, err := id.parse()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    roots,
	}, nil
}

// ClientTLS is for connections to other daemons: it shows the own certificate
// and accepts only those of the same authority.
func (id Identity) ClientTLS() (*tls.Config, error) {
	cert, roots, err := id.parse()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
	}, nil
}

// PublicTLS is for the REST port: any client, no client certificate. The
// authority's certificate is sent along, so that a joining host can check its
// hash. Works outside a cluster too.
func (id Identity) PublicTLS() (*tls.Config, error) {
	cert, err := tls.X509KeyPair([]byte(id.CertPEM+id.CAPEM), []byte(id.KeyPEM))
	if err != nil {
		return nil, fmt.Errorf("node certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, nil
}

// Check finds what keeps the identity from being that of the node: the authority is
// one certificate and no more, since each that stands there would be trusted; the
// node's certificate was issued by it, and is fit for the key.
func (id Identity) Check(node int) error {
	if _, rest := pem.Decode([]byte(id.CAPEM)); len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("node certificate: more than one authority")
	}
	_, roots, err := id.parse()
	if err != nil {
		return err
	}
	c, err := parseCertificate(id.CertPEM)
	if err != nil {
		return err
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("node certificate: %w", err)
	}
	if got := nodeOf(c); got != node {
		return fmt.Errorf("node certificate: it is of node:%d, not of node:%d", got, node)
	}
	return nil
}

func (id Identity) parse() (tls.Certificate, *x509.CertPool, error) {
	cert, err := tls.X509KeyPair([]byte(id.CertPEM), []byte(id.KeyPEM))
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("node certificate: %w", err)
	}
	block, _ := pem.Decode([]byte(id.CAPEM))
	if block == nil {
		return tls.Certificate{}, nil, errors.New("node certificate: no authority, the node is not in a cluster")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(id.CAPEM)) {
		return tls.Certificate{}, nil, errors.New("node certificate: the authority's certificate can't be read")
	}
	return cert, roots, nil
}
