package api

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/haulout/haulout/cluster"
)

// warnAuthority is how long before its end the cluster's authority is trouble.
const warnAuthority = 365 * 24 * time.Hour

// authorityUntil is when the authority's certificate ends; zero if it can not be read.
func authorityUntil(certificate string) time.Time {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return time.Time{}
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return c.NotAfter
}

// clusterTroubles are what is amiss with the cluster as a whole.
func clusterTroubles(v cluster.View) []*cluster.Error {
	until := authorityUntil(v.Authority.CertificatePEM)
	if until.IsZero() || v.Now.Before(until.Add(-warnAuthority)) {
		return nil
	}
	return []*cluster.Error{cluster.Refuse(cluster.CodeCertificateEnds,
		"its nodes can not reach each other after that, and nothing renews it: move the databases to a new cluster before",
		"the certificate authority of cluster %s ends %s", v.Cluster.Name, until.UTC().Format(time.RFC3339))}
}
