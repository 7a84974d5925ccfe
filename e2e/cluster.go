package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e/load"
)

// Nodes is how many hosts a cluster has here.
const Nodes = 3

const (
	discoveryPort = 8001
	operator      = "admin@example.com"
	joinDeadline  = 90 * time.Second
	readyDeadline = 60 * time.Second
)

// Cluster is three hosts that belong together.
type Cluster struct {
	*Hosts
	Out      io.Writer // what is going on is told here
	REST     *REST     // of host 1
	Password string    // the operator's
}

// databases are the three every cluster gets: sharded, replicated, and without
// a replica. They are created in this order, which leads the planner to put the
// last one on node 2.
var databases = []api.CreateDatabase{
	{Name: "orders", MemorySize: 1 << 30, ShardsCount: 4, Replication: true, Eviction: "noeviction"},
	{Name: "sessions", MemorySize: 512 << 20, ShardsCount: 1, Replication: true, Eviction: "noeviction"},
	{Name: "cache", MemorySize: 512 << 20, ShardsCount: 1, Eviction: "noeviction"},
}

// shares are how much of the filling each database gets, in percent.
var shares = map[string]int64{"orders": 50, "cache": 30, "sessions": 20}

func (c *Cluster) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Out, "\n=== "+format+"\n", args...) // nobody may be listening
}

// Create forms a cluster and creates the databases.
func (c *Cluster) Create(ctx context.Context) error {
	if err := c.Form(ctx); err != nil {
		return err
	}
	c.say("creating databases over the REST API")
	for _, d := range databases {
		if _, err := c.CreateDatabase(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// Form starts the hosts and makes a cluster of them.
func (c *Cluster) Form(ctx context.Context) error {
	c.say("starting %d hosts: %s to %s", Nodes, c.Address(1), c.Address(Nodes))
	for n := 1; n <= Nodes; n++ {
		if err := c.Start(ctx, n); err != nil {
			return err
		}
	}
	c.say("creating the cluster on node 1, joining the others over TLS")
	return c.join(ctx)
}

func (c *Cluster) join(ctx context.Context) (err error) {
	c.Password = rand.Text()
	file := filepath.Join(c.Folder, "password")
	if err := os.WriteFile(file, []byte(c.Password+"\n"), 0o600); err != nil {
		return err
	}
	if err := c.CLI(ctx, c.Out, 1, "cluster", "create", "name", "demo", "username", operator, "password_file", file); err != nil {
		return err
	}
	if c.REST, err = c.Hosts.REST(1, operator, c.Password); err != nil {
		return err
	}
	for n := 2; n <= Nodes; n++ {
		token, err := c.token(ctx)
		if err != nil {
			return err
		}
		file := filepath.Join(c.Folder, "token")
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			return err
		}
		if err := c.CLI(ctx, c.Out, n, "cluster", "join", "nodes", c.Address(1), "token_file", file); err != nil {
			return err
		}
	}
	return await(ctx, "all nodes vote", joinDeadline, func(ctx context.Context) (bool, error) {
		nodes, err := c.nodes(ctx)
		voters := 0
		for _, n := range nodes {
			if n.Membership == "voter" && n.Status == "active" {
				voters++
			}
		}
		return voters == Nodes, err
	})
}

// token returns a fresh join token: the last word the command prints.
func (c *Cluster) token(ctx context.Context) (string, error) {
	answer, err := c.Ask(ctx, 1, "cluster", "token")
	words := strings.Fields(answer)
	if err == nil && len(words) == 0 {
		err = errors.New("haulout cluster token printed nothing")
	}
	if err != nil {
		return "", err
	}
	return words[len(words)-1], nil
}

// CreateDatabase creates one and waits until it is active.
func (c *Cluster) CreateDatabase(ctx context.Context, d api.CreateDatabase) (made api.Database, err error) {
	if err := c.REST.Post(ctx, "/v1/bdbs", d, &made); err != nil {
		return made, err
	}
	err = await(ctx, d.Name+" is active", readyDeadline, func(ctx context.Context) (bool, error) {
		err := c.REST.Get(ctx, fmt.Sprintf("/v1/bdbs/%d", made.UID), &made)
		return made.Status == "active", err
	})
	if err != nil {
		return made, err
	}
	_, err = fmt.Fprintf(c.Out, "db:%d %s is active at %s:%d\n", made.UID, d.Name, strings.Join(made.Endpoints[0].Addresses, ","), made.Port)
	return made, err
}

// RESTOf connects to host n as the operator.
func (c *Cluster) RESTOf(n int) (*REST, error) { return c.Hosts.REST(n, operator, c.Password) }

func (c *Cluster) nodes(ctx context.Context) (list []api.NodeObject, err error) {
	return list, c.REST.Get(ctx, "/v1/nodes", &list)
}

// Client returns an unmodified go-redis client of the database, with the
// library's defaults, that finds the endpoint by discovery.
func (c *Cluster) Client(database string) *redis.Client {
	return redis.NewFailoverClient(c.discovery(database))
}

// FrankClient is a Client that tries nothing twice, so that an operation which
// returned an error was sent at most once, and that gives up after within.
func (c *Cluster) FrankClient(database string, within time.Duration) *redis.Client {
	o := c.discovery(database)
	o.MaxRetries = -1
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = within, within, within
	return redis.NewFailoverClient(o)
}

func (c *Cluster) discovery(database string) *redis.FailoverOptions {
	o := &redis.FailoverOptions{MasterName: database, Dialer: c.dial()}
	for n := 1; n <= Nodes; n++ {
		o.SentinelAddrs = append(o.SentinelAddrs, fmt.Sprintf("%s:%d", c.Address(n), discoveryPort))
	}
	return o
}

const valueSize = 4 << 10 // bytes

// Fill writes so many bytes into the databases, spread as their shares say.
func (c *Cluster) Fill(ctx context.Context, bytes int64) error {
	c.say("filling the databases with %d MB", bytes>>20)
	var done atomic.Int64
	stop := c.progress(ctx, &done, bytes)
	defer stop()
	for _, d := range databases {
		client := c.Client(d.Name)
		err := load.Fill(ctx, client, valueSize, bytes*shares[d.Name]/100, &done)
		_ = client.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	return nil
}

// progress prints how far a filling is, every two seconds, until stopped.
func (c *Cluster) progress(ctx context.Context, done *atomic.Int64, total int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_, _ = fmt.Fprintf(c.Out, "%d of %d MB\n", done.Load()>>20, total>>20)
			}
		}
	}()
	return func() { cancel(); <-ended }
}
