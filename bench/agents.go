package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/proxy"
)

// agentsEngine is an engine started as agents start theirs. It outlives who
// started it, unless ended.
type agentsEngine struct {
	*engine.Process
	address string
}

func (b *bench) agentsEngine(ctx context.Context, s engine.Spec) (*agentsEngine, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	if s.Port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	p, err := engine.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	return &agentsEngine{p, address}, nil
}

// end kills it; its folder goes with the bench's.
func (a *agentsEngine) end() {
	_ = a.Kill() // fails only if it is gone
	_ = a.Close()
}

// spec is what agents start an engine with.
func (b *bench) spec(name string) (engine.Spec, error) {
	program, err := engine.Find("")
	return engine.Spec{
		Name: name, Dir: filepath.Join(b.folder, name+"-"+rand.Text()), Binary: program, Address: "127.0.0.1",
		Users: engine.Users{Agent: "for agents", Replica: "for replicas", Proxy: "for proxies"},
	}, err
}

// executorPair is a pair behind one proxy, handed over as the executor does it,
// without the control plane around: what is left of the pause when nothing else
// of Haulout uses the machine.
func (b *bench) executorPair(ctx context.Context) (p *pair, err error) {
	var open []*agentsEngine
	end := func() error {
		for _, a := range open {
			a.end()
		}
		return nil
	}
	defer func() {
		if err != nil {
			_ = end() // always nil
		}
	}()
	var source *engine.Source
	for _, name := range []string{"a", "b"} {
		s, err := b.spec(name)
		if err != nil {
			return nil, err
		}
		s.Source = source
		a, err := b.agentsEngine(ctx, s)
		if err != nil {
			return nil, err
		}
		open = append(open, a)
		source = &engine.Source{Address: a.Address, Port: a.Port}
	}
	s, client, err := b.proxy(ctx, b.binary, []string{open[0].address}, open[0].Users.Proxy)
	if err != nil {
		return nil, err
	}
	h := handOver{from: open[0], to: open[1], client: client, generation: 1}
	p = &pair{addresses: []string{s.address}, swap: h.swap, settle: h.settle}
	p.end = func() error { client.Close(); return end() }
	if err := h.settle(ctx); err != nil {
		return nil, err
	}
	// Only a write tells a replica that gets them from one that is just linked.
	if _, err := ask(ctx, s.address, "SET", "begin", "1"); err != nil {
		return nil, err
	}
	return p, h.settle(ctx)
}

// handOver is an executor and what it talks to.
type handOver struct {
	from, to   *agentsEngine
	client     *proxy.Client
	generation int64
}

func (h *handOver) swap(ctx context.Context) error {
	h.generation++
	id := cluster.RangeID{Database: 1}
	out := engine.Handover{
		Source: h.from.Instance, Target: h.to.Instance,
		Hold: func(ctx context.Context) bool {
			drained, err := h.client.Hold(ctx, proxy.Hold{Range: id, Generation: h.generation, For: time.Second})
			return drained && err == nil
		},
		Aim: func(ctx context.Context) error {
			return h.client.Aim(ctx, proxy.Aim{Range: id, Generation: h.generation, Address: h.to.address})
		},
		Release: func(ctx context.Context) {
			_ = h.client.Release(ctx, proxy.Release{Range: id, Generation: h.generation})
		}, // ends by itself
	}.Run(ctx)
	if out.Result != engine.Moved {
		return fmt.Errorf("the hand-over ended %s: %s", out.Result, out.Reason)
	}
	h.from, h.to = h.to, h.from
	return nil
}

// settle waits until the next hand-over finds nothing in its way.
func (h *handOver) settle(ctx context.Context) error {
	return await(ctx, "the replica is in step", time.Minute, func(ctx context.Context) error {
		to := h.to.Observe(ctx)
		if !to.LinkUp || to.Syncing || !slices.Contains(h.from.Observe(ctx).Feeds(), engine.Source{Address: h.to.Address, Port: h.to.Port}) {
			return errors.New("not yet")
		}
		return nil
	})
}
