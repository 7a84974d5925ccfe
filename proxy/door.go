package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// TLSRoute is how an endpoint speaks TLS with its clients.
type TLSRoute struct {
	Certificate string `json:"certificate"` // PEM, with what leads to its authority
	Key         string `json:"key"`         // PEM
	// Authenticate has clients show one of the certificates, or one that a
	// certificate of them has signed.
	Authenticate bool     `json:"authenticate,omitempty"`
	Clients      []string `json:"clients,omitempty"` // PEM
}

// door is what a client must come in by. A nil door lets plain connections in.
type door struct {
	route   TLSRoute
	config  *tls.Config
	trusted []*x509.Certificate
}

func newDoor(r TLSRoute) (*door, error) {
	own, err := tls.X509KeyPair([]byte(r.Certificate), []byte(r.Key))
	if err != nil {
		return nil, fmt.Errorf("its certificate: %w", err)
	}
	d := &door{route: r, config: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}}
	for _, text := range r.Clients {
		c, err := readCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("a certificate of its clients: %w", err)
		}
		d.trusted = append(d.trusted, c)
	}
	if r.Authenticate {
		d.config.ClientAuth = tls.RequireAnyClientCert
		d.config.VerifyConnection = func(s tls.ConnectionState) error { return d.verify(s.PeerCertificates) }
	}
	return d, nil
}

func readCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it is no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// verify says why a client that shows this chain can not come in.
func (d *door) verify(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("no certificate was shown")
	}
	known := func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, chain[0].Raw) }
	if now := time.Now(); slices.ContainsFunc(d.trusted, known) && !now.Before(chain[0].NotBefore) && !now.After(chain[0].NotAfter) {
		return nil
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range d.trusted {
		if c.IsCA {
			roots.AddCert(c)
		}
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// welcomes reports whether a client with the bridge - none in the clear - could
// come in now.
func (d *door) welcomes(b *bridge) bool {
	switch {
	case d == nil || b == nil:
		return d == nil && b == nil
	case !d.route.Authenticate:
		return true
	}
	return d.verify(b.chain) == nil
}

func sameDoor(a, b *TLSRoute) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Certificate == b.Certificate && a.Key == b.Key && a.Authenticate == b.Authenticate && slices.Equal(a.Clients, b.Clients)
}

const (
	unwelcomePace = int64(10e6) // nanoseconds between looks at clients that are to go
	unwelcomeCap  = int64(60e9) // until the rest of them is cut
)

// followDoor takes over how clients come in from now on. Who is inside and could
// come in again stays; the others go at their next rest. By a door that can not
// be made nobody could.
func (e *endpoint) followDoor(r *TLSRoute) error {
	if sameDoor(r, e.route.TLS) && (e.door != nil) == (r != nil) {
		return nil
	}
	var err error
	e.door = nil
	if r != nil {
		e.door, err = newDoor(*r)
	}
	before := e.unwelcome
	e.unwelcome = map[*session]int64{}
	for s := range e.sessions() {
		if err == nil && e.door.welcomes(s.bridge) {
			continue
		}
		capAt, known := before[s]
		if !known {
			capAt = e.loop.now + unwelcomeCap
		}
		e.unwelcome[s] = capAt
	}
	e.loop.wake(e.loop.now)
	return err
}

// tickDoor sends clients away that are not welcome any more.
func (e *endpoint) tickDoor() {
	for s, capAt := range e.unwelcome {
		switch {
		case s.gone:
		case e.loop.now >= capAt:
			s.close()
		case s.resting():
			s.leave()
		default:
			e.loop.wake(e.loop.now + unwelcomePace)
			continue
		}
		delete(e.unwelcome, s)
	}
}
