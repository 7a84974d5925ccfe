package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// restPort is where every host serves the REST API.
const restPort = 9443

// REST is an operator's connection to a host's REST API: HTTPS, with a login,
// the server known by the cluster's own certificate authority.
type REST struct {
	base, user, password string
	client               http.Client
}

// REST connects to host n.
func (h *Hosts) REST(n int, user, password string) (*REST, error) {
	ca, err := os.ReadFile(filepath.Join(h.Data(n), "tls", "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	return &REST{
		base: fmt.Sprintf("https://%s:%d", h.Address(n), restPort), user: user, password: password,
		client: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
			DialContext: h.dial(), TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}},
	}, nil
}

// Get reads the resource at the path into out.
func (r *REST) Get(ctx context.Context, path string, out any) error {
	return r.do(ctx, http.MethodGet, path, nil, out)
}

// Post sends in to the path and reads the answer into out, unless that is nil.
func (r *REST) Post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return r.do(ctx, http.MethodPost, path, body, out)
}

func (r *REST) do(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(r.user, r.password)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case res.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(answer))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Delete removes the resource at the path.
func (r *REST) Delete(ctx context.Context, path string) error {
	return r.do(ctx, http.MethodDelete, path, nil, nil)
}

// Await is for the packages beside this one.
func Await(ctx context.Context, what string, within time.Duration, done func(ctx context.Context) (bool, error)) error {
	return await(ctx, what, within, done)
}

// await asks again and again until done says so, or the deadline passes. An
// error is asked about again too: a node may just be gone. The last one that was
// no matter of the deadline is told.
func await(ctx context.Context, what string, within time.Duration, done func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not within %v: %s", within, what), last)
		case <-tick.C:
		}
	}
}
