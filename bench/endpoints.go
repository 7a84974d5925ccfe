package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/haulout/haulout/cluster"
	engines "github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/proxy"
)

// The subjects of the rows about endpoints.
const (
	haulout    = "haulout"
	before     = "haulout before"
	nutcracker = "nutcracker"
	haproxy    = "haproxy"
	bare       = "bare shard"
)

// engineOptions are those of the reference, as far as they matter without
// replication; the same behind every proxy.
var engineOptions = []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--tcp-backlog", "511"}

// engine starts an engine without data.
func (b *bench) engine(ctx context.Context, more ...string) (*server, error) {
	program, err := engines.Find("")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	args := append([]string{program.Path, "--port", port}, engineOptions...)
	return b.serve(ctx, "engine", address, append(args, more...)...)
}

func (b *bench) shards(ctx context.Context, n int) ([]*server, error) {
	var list []*server
	for range n {
		s, err := b.engine(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// endpoint starts the subject in front of the shards. The bare shard is its own.
func (b *bench) endpoint(ctx context.Context, subject string, shards []*server) (*server, error) {
	switch subject {
	case haulout:
		return b.haulout(ctx, b.binary, shards)
	case before:
		return b.haulout(ctx, b.before, shards)
	case nutcracker:
		return b.nutcracker(ctx, shards)
	case haproxy:
		return b.haproxy(ctx, shards)
	}
	return shards[0], nil
}

// haulout starts the binary's proxy in front of the shards.
func (b *bench) haulout(ctx context.Context, binary string, shards []*server, more ...string) (*server, error) {
	var addresses []string
	for _, s := range shards {
		addresses = append(addresses, s.address)
	}
	s, client, err := b.proxy(ctx, binary, addresses, "", more...)
	if err == nil {
		client.Close()
	}
	return s, err
}

// proxy starts a proxy as a daemon does, and feeds it the routes to the masters.
func (b *bench) proxy(ctx context.Context, binary string, masters []string, password string, more ...string) (*server, *proxy.Client, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	folder, err := os.MkdirTemp(b.folder, "socket-")
	if err != nil {
		return nil, nil, err
	}
	socket := filepath.Join(folder, "proxy.sock")
	s, err := b.start(haulout, address, append([]string{binary, "proxy", "--socket", socket}, more...)...)
	if err != nil {
		return nil, nil, err
	}
	client := proxy.NewClient(socket)
	err = await(ctx, "the proxy takes its routes", ready, func(ctx context.Context) error {
		if err := client.Apply(ctx, routes(s, masters, password)); err != nil {
			return err
		}
		return client.ServeUntil(ctx, math.MaxInt64)
	})
	if err == nil {
		err = s.awaitListening(ctx)
	}
	if err != nil {
		client.Close()
	}
	return s, client, err
}

// routes split the slots evenly among the masters.
func routes(s *server, masters []string, password string) proxy.Routes {
	port, _ := strconv.Atoi(s.port())
	e := proxy.EndpointRoute{
		ID: cluster.EndpointID{Database: 1, Index: 1}, Database: "bench", Address: "127.0.0.1", Port: port, Listen: true,
		ProxyPassword: password,
	}
	for i, master := range masters {
		e.Ranges = append(e.Ranges, proxy.RangeRoute{
			ID: cluster.RangeID{Database: 1, Index: i}, Generation: 1, Address: master,
			First: i * cluster.Slots / len(masters), Last: (i+1)*cluster.Slots/len(masters) - 1,
		})
	}
	return proxy.Routes{Revision: 1, Endpoints: []proxy.EndpointRoute{e}}
}

// nutcracker is one thread by design. All but the addresses are its defaults.
func (b *bench) nutcracker(ctx context.Context, shards []*server) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	statistics, err := freeAddress()
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("bench:\n  listen: %s\n  redis: true\n  hash: fnv1a_64\n  distribution: modula\n  preconnect: true\n  servers:\n", address)
	for _, s := range shards {
		text += fmt.Sprintf("   - %s:1\n", s.address)
	}
	file, err := b.write("nutcracker.yml", text)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(statistics)
	return b.serve(ctx, nutcracker, address, "nutcracker", "-c", file, "-a", "127.0.0.1", "-s", port, "-v", "2")
}

// haproxy only copies bytes, to one shard: the floor of what a proxy can cost.
func (b *bench) haproxy(ctx context.Context, shards []*server) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file, err := b.write("haproxy.cfg", fmt.Sprintf("global\n  nbthread 1\n  maxconn 9000\ndefaults\n  mode tcp\n"+
		"  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\nlisten bench\n  bind %s\n  server shard %s\n", address, shards[0].address))
	if err != nil {
		return nil, err
	}
	return b.serve(ctx, haproxy, address, "haproxy", "-db", "-f", file)
}

// write makes a file in a folder of its own.
func (b *bench) write(name, text string) (string, error) {
	folder, err := os.MkdirTemp(b.folder, "config-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}
