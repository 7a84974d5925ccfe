package agent

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
)

// issued is the certificate that the cluster's authority gave the endpoints of
// this host. Every host issues its own, so that it has its own addresses in it
// and is made anew in time without anybody's doing.
type issued struct {
	mu        sync.Mutex // guards everything that follows
	shown     cluster.Certificate
	authority string
	addresses []string
	renew     time.Time
}

// Certificate returns what the host's endpoints show: what an operator gave, else
// what the cluster's authority issues. Safe for concurrent use.
func (a *Agent) Certificate(b *cluster.Board) (cluster.Certificate, error) {
	if given := b.Authority.Proxy; given != (cluster.Certificate{}) {
		return given, nil
	}
	n := b.Nodes[a.cfg.Node]
	addresses := append([]string{n.Address}, n.ExternalAddresses...)
	i := &a.issued
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.authority == b.Authority.CertificatePEM && slices.Equal(i.addresses, addresses) && time.Now().Before(i.renew) {
		return i.shown, nil
	}
	cert, key, err := peer.NewServing(b.Authority.CertificatePEM, b.Authority.KeyPEM, n.ID, addresses)
	if err != nil {
		return cluster.Certificate{}, fmt.Errorf("certificate for endpoints: %w", err)
	}
	i.shown = cluster.Certificate{CertificatePEM: cert, KeyPEM: key}
	i.authority, i.addresses, i.renew = b.Authority.CertificatePEM, addresses, time.Now().Add(peer.ServingLife/3)
	return i.shown, nil
}

// shown is the certificate for the routes. A database without TLS asks for none.
func (a *Agent) shown(b *cluster.Board) cluster.Certificate {
	for _, d := range b.Databases {
		if !d.TLS.Enabled() {
			continue
		}
		c, err := a.Certificate(b)
		if err != nil {
			a.cfg.Logger.Error("endpoints have no certificate", "error", err)
		}
		return c
	}
	return cluster.Certificate{}
}
