package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

const (
	dialTimeout = time.Second
	// callTimeout bounds a call whose context has no deadline.
	callTimeout = 30 * time.Second
	// A daemon may be frozen and still take connections. Who reads can be answered
	// from elsewhere.
	forwardTimeout, readTimeout = 30 * time.Second, 5 * time.Second
)

// Client calls other daemons and keeps connections open between calls. Safe
// for concurrent use; it starts nothing.
type Client struct {
	transport *http.Transport
}

// NewClient returns a client with the configuration of [Identity.ClientTLS].
func NewClient(config *tls.Config) *Client {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 5 * time.Second}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 2 * dialTimeout,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     time.Minute,
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return &Client{transport: t}
}

// Call posts in as JSON to the path on the daemon at the address (host:port)
// and decodes its answer into out, which may be nil. A refusal of the handler
// is returned as *[Error]; every other error means that the outcome is unknown.
// The context's deadline holds; without one, a call takes at most 30 seconds.
func (c *Client) Call(ctx context.Context, address, path string, in, out any) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s%s: %w", address, path, err)
	}
	answer, err := c.post(ctx, address, path, body)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("answer of %s%s: %w", address, path, err)
	}
	return nil
}

func (c *Client) post(ctx context.Context, address, path string, body []byte) ([]byte, error) {
	if len(body) > MaxBody {
		return nil, bodyTooLarge()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call %s%s: %w", address, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("call %s%s: %w", address, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("answer of %s%s: %w", address, path, err)
	}
	if len(answer) > MaxBody {
		return nil, bodyTooLarge()
	}
	return answer, refusal(response.StatusCode, answer)
}

func refusal(status int, answer []byte) error {
	if status == http.StatusOK {
		return nil
	}
	e := new(Error)
	if json.Unmarshal(answer, e) != nil || e.Code == "" {
		return fmt.Errorf("unexpected HTTP status %d", status)
	}
	return e
}

// Forward passes the whole request on to the daemon at the address, below the
// prefix that it registered with [Server.HandleHTTP], and its answer back. After
// an error nothing has been written, and the outcome is unknown: the daemon has
// not answered, 5 seconds long to a GET and 30 to anything else.
func (c *Client) Forward(address, prefix string, w http.ResponseWriter, req *http.Request) (err error) {
	patience := forwardTimeout
	if req.Method == http.MethodGet {
		patience = readTimeout
	}
	ctx, cancel := context.WithTimeout(req.Context(), patience)
	defer cancel()
	target := &url.URL{Scheme: "https", Host: address, Path: "/" + strings.Trim(prefix, "/")}
	proxy := &httputil.ReverseProxy{
		Transport: c.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, failed error) {
			err = fmt.Errorf("forward to %s: %w", address, failed)
		},
	}
	proxy.ServeHTTP(w, req.WithContext(ctx))
	return err
}

// Transport sends requests to other daemons over the client's connections.
func (c *Client) Transport() http.RoundTripper { return c.transport }

// Close drops the idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }
