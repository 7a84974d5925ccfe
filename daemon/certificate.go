package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
)

const (
	certificateEvery = time.Minute
	// warnCertificate is how long before its end a certificate that was not renewed
	// is trouble; it should have been renewed months before.
	warnCertificate = 60 * 24 * time.Hour
)

// keepCertificate renews the node's certificate long before it ends. Every host
// has the authority's key and makes its own; etcd reads the file for each new
// connection, the ports of the daemon ask the credential.
func (r *rooms) keepCertificate(ctx context.Context) error {
	tick := time.NewTicker(certificateEvery)
	defer tick.Stop()
	for {
		err := r.renewCertificate(time.Now())
		if err != nil {
			r.log.Error("the node's certificate was not renewed; it is tried again", "error", err)
		}
		failed := ""
		if err != nil {
			failed = err.Error()
		}
		r.renewalFailed.Store(&failed)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *rooms) renewCertificate(now time.Time) error {
	own := r.credential.Identity()
	due, err := own.Due(now)
	if err != nil || !due {
		return err
	}
	authority := r.store.Board().Authority
	if authority.CertificatePEM != own.CAPEM {
		return errors.New("the cluster's authority is not the one that issued it")
	}
	next, err := own.Renewed(authority.KeyPEM, now)
	if err != nil {
		return err
	}
	if err := next.Save(r.cfg.tls()); err != nil {
		return err
	}
	if err := r.credential.Set(next); err != nil {
		return err
	}
	until, _, err := next.Until()
	r.log.Info("the node's certificate was renewed", "until", until)
	return err
}

// certificateTrouble says that the certificate, which should have been renewed,
// nears its end.
func certificateTrouble(node int, own peer.Identity, failed string, now time.Time) *cluster.Error {
	until, authority, err := own.Until()
	if err != nil || now.Before(until.Add(-warnCertificate)) || !until.Before(authority) {
		return nil
	}
	what := fmt.Sprintf("the certificate of node:%d ends %s", node, until.UTC().Format(time.RFC3339))
	if !now.Before(until) {
		what = fmt.Sprintf("the certificate of node:%d ended %s", node, until.UTC().Format(time.RFC3339))
	}
	if failed != "" {
		what += " and could not be renewed: " + failed
	}
	return cluster.Refuse(cluster.CodeCertificateEnds, "mend what keeps its daemon from it (its clock, its disk); it tries every minute", "%s", what)
}

// lapsed says that nobody lets the node in any more, since its certificate has ended. A
// host with a member renews it by what it knows of the cluster; others know nothing before
// they are let in.
func lapsed(node int, own peer.Identity, now time.Time) error {
	until, _, err := own.Until()
	if err != nil || now.Before(until) {
		return err
	}
	return cluster.Refuse(cluster.CodeCertificateEnds,
		"set the host's clock if it is ahead; else let it in again with what it has: haulout cluster token on another node, and here haulout cluster join nodes ADDRESS token_file -",
		"the certificate of node:%d ended %s, while its daemon was off", node, until.UTC().Format(time.RFC3339))
}

// held is what is known to keep this host from hearing of the cluster.
func (r *rooms) held(now time.Time) *cluster.Error {
	select {
	case <-r.store.Ready():
		return nil
	default:
		return told(lapsed(r.node, r.credential.Identity(), now))
	}
}
