package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/haulout/haulout/resp"
)

// replicationOptions are those Haulout gives its engines.
var replicationOptions = []string{
	"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-diskless-load", "on-empty-db",
	"--repl-backlog-size", "64mb", "--client-output-buffer-limit", "replica 0 0 0", "--rdbcompression", "no",
}

// couple starts a master and its replica.
func (b *bench) couple(ctx context.Context) (master, replica *server, err error) {
	if master, err = b.engine(ctx, replicationOptions...); err != nil {
		return nil, nil, err
	}
	if replica, err = b.engine(ctx, replicationOptions...); err != nil {
		return nil, nil, err
	}
	if _, err = ask(ctx, replica.address, "REPLICAOF", "127.0.0.1", master.port()); err != nil {
		return nil, nil, err
	}
	return master, replica, awaitFollowing(ctx, replica.address, master.address)
}

// awaitFollowing waits until the replica is linked, and the master feeds it.
func awaitFollowing(ctx context.Context, replica, master string) error {
	return await(ctx, replica+" follows "+master, 60*time.Second, func(ctx context.Context) error {
		theirs, err := ask(ctx, replica, "INFO", "replication")
		if err != nil {
			return err
		}
		ours, err := ask(ctx, master, "INFO", "replication")
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(master)
		if infoField(theirs.Str, "master_link_status") != "up" || infoField(theirs.Str, "master_port") != port || !strings.Contains(ours.Str, "state=online") {
			return errors.New("not linked")
		}
		return nil
	})
}

// awaitMaster waits until the replica has become master.
func awaitMaster(ctx context.Context, address string) error {
	return await(ctx, address+" is master", 60*time.Second, func(ctx context.Context) error {
		role, err := info(ctx, address, "replication", "role")
		if err == nil && role != "master" {
			err = errors.New(role)
		}
		return err
	})
}

// idlePair changes nothing.
func (b *bench) idlePair(ctx context.Context) (*pair, error) {
	master, _, err := b.couple(ctx)
	if err != nil {
		return nil, err
	}
	swap := func(ctx context.Context) error { return sleep(ctx, time.Second) }
	return &pair{addresses: []string{master.address}, swap: swap}, nil
}

// failoverPair uses the engine's own FAILOVER.
func (b *bench) failoverPair(ctx context.Context) (*pair, error) {
	m, r, err := b.couple(ctx)
	if err != nil {
		return nil, err
	}
	master, replica := m.address, r.address
	p := &pair{addresses: []string{master, replica}, rest: 300 * time.Millisecond}
	p.swap = func(ctx context.Context) error {
		host, port, _ := net.SplitHostPort(replica)
		if _, err := ask(ctx, master, "FAILOVER", "TO", host, port); err != nil {
			return err
		}
		master, replica = replica, master
		return awaitMaster(ctx, master)
	}
	p.settle = func(ctx context.Context) error { return awaitFollowing(ctx, replica, master) }
	return p, nil
}

const (
	nodeTimeout = 1000 // milliseconds
	// firstThird is a hash tag whose slot, 2933, the first of three masters has.
	firstThird = "{bench}"
)

// clusterPair is one shard of a Redis Cluster of three.
func (b *bench) clusterPair(ctx context.Context) (*pair, error) {
	var nodes []*server
	for range 4 {
		n, err := b.clusterNode(ctx, nodeTimeout)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if err := formCluster(ctx, nodes[:3], nodes); err != nil {
		return nil, err
	}
	id, err := ask(ctx, nodes[0].address, "CLUSTER", "MYID")
	if err != nil {
		return nil, err
	}
	master, replica := nodes[0].address, nodes[3].address
	err = await(ctx, "the replica is accepted", ready, func(ctx context.Context) error {
		_, err := ask(ctx, replica, "CLUSTER", "REPLICATE", id.Str)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Sooner, and the other masters would not vote for this one again.
	p := &pair{tag: firstThird, addresses: []string{master, replica}, rest: 3 * nodeTimeout * time.Millisecond}
	p.swap = func(ctx context.Context) error {
		if _, err := ask(ctx, replica, "CLUSTER", "FAILOVER"); err != nil {
			return err
		}
		master, replica = replica, master
		return awaitMaster(ctx, master)
	}
	p.settle = func(ctx context.Context) error { return awaitFollowing(ctx, replica, master) }
	return p, awaitFollowing(ctx, replica, master)
}

// clusterNode starts an engine in cluster mode.
func (b *bench) clusterNode(ctx context.Context, timeout int) (*server, error) {
	bus, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(bus)
	n, err := b.engine(ctx, append([]string{"--cluster-enabled", "yes", "--cluster-port", port, "--cluster-node-timeout", fmt.Sprint(timeout)}, replicationOptions...)...)
	if err == nil {
		n.bus = port
	}
	return n, err
}

// formCluster spreads the slots over the masters and waits until all nodes agree.
func formCluster(ctx context.Context, masters, all []*server) error {
	const slots = 16384
	for i, m := range masters {
		first, last := i*slots/len(masters), (i+1)*slots/len(masters)-1
		if _, err := ask(ctx, m.address, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint(last)); err != nil {
			return err
		}
		// Different epochs from the start, or the nodes would have to sort that out.
		if _, err := ask(ctx, m.address, "CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1)); err != nil {
			return err
		}
	}
	for _, n := range all[1:] {
		if _, err := ask(ctx, all[0].address, "CLUSTER", "MEET", "127.0.0.1", n.port(), n.bus); err != nil {
			return err
		}
	}
	return await(ctx, "the cluster is formed", ready, func(ctx context.Context) error {
		for _, n := range all {
			v, err := ask(ctx, n.address, "CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if infoField(v.Str, "cluster_state") != "ok" || infoField(v.Str, "cluster_known_nodes") != fmt.Sprint(len(all)) {
				return errors.New("not yet")
			}
		}
		return nil
	})
}

// sentinelPair is a pair watched by one Sentinel; the writers follow what it
// announces.
func (b *bench) sentinelPair(ctx context.Context) (*pair, error) {
	m, r, err := b.couple(ctx)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	file, err := b.write("sentinel.conf", fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor bench 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds bench 5000\nsentinel failover-timeout bench 10000\n", port, m.port()))
	if err != nil {
		return nil, err
	}
	s, err := b.serve(ctx, "sentinel", address, m.cmd.Path, file, "--sentinel")
	if err != nil {
		return nil, err
	}
	master, replica := m.address, r.address
	p := &pair{addresses: []string{master, replica}, follow: func(ctx context.Context, w *writers) { followSwitches(ctx, s.address, w) }}
	p.swap = func(ctx context.Context) error {
		// It has to have noticed the replica, and to be done with the last one. The
		// former master takes writes until it is told to follow, so all of that counts.
		err := await(ctx, "SENTINEL FAILOVER is accepted", 60*time.Second, func(ctx context.Context) error {
			_, err := ask(ctx, s.address, "SENTINEL", "FAILOVER", "bench")
			return err
		})
		if err != nil {
			return err
		}
		master, replica = replica, master
		return awaitFollowing(ctx, replica, master)
	}
	return p, nil
}

// followSwitches tells the writers of each master that Sentinel announces.
func followSwitches(ctx context.Context, address string, w *writers) {
	c, err := resp.Dial(ctx, address)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	_, _ = c.Write(resp.AppendCommand(nil, "SUBSCRIBE", "+switch-master"))
	for c.Flush() == nil {
		v, err := c.ReadValue()
		if err != nil {
			return
		}
		if words := v.Strings(); len(words) == 3 && words[0] == "message" {
			if f := strings.Fields(words[2]); len(f) == 5 {
				to := net.JoinHostPort(f[3], f[4])
				w.master.Store(&to)
			}
		}
	}
}
