// Package peer is how daemons talk to each other: one port, mutual TLS, JSON
// bodies over HTTP/1.1 with connections kept open.
//
// It also makes the cluster's own certificate authority and the certificates
// it signs, and lets a host that joins check the authority by its hash before
// it trusts anything else.
package peer
