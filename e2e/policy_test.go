package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e/load"
)

// A database that every node serves, over TLS, loses a node and gets it back,
// changes its certificates and its policy, while clients write: some find it by
// discovery, others hold on to the address of a node that stays. They see no error.
func TestTLSDatabaseOnAllNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, port := startSpread(ctx, t)
	config := c.trust(ctx, t)
	clients := c.writeTLS(ctx, config, port)
	defer clients.Close()
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		words string
		nodes []int // of the endpoint afterwards
	}{
		{"node 2 maintenance_mode on", []int{1, 3}},
		{"node 2 maintenance_mode off", []int{1, 2, 3}},
		{"bind endpoint 4:1 exclude 3", []int{1, 2}},
		{"bind endpoint 4:1 policy all-master-shards", nil},
		{"bind endpoint 4:1 policy all-nodes", []int{1, 2, 3}},
		{"tune db vault tls_mode enabled", []int{1, 2, 3}},
		{"node 3 maintenance_mode on", []int{1, 2}},
		{"node 3 maintenance_mode off", []int{1, 2, 3}},
	} {
		if err := c.CLI(ctx, lines{t}, 1, strings.Fields(step.words)...); err != nil {
			t.Fatalf("%s: %v", step.words, err)
		}
		if err := clients.goOn(ctx); err != nil {
			t.Fatalf("%s: %v", step.words, err)
		}
		if nodes, err := c.boundTo(ctx, 4); err != nil || step.nodes != nil && !slices.Equal(nodes, step.nodes) {
			t.Errorf("%s: the endpoint is on %v, want %v: %v", step.words, nodes, step.nodes, err)
		}
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	for i, w := range clients.writers {
		f := w.Figures()
		t.Logf("%s: %s", []string{"by discovery", "by address"}[i], summary(f))
		if f.Acknowledged == 0 || f.Lost > 0 || f.Duplicated > 0 || f.Errors > 0 {
			t.Errorf("%d of %d acknowledged writes are lost, %d doubled, %d errors: %v", f.Lost, f.Acknowledged, f.Duplicated, f.Errors, f.Failure)
		}
	}
}

// startSpread starts a cluster with a fourth database, vault, on all nodes.
func startSpread(ctx context.Context, t *testing.T) (*Cluster, int) {
	t.Helper()
	hosts := &Hosts{Binary: build(t), Folder: shortTempDir(t), Network: "127.0.9."}
	t.Cleanup(func() {
		if t.Failed() {
			for n := 1; n <= Nodes; n++ {
				t.Logf("the end of the log of node %d\n%s", n, hosts.LogTail(n, 20))
			}
		}
		if err := hosts.Down(); err != nil {
			t.Error(err)
		}
	})
	c := &Cluster{Hosts: hosts, Out: io.Discard}
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	vault := api.CreateDatabase{Name: "vault", MemorySize: 256 << 20, ShardsCount: 2, Replication: true, ProxyPolicy: "all-nodes", TLSMode: "enabled"}
	if _, err := c.CreateDatabase(ctx, vault); err != nil {
		t.Fatal(err)
	}
	if nodes, err := c.boundTo(ctx, 4); err != nil || !slices.Equal(nodes, []int{1, 2, 3}) {
		t.Fatalf("%v, %v", nodes, err)
	}
	var d api.Database
	if err := c.REST.Get(ctx, "/v1/bdbs/4", &d); err != nil || d.Endpoints[0].Nodes[0] != 2 {
		t.Fatalf("discovery does not answer node 2, which is to go: the test would show less: %v", err)
	}
	return c, d.Port
}

// trust is what a client needs to believe the endpoints.
func (c *Cluster) trust(ctx context.Context, t *testing.T) *tls.Config {
	t.Helper()
	ca, err := c.Ask(ctx, 1, "cluster", "certificate", "show", "ca")
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM([]byte(ca)) {
		t.Fatal("no certificate authority was shown", err)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// writeTLS starts clients of vault with the library's defaults.
func (c *Cluster) writeTLS(ctx context.Context, config *tls.Config, port int) *Clients {
	found := &redis.FailoverOptions{MasterName: "vault", TLSConfig: config}
	for n := 1; n <= Nodes; n++ {
		found.SentinelAddrs = append(found.SentinelAddrs, fmt.Sprintf("%s:%d", c.Address(n), discoveryPort))
	}
	fixed := &redis.Options{Addr: fmt.Sprintf("%s:%d", c.Address(1), port), TLSConfig: config}
	all := &Clients{}
	ctx, all.stop = context.WithCancel(ctx)
	for i, client := range []*redis.Client{redis.NewFailoverClient(found), redis.NewClient(fixed)} {
		w := load.New(client, load.Config{Name: []string{"found", "fixed"}[i], Workers: writersPerDatabase, Rate: writesPerSecond})
		all.closers = append(all.closers, client.Close)
		all.writers = append(all.writers, w)
		all.running.Go(func() { w.Run(ctx) })
	}
	return all
}

// boundTo returns the nodes on which the database's endpoint listens, once that is
// all that it shall.
func (c *Cluster) boundTo(ctx context.Context, database int) (nodes []int, err error) {
	err = await(ctx, "the endpoint is where it shall be", readyDeadline, func(ctx context.Context) (bool, error) {
		var d api.Database
		if err := c.REST.Get(ctx, fmt.Sprintf("/v1/bdbs/%d", database), &d); err != nil {
			return false, err
		}
		if len(d.Endpoints) == 0 {
			return false, errors.New("it has none")
		}
		nodes = nil
		for _, n := range d.Endpoints[0].Nodes {
			nodes = append(nodes, int(n))
		}
		slices.Sort(nodes)
		return d.Status == "active" && d.Endpoints[0].Listening, nil
	})
	return nodes, err
}
