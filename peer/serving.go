package peer

import (
	"fmt"
	"time"
)

// ServingLife is how long a certificate of [NewServing] is good for.
const ServingLife = 90 * 24 * time.Hour

// NewServing issues a key and a certificate (PEM, the authority behind it) with
// which the node's endpoints serve clients under the addresses. It proves nothing
// between daemons.
func NewServing(caPEM, caKeyPEM string, node int, addresses []string) (certPEM, keyPEM string, err error) {
	ca, err := parseCertificate(caPEM)
	if err != nil {
		return "", "", err
	}
	caKey, err := parseKey(caKeyPEM)
	if err != nil {
		return "", "", err
	}
	key, err := newKey()
	if err != nil {
		return "", "", err
	}
	template := newCertificate(fmt.Sprintf("endpoints of %s", nodeName(node)), time.Now(), ServingLife)
	within(template, ca)
	template.ExtKeyUsage = template.ExtKeyUsage[:1] // servers' only
	addNames(template, addresses)
	if certPEM, err = sign(template, ca, &key.PublicKey, caKey); err != nil {
		return "", "", err
	}
	keyPEM, err = encodeKey(key)
	return certPEM + caPEM, keyPEM, err
}
