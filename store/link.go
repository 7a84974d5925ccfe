package store

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/lease"
	"go.uber.org/zap"
)

// dialTimeout is also how long sent data may stay unacknowledged before a
// connection counts as broken.
const dialTimeout = time.Second

// link is how the store reaches etcd. A node with a member, learner or voter,
// asks that, in process: only the member knows at once where the leader is.
// A client has one connection per voter and stays with one that answers: a
// client that spreads its calls over all would lose a good part of the lease
// on each one that is cut off.
type link struct {
	member *member // nil for a client

	tls *tls.Config
	log *zap.Logger

	mu      sync.Mutex
	remotes []remote
	at      int
	left    chan struct{} // closed when the link goes on to another remote
}

type remote struct {
	endpoint string
	client   *clientv3.Client
}

func newLink(c Config, st start) (*link, error) {
	if c.HasMember {
		m, err := startMember(c, st)
		if err != nil {
			return nil, err
		}
		return &link{member: m}, nil
	}
	info := tlsInfo(c)
	config, err := info.ClientConfig()
	if err != nil {
		return nil, err
	}
	log, _ := newZap(c.Logger)
	l := &link{tls: config, log: log, left: make(chan struct{})}
	return l, l.aim(c.Endpoints)
}

func newRemote(endpoint string, config *tls.Config, log *zap.Logger) (remote, error) {
	c, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{endpoint},
		TLS:                  config,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    10 * time.Second, // gRPC does not ping more often
		DialKeepAliveTimeout: dialTimeout,
		Logger:               log,
	})
	return remote{endpoint, c}, err
}

// aim replaces the endpoints; connections to those that stay are kept.
func (l *link) aim(endpoints []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var next []remote
	for _, e := range endpoints {
		if i := l.index(e); i >= 0 {
			next = append(next, l.remotes[i])
			continue
		}
		r, err := newRemote(e, l.tls, l.log)
		if err != nil {
			return err
		}
		next = append(next, r)
	}
	var present string
	if len(l.remotes) > 0 {
		present = l.remotes[l.at].endpoint
	}
	old := l.remotes
	l.remotes = next
	if l.at = l.index(present); l.at < 0 {
		l.turnTo(0)
	}
	for _, r := range old {
		if l.index(r.endpoint) < 0 {
			r.client.Close()
		}
	}
	return nil
}

func (l *link) index(endpoint string) int {
	return slices.IndexFunc(l.remotes, func(r remote) bool { return r.endpoint == endpoint })
}

func (l *link) turnTo(i int) {
	l.at = i
	close(l.left)
	l.left = make(chan struct{})
}

// client returns whom to ask now.
func (l *link) client() *clientv3.Client {
	c, _ := l.current()
	return c
}

// current returns whom to ask now, and a channel that is closed when that
// changes; a member never does.
func (l *link) current() (*clientv3.Client, <-chan struct{}) {
	if l.member != nil {
		return l.member.client, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remotes[l.at].client, l.left
}

// failed says that c did not answer, so that the next voter is asked next.
func (l *link) failed(c *clientv3.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.member == nil && l.remotes[l.at].client == c {
		l.turnTo((l.at + 1) % len(l.remotes))
	}
}

// each calls f with one client after the other until one call succeeds, the
// tries are used up or ctx ends. Each attempt gets its own deadline.
func (l *link) each(ctx context.Context, tries int, attempt time.Duration, f func(context.Context, *clientv3.Client) error) error {
	var err error
	for range tries {
		c := l.client()
		limited, cancel := context.WithTimeout(ctx, attempt)
		err = f(limited, c)
		cancel()
		if err == nil || !unavailable(err) || ctx.Err() != nil {
			return err
		}
		l.failed(c)
	}
	return err
}

// renew prolongs a lease by the client and returns the time to live granted, in
// seconds. errLeaseGone means that the lease is no more.
func (l *link) renew(ctx context.Context, c *clientv3.Client, id clientv3.LeaseID) (int64, error) {
	if l.member != nil {
		ttl, err := l.member.renew(ctx, id)
		if errors.Is(err, lease.ErrLeaseNotFound) {
			return 0, errLeaseGone
		}
		return ttl, err
	}
	answer, err := c.KeepAliveOnce(ctx, id)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return 0, errLeaseGone
	}
	if err != nil {
		l.failed(c)
		return 0, err
	}
	return answer.TTL, nil
}

var errLeaseGone = errors.New("the lease is no more")

// endpointsTime is how often a client looks who votes now.
const endpointsTime = 10 * time.Second

// follow keeps a client's endpoints to those of the present voters.
func (l *link) follow(ctx context.Context) error {
	for l.member == nil && pause(ctx.Done(), endpointsTime) {
		voters, err := l.voters(ctx)
		if err != nil || len(voters) == 0 {
			continue
		}
		if err := l.aim(voters); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) voters(ctx context.Context) ([]string, error) {
	var urls []string
	err := l.each(ctx, 1, 2*time.Second, func(ctx context.Context, c *clientv3.Client) error {
		list, err := c.MemberList(ctx)
		if err != nil {
			return err
		}
		for _, m := range list.Members {
			if !m.IsLearner && len(m.ClientURLs) > 0 {
				urls = append(urls, m.ClientURLs[0])
			}
		}
		return nil
	})
	slices.Sort(urls)
	return urls, err
}

// endpoints returns the client URLs in use; none for a member.
func (l *link) endpoints() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, r := range l.remotes {
		list = append(list, r.endpoint)
	}
	return list
}

func (l *link) close() {
	if l.member != nil {
		l.member.stop()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.remotes {
		r.client.Close()
	}
}
