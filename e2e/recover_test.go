package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
)

// recoverable is a cluster with its databases, and a key in one of them.
func recoverable(ctx context.Context, t *testing.T, network string) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	hosts := &Hosts{Binary: build(t), Folder: shortTempDir(t), Network: network}
	t.Cleanup(func() {
		if t.Failed() {
			for n := 1; n <= Nodes; n++ {
				t.Logf("node %d:\n%s", n, hosts.LogTail(n, 60))
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
	return c
}

// shardsOf returns the shards as a node's own operator sees them.
func (c *Cluster) shardsOf(ctx context.Context, n int) (list []api.Shard, err error) {
	said, err := c.Ask(ctx, n, "--json", "status", "shards")
	if err == nil {
		err = json.Unmarshal([]byte(said), &list)
	}
	return list, err
}

// settled waits until every shard is well, or lost, as told.
func (c *Cluster) settled(ctx context.Context, t *testing.T, n int, lost func(api.Shard) bool) {
	t.Helper()
	err := await(ctx, "the recovered cluster is settled", 90*time.Second, func(ctx context.Context) (bool, error) {
		list, err := c.shardsOf(ctx, n)
		if err != nil || len(list) == 0 {
			return false, err
		}
		for _, s := range list {
			switch {
			case !lost(s) && s.Unsettled != "":
				return false, nil
			case lost(s):
				if s.Role == "master" && !s.Lost {
					return false, nil
				}
			case s.Lost || s.Status != "active":
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two of three hosts are gone for good, with their folders. The third brings the
// cluster back with what it has; hosts without a folder take the others' places.
// A shard that has left no copy is named, and nothing is served in its place.
func TestClusterRecoversFromOneHost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := recoverable(ctx, t, "127.0.21.")
	before, err := c.shardsOf(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	here := map[string]bool{} // ranges with a copy on the survivor
	for _, s := range before {
		if s.Node == 3 {
			here[fmt.Sprint(s.Database, s.Slots)] = true
		}
	}
	if _, err := c.Ask(ctx, 3, "cluster", "recover"); err == nil || !strings.Contains(err.Error(), "quorum of cluster demo stands") {
		t.Errorf("recovered a cluster whose quorum stands: %v", err)
	}
	for n := 1; n <= 2; n++ {
		if err := c.Kill(n); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(c.Data(n)); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := c.Ask(ctx, 3, "cluster", "recover", "lost_nodes", "1", "2", "dry_run"); err != nil || !strings.Contains(said, "incarnation 2") {
		t.Fatalf("%s%v", said, err)
	}
	if said, err := c.Ask(ctx, 3, "cluster", "recover", "lost_nodes", "1", "2"); err != nil {
		t.Fatalf("%s%v", said, err)
	}
	lost := func(s api.Shard) bool { return !here[fmt.Sprint(s.Database, s.Slots)] }
	for n := 1; n <= 2; n++ {
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
		said, err := c.Ask(ctx, 3, "cluster", "token")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CLI(ctx, lines{t}, n, "cluster", "join", "nodes", c.Address(3), "token", strings.TrimSpace(said)); err != nil {
			t.Fatal(err)
		}
	}
	c.settled(ctx, t, 1, lost)
}

// Every host's folder is gone, and so is the control plane; engines and proxies
// run on. A saved state and the key are enough: each engine is found again.
func TestClusterRecoversFromAFile(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := recoverable(ctx, t, "127.0.22.")
	client := c.Client("orders")
	defer func() { _ = client.Close() }()
	if err := client.Set(ctx, "kept", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	said, err := c.Ask(ctx, 1, "--json", "cluster", "backup")
	if err != nil {
		t.Fatal(err)
	}
	var b api.StateBackup
	if err := json.Unmarshal([]byte(said), &b); err != nil {
		t.Fatal(err)
	}
	safe := t.TempDir()
	file, key := filepath.Join(safe, "state.db"), filepath.Join(safe, "key")
	for from, to := range map[string]string{b.Path: file, filepath.Join(c.Data(1), "sealing.key"): key} {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= Nodes; n++ {
		if err := c.KillDaemon(n); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= Nodes; n++ {
		if err := os.RemoveAll(c.Data(n)); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := c.Ask(ctx, 2, "cluster", "recover", "filename", file, "key_file", key); err != nil {
		t.Fatalf("%s%v", said, err)
	}
	for _, n := range []int{1, 3} {
		said, err := c.Ask(ctx, 2, "cluster", "token")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CLI(ctx, lines{t}, n, "cluster", "join", "nodes", c.Address(2), "token", strings.TrimSpace(said)); err != nil {
			t.Fatal(err)
		}
	}
	c.settled(ctx, t, 2, func(api.Shard) bool { return false })
	err = await(ctx, "the key is served again", time.Minute, func(ctx context.Context) (bool, error) {
		value, err := client.Get(ctx, "kept").Result()
		return value == "value", err
	})
	if err != nil {
		t.Error(err)
	}
}

// The daemons of two hosts die, the third recovers the cluster without them, and
// then both return with all they had: together they would be a majority of the
// former life. They join the present one with what they run.
func TestFormerMajorityJoins(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := recoverable(ctx, t, "127.0.23.")
	for n := 1; n <= 2; n++ {
		if err := c.KillDaemon(n); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := c.Ask(ctx, 3, "cluster", "recover"); err != nil {
		t.Fatalf("%s%v", said, err)
	}
	for n := 1; n <= 2; n++ {
		if err := c.Start(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	c.settled(ctx, t, 3, func(api.Shard) bool { return false })
	for n := 1; n <= 2; n++ {
		said, err := c.Ask(ctx, n, "--json", "info", "cluster")
		var o api.Cluster
		if err != nil || json.Unmarshal([]byte(said), &o) != nil || o.Incarnation != 2 {
			t.Errorf("node %d: %s%v", n, said, err)
		}
	}
}
