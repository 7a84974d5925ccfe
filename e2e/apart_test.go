package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e/lan"
)

// The host of a master is cut off from the cluster master alone: another one leads before
// its lease ends, nothing fails over, and its clients notice nothing.
func TestHostCutOffFromTheClusterMasterAlone(t *testing.T) {
	ctx, c, network := onLAN(t)
	name, home, away, leader, port := c.pairBesideTheLeader(ctx, t)
	network.Set(lan.Weather{Cut: true}, lan.Between([]int{home}, []int{leader})...)
	var longest time.Duration
	last := time.Now()
	for began, want := last, int64(1); time.Since(began) < 20*time.Second; want++ {
		got, err := c.count(ctx, home, port)
		if err != nil || got != want {
			t.Fatalf("%d instead of %d, %v, %s after the cut", got, want, err, time.Since(began))
		}
		longest, last = max(longest, time.Since(last)), time.Now()
	}
	rest, err := c.RESTOf(away)
	if err != nil {
		t.Fatal(err)
	}
	c.REST = rest
	var state api.Cluster
	var entries []map[string]any
	if err := errors.Join(c.REST.Get(ctx, "/v1/cluster", &state), c.REST.Get(ctx, "/v1/logs?order=desc", &entries)); err != nil {
		t.Fatal(err)
	}
	if int(state.Master) != away || c.home(ctx, t, name) != home {
		t.Errorf("node %d leads and %s is on node %d; only node %d reaches all, and node %d serves it", state.Master, name, c.home(ctx, t, name), away, home)
	}
	for _, e := range entries {
		if e["type"] == "node_down" || e["type"] == "shard_failover_started" {
			t.Errorf("%v: %v", e["type"], e["description"])
		}
	}
	t.Logf("the longest wait of a client was %s", longest)
}

// The host of a master is cut off from the quorum, but not from its replica's host, which
// can not lead. It goes on beyond its lease, as that one promises, until the replica takes
// over: every number that a counter gives, it gives once.
func TestMasterCutOffFromTheQuorumAlone(t *testing.T) {
	ctx, c, network := onLAN(t)
	name, home, away, leader, port := c.pairBesideTheLeader(ctx, t)
	if said, err := c.Ask(ctx, leader, "node", fmt.Sprint(away), "maintenance_mode", "on", "keep_slave_shards"); err != nil {
		t.Fatal(said, err)
	}
	// While a daemon is bound by what one before it may have promised, it is not known
	// to know its copies.
	err := await(ctx, "no host is bound by a promise", readyDeadline, func(ctx context.Context) (bool, error) {
		var nodes map[api.TextID]api.NodeStatus
		err := c.REST.Get(ctx, "/v1/nodes/status", &nodes)
		return !slices.ContainsFunc(slices.Collect(maps.Values(nodes)), func(n api.NodeStatus) bool { return n.Bound }), err
	})
	if err != nil {
		t.Fatal(err)
	}
	network.Set(lan.Weather{Cut: true}, lan.Between([]int{home}, []int{leader})...)
	began := time.Now()
	seen, last := map[int64]bool{}, map[int]time.Duration{}
	counting, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex // guards seen and last
	var wait sync.WaitGroup
	for _, host := range []int{home, leader} {
		wait.Go(func() {
			for counting.Err() == nil {
				got, err := c.count(counting, host, port)
				if err != nil {
					continue
				}
				mu.Lock()
				if seen[got] {
					t.Errorf("%d was given twice, after %s by node %d", got, time.Since(began), host)
				}
				seen[got], last[host] = true, time.Since(began)
				mu.Unlock()
			}
		})
	}
	err = await(ctx, "the replica takes over", time.Minute, func(ctx context.Context) (bool, error) {
		return c.home(ctx, t, name) == away && time.Since(began) > 20*time.Second, nil
	})
	stop()
	wait.Wait()
	if err != nil {
		t.Fatalf("%v; last writes: %v", err, last)
	}
	t.Logf("%d numbers, the last by the old master's host, node %d, after %s", len(seen), home, last[home])
	network.Heal()
	err = await(ctx, "both hosts count on", readyDeadline, func(ctx context.Context) (bool, error) {
		for _, host := range []int{home, leader} {
			got, err := c.count(ctx, host, port)
			if err != nil {
				return false, nil
			}
			if seen[got] {
				return false, fmt.Errorf("%d was given twice", got)
			}
			seen[got] = true
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// onLAN forms a cluster whose hosts have addresses of their own, between which packets can
// be lost.
func onLAN(t *testing.T) (context.Context, *Cluster, *lan.LAN) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	network, err := lan.New(Nodes)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(network.Close)
	c := &Cluster{Hosts: &Hosts{Binary: build(t), Folder: shortTempDir(t), Network: lan.Network, LAN: network}, Out: io.Discard}
	t.Cleanup(func() {
		for n := 1; n <= Nodes && t.Failed(); n++ {
			t.Logf("the end of the log of node %d\n%s", n, c.LogTail(n, 30))
		}
		if err := c.Down(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Form(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx, c, network
}

// pairBesideTheLeader makes a database whose two copies are not on the cluster
// master's host.
func (c *Cluster) pairBesideTheLeader(ctx context.Context, t *testing.T) (name string, home, away, leader, port int) {
	t.Helper()
	var state api.Cluster
	if err := c.REST.Get(ctx, "/v1/cluster", &state); err != nil {
		t.Fatal(err)
	}
	leader = int(state.Master)
	rest, err := c.RESTOf(leader)
	if err != nil {
		t.Fatal(err)
	}
	c.REST = rest
	for i := range 6 {
		d := api.CreateDatabase{Name: fmt.Sprint("pair", i), Replication: true, MemorySize: 64 << 20, ShardsCount: 1, ProxyPolicy: "all-nodes"}
		made, err := c.CreateDatabase(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		var shards []api.Shard
		if err := c.REST.Get(ctx, "/v1/shards", &shards); err != nil {
			t.Fatal(err)
		}
		shards = slices.DeleteFunc(shards, func(s api.Shard) bool { return s.Database != made.UID })
		home = c.home(ctx, t, d.Name)
		for _, s := range shards {
			if int(s.Node) != home {
				away = int(s.Node)
			}
		}
		if home != leader && away != leader {
			return d.Name, home, away, leader, made.Port
		}
	}
	t.Fatalf("every database has a copy on node %d", leader)
	return "", 0, 0, 0, 0
}

// count counts one further by the endpoint of a host, trying nothing twice.
func (c *Cluster) count(ctx context.Context, host, port int) (int64, error) {
	client := redis.NewClient(&redis.Options{
		Addr: fmt.Sprintf("%s:%d", c.Address(host), port), MaxRetries: -1, Dialer: c.dial(), ReadTimeout: 10 * time.Second,
	})
	defer func() { _ = client.Close() }()
	return client.Incr(ctx, "counter").Result()
}
