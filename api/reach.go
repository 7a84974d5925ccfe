package api

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// putDatabase changes how clients reach a database, or what its engines are told of it.
func putDatabase(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	cmd := cluster.UpdateDatabase{At: c.view.Now, Database: d.ID, By: c.id.Name}
	var policy, endpoint, eviction, events string
	var size int64
	var include, exclude []int
	if o.text("proxy_policy", &policy) {
		cmd.Policy = &policy
	}
	if o.nodes("include_proxies", &include) {
		cmd.Include = &include
	}
	if o.nodes("exclude_proxies", &exclude) {
		cmd.Exclude = &exclude
	}
	if o.text("endpoint", &endpoint) {
		if err := cmd.Endpoint.UnmarshalText([]byte(endpoint)); err != nil || cmd.Endpoint.String() != endpoint {
			o.refuse(badRequest("give the uid of an endpoint, for example 1:1", "endpoint can not be %q", endpoint))
		}
	}
	cmd.TLS = takeTLS(o)
	if o.large("memory_size", &size) {
		cmd.MemorySize = &size
	}
	if o.text("eviction_policy", &eviction) {
		cmd.Eviction = &eviction
	}
	if takeEvents(o, &events) {
		cmd.Events = &events
	}
	o.neutral("ssl", "false")
	o.rest(slices.Concat(databaseFields, creationFields)...)
	nothing := cluster.UpdateDatabase{At: cmd.At, Database: d.ID, By: cmd.By, Endpoint: cmd.Endpoint}
	if cmd == nothing && o.faults.count() == 0 {
		o.refuse(badRequest("give memory_size, eviction_policy, notify_keyspace_events, proxy_policy, include_proxies, exclude_proxies or tls_mode",
			"nothing to change on db:%d (%s) was given", d.ID, d.Name))
	}
	o.foresee(c.view.Board, cmd)
	if err := o.err(); err != nil {
		return nil, err
	}
	if err := c.leader.UpdateDatabase(c.Context(), cmd); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	return databaseObject(c.view, c.view.Databases[d.ID]), nil
}

// creationFields are fields that are given when a database is created and can not
// be changed yet.
var creationFields = []string{
	"name", "shards_count", "replication", "port", "data_persistence", "rack_aware",
	"authentication_redis_pass", "sharding", "slave_ha", "oss_cluster", "shards_placement", "data_internode_encryption",
	"max_connections", "default_user", "backup", "tags", "replica_sources",
}

// nodes takes a list of node uids.
func (o *object) nodes(name string, into *[]int) bool {
	*into = []int{}
	return take(o, name, "a list of node uids", into)
}

// takeTLS takes what is given of how clients are spoken to.
func takeTLS(o *object) (change cluster.ChangeTLS) {
	var mode, enforce string
	if o.text("tls_mode", &mode) {
		change.Mode = &mode
	}
	if o.text("enforce_client_authentication", &enforce) {
		enabled := enforce == "enabled"
		if change.Authenticate = &enabled; !enabled && enforce != "disabled" {
			o.refuse(badRequest("use enabled or disabled", "enforce_client_authentication can not be %q", enforce))
		}
	}
	var given []struct {
		PEM string `json:"client_cert"`
	}
	if !take(o, "authentication_ssl_client_certs", `a list of {"client_cert": ...}`, &given) {
		return change
	}
	var certs []string
	for i, c := range given {
		if _, err := x509Certificate(c.PEM); err != nil {
			o.refuse(cluster.Refuse(cluster.CodeInvalidCertificate, "give a certificate in PEM form", "authentication_ssl_client_certs[%d]: %v", i, err))
		}
		if slices.Contains(certs, c.PEM) {
			o.refuse(cluster.Refuse(CodeDuplicatedCerts, "give each certificate once", "authentication_ssl_client_certs[%d] was given before", i))
		}
		certs = append(certs, c.PEM)
	}
	change.Clients = &certs
	return change
}

// x509Certificate reads exactly one certificate.
func x509Certificate(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, badRequest("", "it is not one PEM certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, badRequest("", "it can not be read as a certificate")
	}
	return c, nil
}

// getCertificates shows what clients may be shown; keys never.
func getCertificates(c *call) (any, error) {
	a := c.view.Authority
	return Certificates{CA: a.CertificatePEM, Proxy: a.Proxy.CertificatePEM}, nil
}

// putCertificate replaces the certificate that endpoints show, or takes it back.
func putCertificate(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	var name string
	var given cluster.Certificate
	if !o.has("certificate") || !o.has("key") {
		o.refuse(badRequest("give both, or both as empty strings to go back to the cluster's own", "certificate and key are not both given"))
	}
	o.text("name", &name)
	o.text("certificate", &given.CertificatePEM)
	o.text("key", &given.KeyPEM)
	o.rest()
	switch name {
	case "proxy":
	case "api", "cm", "metrics_exporter", "syncer", "mesh":
		o.refuse(unsupportedField("the certificate "+name, "only proxy can be replaced"))
	default:
		o.refuse(badRequest("only proxy can be replaced", "there is no certificate %q", name))
	}
	if given != (cluster.Certificate{}) {
		if fault := c.unusable(given); fault != nil {
			o.refuse(fault)
		}
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	if err := c.leader.Submit(c.Context(), cluster.UpdateCertificate{At: c.view.Now, Certificate: given, By: c.id.Name}); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	return getCertificates(c)
}

// unusable says why endpoints could not show the certificate, without what is in
// the key.
func (c *call) unusable(given cluster.Certificate) *cluster.Error {
	pair, err := tls.X509KeyPair([]byte(given.CertificatePEM), []byte(given.KeyPEM))
	if err != nil {
		return cluster.Refuse(cluster.CodeInvalidCertificate, "give the certificate and its own private key in PEM form", "the certificate and the key do not go together")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	switch {
	case err != nil:
		return cluster.Refuse(cluster.CodeInvalidCertificate, "give a certificate in PEM form", "the certificate can not be read")
	case c.view.Now.After(leaf.NotAfter):
		return cluster.Refuse(CodeCertificateExpired, "give one that is valid", "the certificate was valid until %s", leaf.NotAfter.UTC().Format("2006-01-02"))
	case c.view.Now.Before(leaf.NotBefore):
		return cluster.Refuse(cluster.CodeInvalidCertificate, "give one that is valid now", "the certificate is valid from %s", leaf.NotBefore.UTC().Format("2006-01-02"))
	}
	return nil
}
