package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
)

// Two of three voters die with their hosts. What has all its copies on the other
// hosts goes on, with replication and without; what has one on a dead host stops, and
// so does what asks for min_replicas; status says so. Back with its quorum the
// cluster has every write.
func TestServingWithoutAQuorum(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := threeHosts(ctx, t, "127.0.47.")
	c.joinFourth(ctx, t)
	homes := c.scatter(ctx, t)
	living := 0 // the voter that lives, beside node 4
	for name, home := range homes {
		if strings.HasPrefix(name, "pair") && slices.Contains(home.hosts, 4) {
			living = home.hosts[0] + home.hosts[1] - 4
		}
	}
	if living == 0 {
		t.Fatalf("no database has its copies on a voter and on node 4: %v", homes)
	}
	dead := slices.DeleteFunc([]int{1, 2, 3}, func(n int) bool { return n == living })
	for name := range homes {
		if err := c.writes(ctx, 4, homes[name], name); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range dead {
		if err := c.Kill(n); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	goesOn := func(name string) bool {
		return !slices.ContainsFunc(homes[name].hosts, func(n int) bool { return slices.Contains(dead, n) }) && !strings.HasPrefix(name, "strict")
	}
	err := await(ctx, "node "+fmt.Sprint(living)+" says what is served", time.Minute, func(ctx context.Context) (bool, error) {
		said, _ := c.Ask(ctx, living, "status") // it complains, too
		return strings.Contains(said, "are served without a quorum") && strings.Contains(said, "does not promise to leave it one"), nil
	})
	if err != nil {
		said, _ := c.Ask(ctx, living, "status")
		t.Fatalf("%v\n%s", err, said)
	}
	err = await(ctx, "it is counted", readyDeadline, func(ctx context.Context) (bool, error) { // with the next report
		said, _ := c.Ask(ctx, living, "info", "proxy", fmt.Sprint(living))
		return strings.Contains(said, "times without a lease: 1; "), nil
	})
	if err != nil {
		t.Error(err)
	}
	served := 0
	for time.Since(began) < 25*time.Second { // three leases long
		for name := range homes {
			if !goesOn(name) {
				continue
			}
			served++
			for _, host := range []int{living, 4} {
				if err := c.writes(ctx, host, homes[name], name+" alone"); err != nil {
					t.Fatalf("%s by node %d after %s: %v", name, host, time.Since(began), err)
				}
			}
		}
	}
	if served == 0 {
		t.Fatalf("nothing was to go on: %v, dead %v", homes, dead)
	}
	// A daemon that is started again knows no less than the one before it: it goes on. The
	// voter comes last, as another host starts by what a running one knows.
	for _, n := range []int{4, living} {
		ended := time.Now()
		if err := c.KillDaemon(n); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
		for name := range homes {
			if !goesOn(name) {
				continue
			}
			for _, host := range []int{living, 4} {
				if err := c.goesOnAt(ctx, host, homes[name], name+" alone"); err != nil {
					t.Errorf("%s by node %d, after the daemon of node %d was started again: %v", name, host, n, err)
				}
			}
		}
		t.Logf("the daemon of node %d was started again, and everything takes writes, after %s", n, time.Since(ended).Round(time.Millisecond))
		longest := time.Duration(0)
		for time.Since(ended) < 12*time.Second { // what the daemon before was promised has ended long ago
			for name := range homes {
				if began := time.Now(); goesOn(name) {
					if err := c.writes(ctx, n, homes[name], name+" alone"); err != nil {
						t.Fatalf("%s by node %d: %v", name, n, err)
					}
					longest = max(longest, time.Since(began))
				}
			}
		}
		t.Logf("from then on, the longest write took %s", longest.Round(time.Millisecond))
	}
	for name, home := range homes {
		if !goesOn(name) && c.writes(ctx, living, home, "late") == nil {
			t.Errorf("%s on %v takes writes without a quorum", name, home.hosts)
		}
	}
	for _, n := range dead {
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	for name := range homes {
		if !goesOn(name) {
			continue
		}
		err := await(ctx, name+" has what was written without a quorum", readyDeadline, func(ctx context.Context) (bool, error) {
			client := c.Client(name)
			defer func() { _ = client.Close() }()
			got, err := client.Get(ctx, "k").Result()
			return err == nil && got == name+" alone", nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// joinFourth adds a host that does not vote.
func (c *Cluster) joinFourth(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := c.Start(ctx, 4); err != nil {
		t.Fatal(err)
	}
	token, err := c.token(ctx)
	if err == nil {
		err = c.CLI(ctx, c.Out, 4, "cluster", "join", "nodes", c.Address(1), "token", token)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scatter creates databases and returns the nodes with their copies, the master's first.
func (c *Cluster) scatter(ctx context.Context, t *testing.T) map[string]spread {
	t.Helper()
	for i := range 4 {
		for _, d := range []api.CreateDatabase{{Name: fmt.Sprint("pair", i), Replication: true}, {Name: fmt.Sprint("lone", i)}} {
			d.MemorySize, d.ShardsCount, d.ProxyPolicy = 64<<20, 1, "all-nodes"
			if _, err := c.CreateDatabase(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	strict := api.CreateDatabase{Name: "strict", Replication: true, MemorySize: 64 << 20, ShardsCount: 1, MinReplicas: 1, ProxyPolicy: "all-nodes"}
	if _, err := c.CreateDatabase(ctx, strict); err != nil {
		t.Fatal(err)
	}
	var dbs []api.Database
	var shards []api.Shard
	if err := c.REST.Get(ctx, "/v1/bdbs", &dbs); err != nil {
		t.Fatal(err)
	}
	if err := c.REST.Get(ctx, "/v1/shards", &shards); err != nil {
		t.Fatal(err)
	}
	homes := map[string]spread{}
	for _, d := range dbs {
		home := spread{port: d.Port}
		for _, s := range shards {
			if s.Database == d.UID {
				home.hosts = append(home.hosts, int(s.Node))
			}
		}
		homes[d.Name] = home
	}
	return homes
}

// spread is where a database is.
type spread struct {
	hosts []int // with its copies
	port  int   // of its endpoint, on every host
}

// goesOnAt waits until the endpoint of a host takes writes.
func (c *Cluster) goesOnAt(ctx context.Context, host int, s spread, value string) error {
	return await(ctx, fmt.Sprintf("node %d serves", host), readyDeadline, func(ctx context.Context) (bool, error) {
		return c.writes(ctx, host, s, value) == nil, nil
	})
}

// writes writes by the endpoint of a host, trying nothing twice.
func (c *Cluster) writes(ctx context.Context, host int, s spread, value string) error {
	client := redis.NewClient(&redis.Options{
		Addr: fmt.Sprintf("%s:%d", c.Address(host), s.port), MaxRetries: -1, DialTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second,
	})
	defer func() { _ = client.Close() }()
	return client.Set(ctx, "k", value, 0).Err()
}
