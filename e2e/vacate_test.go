package e2e

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// An operator moves everything off a node, once while its host answers and once
// when it is dead: then the database that had no copy answers an error and does not
// pretend to be empty, until the host is back with its disk.
func TestNodeIsVacated(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := threeHosts(ctx, t, "127.0.14.")
	for _, d := range []api.CreateDatabase{
		{Name: "pair", MemorySize: 64 << 20, ShardsCount: 1, Replication: true, Eviction: "noeviction"},
		{Name: "alone", MemorySize: 64 << 20, ShardsCount: 1, Eviction: "noeviction", Persistence: "aof"},
	} {
		if _, err := c.CreateDatabase(ctx, d); err != nil {
			t.Fatal(err)
		}
		client := c.Client(d.Name)
		defer client.Close()
		if err := client.Set(ctx, "k", d.Name, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	lap := func(what string) { t.Logf("%s after %s", what, milliseconds(time.Since(began))) }
	first := c.home(ctx, t, "alone")
	said, err := c.Ask(ctx, first%Nodes+1, "node", fmt.Sprint(first), "vacate", "cause", "hardware", "reason", "a fan is loud")
	if err != nil || !strings.HasSuffix(said, "100%\nOK\n") || strings.Contains(said, cluster.NotGraceful) {
		t.Fatalf("%s%v", said, err)
	}
	if b, err := c.Burden(ctx, first); err != nil || b != (Burden{}) {
		t.Errorf("node %d is vacated and carries %v, %v", first, b, err)
	}
	c.reads(ctx, t, "alone", "pair")

	lap("vacated alive")
	victim := c.home(ctx, t, "alone")
	other := victim%Nodes + 1
	if c.REST, err = c.Hosts.REST(other, operator, c.Password); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(victim); err != nil {
		t.Fatal(err)
	}
	err = await(ctx, "the host counts as down", readyDeadline, func(ctx context.Context) (bool, error) {
		var n api.NodeObject
		err := c.REST.Get(ctx, fmt.Sprintf("/v1/nodes/%d", victim), &n)
		return n.Status == "down", err
	})
	if err != nil {
		t.Fatal(err)
	}
	lap("down")
	said, err = c.Ask(ctx, other, "node", fmt.Sprint(victim), "vacate", "cause", "host_lost", "reason", "it burnt")
	if err == nil || !strings.Contains(said, cluster.NotGraceful) || !strings.Contains(err.Error()+said, "alone) is lost until restored") {
		t.Fatalf("%s%v", said, err)
	}
	lap("vacated dead")
	c.reads(ctx, t, "pair")
	err = await(ctx, "its slots answer an error", readyDeadline, func(ctx context.Context) (bool, error) {
		client := c.Client("alone")
		defer client.Close()
		_, err := client.Get(ctx, "k").Result()
		if err == nil || err == redis.Nil {
			return false, fmt.Errorf("an answer without the data: %v", err)
		}
		return strings.Contains(err.Error(), "lost until restored"), nil
	})
	if err != nil {
		t.Error(err)
	}
	lap("an error is answered")
	said, err = c.Ask(ctx, other, "recover", "db", "alone", "only_configuration", "-y")
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("node:%d is down and may have the data", victim)) {
		t.Errorf("begins empty although its data may come back: %s%v", said, err)
	}
	c.logged(ctx, t, "node_vacate_step_skipped", cluster.NotGraceful, "host_lost", "it burnt")
	if err := c.Start(ctx, victim); err != nil {
		t.Fatal(err)
	}
	c.reads(ctx, t, "alone", "pair")
	lap("its data is back")
}

// threeHosts are a cluster without databases.
func threeHosts(ctx context.Context, t *testing.T, network string) *Cluster {
	t.Helper()
	hosts := &Hosts{Binary: build(t), Folder: shortTempDir(t), Network: network}
	t.Cleanup(func() {
		if t.Failed() {
			for n := 1; n <= Nodes; n++ {
				t.Logf("the end of the log of node %d\n%s", n, hosts.LogTail(n, 30))
			}
		}
		if err := hosts.Down(); err != nil {
			t.Error(err)
		}
	})
	c := &Cluster{Hosts: hosts, Out: io.Discard}
	for n := 1; n <= Nodes; n++ {
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.join(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// home is the node with the master of the database.
func (c *Cluster) home(ctx context.Context, t *testing.T, database string) int {
	t.Helper()
	return int(c.masterOf(ctx, t, database).Node)
}

// masterOf is the master of a database with one range.
func (c *Cluster) masterOf(ctx context.Context, t *testing.T, database string) api.Shard {
	t.Helper()
	var dbs []api.Database
	var shards []api.Shard
	if err := c.REST.Get(ctx, "/v1/bdbs", &dbs); err != nil {
		t.Fatal(err)
	}
	if err := c.REST.Get(ctx, "/v1/shards", &shards); err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		for _, d := range dbs {
			if d.Name == database && s.Database == d.UID && s.Role == "master" {
				return s
			}
		}
	}
	t.Fatalf("nobody has %s", database)
	return api.Shard{}
}

// reads waits until the databases answer with what was written.
func (c *Cluster) reads(ctx context.Context, t *testing.T, databases ...string) {
	t.Helper()
	for _, name := range databases {
		err := await(ctx, name+" has its data", readyDeadline, func(ctx context.Context) (bool, error) {
			client := c.Client(name)
			defer client.Close()
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			got, err := client.Get(ctx, "k").Result()
			if err == redis.Nil {
				return false, fmt.Errorf("%s is empty", name)
			}
			return err == nil && got == name, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// logged looks for an entry of the activity.
func (c *Cluster) logged(ctx context.Context, t *testing.T, kind, text, cause, reason string) {
	t.Helper()
	var entries []map[string]any
	if err := c.REST.Get(ctx, "/v1/logs?order=desc", &entries); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e["type"] == kind && e["description"] == text && e["cause"] == cause && e["reason"] == reason {
			return
		}
	}
	t.Errorf("the activity has no %s %q because of %s: %s", kind, text, cause, reason)
}
