package cluster

import "time"

// The TLS modes of a database: whether its clients speak TLS.
const (
	TLSDisabled = "disabled"
	TLSEnabled  = "enabled"
)

// TLS is how the clients of a database are spoken to.
type TLS struct {
	Mode string `json:"tls_mode,omitempty"` // empty means disabled
	// Authenticate has clients show a certificate: one of Clients, or one that a
	// certificate of Clients has signed.
	Authenticate bool     `json:"enforce_client_authentication,omitempty"`
	Clients      []string `json:"authentication_ssl_client_certs,omitempty"` // PEM, one certificate each
}

// Enabled reports whether clients speak TLS.
func (t TLS) Enabled() bool { return t.Mode == TLSEnabled }

// ModeText is the mode as people know it.
func (t TLS) ModeText() string {
	if t.Mode == "" {
		return TLSDisabled
	}
	return t.Mode
}

// ChangeTLS is what is to be otherwise of it; nil stays.
type ChangeTLS struct {
	Mode         *string
	Authenticate *bool
	Clients      *[]string
}

// Of is the settings with the change.
func (c ChangeTLS) Of(t TLS) TLS {
	if c.Mode != nil {
		t.Mode = *c.Mode
	}
	if c.Authenticate != nil {
		t.Authenticate = *c.Authenticate
	}
	if c.Clients != nil {
		t.Clients = *c.Clients
	}
	return t
}

func (t TLS) clientsText() string {
	if !t.Authenticate {
		return ""
	}
	return ", and its clients show a certificate"
}

// faults says all that is against the settings. Whether the certificates can be
// read is for whoever takes them in.
func (t TLS) faults() Refusals {
	var list Refusals
	switch t.Mode {
	case "", TLSDisabled, TLSEnabled:
	case "replica_ssl":
		list = append(list, Refuse(CodeUnsupported, "use enabled or disabled", "tls_mode replica_ssl is not supported: there are no replicas of other clusters"))
	default:
		list = append(list, Refuse(CodeUnsupported, "use enabled or disabled", "tls_mode %q is not supported", t.Mode))
	}
	if t.Authenticate && !t.Enabled() {
		list = append(list, Refuse(CodeBadRequest, "set tls_mode enabled, or enforce_client_authentication disabled", "clients can show a certificate only with tls_mode enabled"))
	}
	if t.Authenticate && len(t.Clients) == 0 {
		list = append(list, Refuse(CodeInvalidCertificate, "give client_cert_files, or authentication_ssl_client_certs over REST", "clients are to show a certificate, and none is known"))
	}
	return list
}

// UpdateCertificate has every endpoint that speaks TLS show the certificate; the
// zero one takes it back. The caller has checked it.
type UpdateCertificate struct {
	At          time.Time
	Certificate Certificate
	By          string
}

// Apply implements Command.
func (c UpdateCertificate) Apply(b *Board) (Change, error) {
	a := b.Authority
	a.Proxy = c.Certificate
	text := "endpoints show the certificate that was given for them"
	if c.Certificate == (Certificate{}) {
		text = "endpoints show certificates of the cluster's own authority"
	}
	return Change{Put: []Object{a}, Log: []Entry{{Time: c.At, Type: "cluster_certificate_updated", Severity: "INFO", By: c.By, Text: text}}}, nil
}
