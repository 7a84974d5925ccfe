package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
)

// hosts are addresses that nothing else of this project uses.
const hosts = "127.0.90."

// ourCluster is three whole nodes of Haulout with one database.
type ourCluster struct {
	*e2e.Cluster
	database api.Database
}

// ours starts a cluster in a folder of its own. End it by Down.
func (b *bench) ours(ctx context.Context, d api.CreateDatabase) (*ourCluster, error) {
	// Short, because sockets are in it.
	folder, err := os.MkdirTemp("", "hb-")
	if err != nil {
		return nil, err
	}
	c := &ourCluster{Cluster: &e2e.Cluster{Hosts: &e2e.Hosts{Binary: b.binary, Folder: folder, Network: hosts}, Out: io.Discard}}
	if err = c.Form(ctx); err == nil {
		c.database, err = c.CreateDatabase(ctx, d)
	}
	if err != nil {
		return nil, errors.Join(err, c.Down())
	}
	return c, nil
}

// ourPair is a replicated shard of a whole cluster: its clients use the
// endpoint, and an operator fails the master over.
func (b *bench) ourPair(ctx context.Context) (*pair, error) {
	return b.commandPair(ctx, func(ctx context.Context, c *ourCluster) error {
		master, err := c.master(ctx)
		if err != nil {
			return err
		}
		return c.CLI(ctx, io.Discard, 1, "failover", "shard", fmt.Sprint(master))
	})
}

// lookPair is the same cluster, and an operator only looks at it: what daemons
// and commands on these processors do to clients without any hand-over.
func (b *bench) lookPair(ctx context.Context) (*pair, error) {
	return b.commandPair(ctx, func(ctx context.Context, c *ourCluster) error {
		return errors.Join(c.CLI(ctx, io.Discard, 1, "status"), sleep(ctx, time.Second))
	})
}

func (b *bench) commandPair(ctx context.Context, command func(context.Context, *ourCluster) error) (*pair, error) {
	c, err := b.ours(ctx, api.CreateDatabase{Name: "bench", MemorySize: 1 << 30, ShardsCount: 1, Replication: true, Eviction: "noeviction"})
	if err != nil {
		return nil, err
	}
	e := c.database.Endpoints[0]
	return &pair{
		addresses: []string{net.JoinHostPort(e.Addresses[0], strconv.Itoa(e.Port))}, end: c.Down, rest: 300 * time.Millisecond,
		swap: func(ctx context.Context) error { return command(ctx, c) },
	}, nil
}

// master names the database's only master.
func (c *ourCluster) master(ctx context.Context) (api.TextID, error) {
	var shards []api.Shard
	if err := c.REST.Get(ctx, "/v1/shards", &shards); err != nil {
		return 0, err
	}
	for _, s := range shards {
		if s.Role == "master" {
			return s.UID, nil
		}
	}
	return 0, errors.New("no shard is master")
}
