package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
)

// An operator hears of a certificate that nears its end, and not of one whose
// authority ends with it: that is the cluster's trouble.
func TestCertificateThatWasNotRenewedIsTrouble(t *testing.T) {
	_, own := authority(t)
	until, end, err := own.Until()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		now  time.Time
		want string
	}{
		"long before": {until.Add(-61 * 24 * time.Hour), ""},
		"near":        {until.Add(-time.Hour), "node:7 ends "},
		"after":       {until.Add(time.Hour), "node:7 ended "},
	} {
		said := certificateTrouble(7, own, "the disk is full", c.now)
		switch {
		case c.want == "" && said != nil, c.want != "" && said == nil:
			t.Errorf("%s: %v", name, said)
		case said != nil && (said.Code != cluster.CodeCertificateEnds || said.Hint == "" ||
			!strings.Contains(said.Message, c.want) || !strings.Contains(said.Message, "could not be renewed: the disk is full")):
			t.Errorf("%s: %v", name, said)
		}
	}
	last := own
	if last.CertPEM, err = signedLate(t, own, end); err != nil {
		t.Fatal(err)
	}
	if said := certificateTrouble(7, last, "", end.Add(-time.Hour)); said != nil {
		t.Errorf("the node is blamed for the authority's end: %v", said)
	}
}

func signedLate(t *testing.T, own peer.Identity, end time.Time) (string, error) {
	t.Helper()
	ca, caKey, err := peer.NewAuthority("another")
	if err != nil {
		return "", err
	}
	own.CAPEM = ca
	next, err := own.Renewed(caKey, end)
	return next.CertPEM, err
}
