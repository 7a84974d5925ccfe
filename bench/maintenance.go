package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/load"
	"github.com/haulout/haulout/engine"
)

const (
	tookOf     = "seconds per GB"
	wholeOf    = "seconds"
	longestOf  = "longest operation, ms"
	p99Of      = "p99, ms"
	nodeOut    = 2
	writesEach = 1000 // a second, to the database and to the control
	quietFor   = 10 * time.Second
)

// The subjects of this row.
const (
	on       = "haulout: maintenance_mode on"
	off      = "haulout: maintenance_mode off"
	copied   = "bare full copy"
	besides  = "bare full copy, beside the same clients"
	reshard  = "redis-cli --cluster reshard"
	pipeline = "the same, --cluster-pipeline 100"
	quiet    = "haulout, before"
	during   = "haulout, on and off"
	control  = "untouched engine, meanwhile"
)

// maintenance takes a node out and back under load, and moves as many bytes in
// other ways, which have no load to bear, but for one copy.
func maintenance(ctx context.Context, b *bench, r *report) error {
	if b.short {
		b.bytes = min(b.bytes, 128<<20)
	}
	r.Settings["bytes wanted on the node"] = b.bytes
	r.Settings["bytes of a value"] = b.value
	r.Settings["writes per second"] = writesEach
	of := fmt.Sprintf("%d MB", b.bytes>>20)
	for range b.rounds {
		if err := b.outAndBack(ctx, r, of); err != nil {
			return err
		}
		if err := b.bareCopy(ctx, r, of, copied, alone); err != nil {
			return fmt.Errorf("%s: %w", copied, err)
		}
		if err := b.reshard(ctx, r, of, reshard); err != nil {
			return fmt.Errorf("%s: %w", reshard, err)
		}
		if err := b.reshard(ctx, r, of, pipeline, "--cluster-pipeline", "100"); err != nil {
			return fmt.Errorf("%s: %w", pipeline, err)
		}
	}
	judgeMaintenance(r, of)
	return nil
}

func judgeMaintenance(r *report, of string) {
	for _, way := range []string{copied, besides} {
		r.aim(target{What: "evacuation, per byte", Against: way, Value: r.ratio(of, tookOf, on, way), Limit: 1.2, Unit: "x"})
	}
	for _, way := range []string{reshard, pipeline} {
		r.aim(target{What: "evacuation, per byte, times faster", Against: way, Value: r.ratio(of, tookOf, way, on), Limit: 5, AtLeast: true, Unit: "x"})
	}
	limit := max(25, 3*r.median(of, control, longestOf))
	r.aim(target{What: "longest operation of a client", Value: r.median(of, during, longestOf), Limit: limit, Unit: "ms"})
	r.aim(target{What: "p99 of clients", Against: "before", Value: r.ratio(of, p99Of, during, quiet), Limit: 2, Unit: "x"})
	r.aim(target{What: "acknowledged writes lost or doubled", Value: r.median(of, during, lostOf), Limit: 0, Unit: "writes"})
	r.aim(target{What: "errors seen by clients", Value: r.median(of, during, errorsOf), Limit: 0, Unit: "errors"})
}

// outAndBack runs the whole of maintenance once.
func (b *bench) outAndBack(ctx context.Context, r *report, of string) (err error) {
	c, err := b.ours(ctx, api.CreateDatabase{Name: "bench", MemorySize: 8 * max(b.bytes, 1<<28), ShardsCount: 6, Replication: true, Eviction: "noeviction"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Down()) }()
	if err := c.fill(ctx, b.value, b.bytes); err != nil {
		return err
	}
	untouched, err := b.engine(ctx)
	if err != nil {
		return err
	}
	defer b.endServers()

	before, _, err := b.writeDuring(ctx, c, untouched, "before", func() error { return sleep(ctx, quietFor) })
	if err != nil {
		return err
	}
	if err := touch(2 * b.bytes); err != nil {
		return err
	}
	seconds := map[string]float64{}
	clients, beside, err := b.writeDuring(ctx, c, untouched, "during", func() error {
		for _, word := range []string{"on", "off"} {
			began := time.Now()
			if err := c.CLI(ctx, io.Discard, 1, "node", fmt.Sprint(nodeOut), "maintenance_mode", word); err != nil {
				return err
			}
			seconds[word] = time.Since(began).Seconds()
		}
		return nil
	})
	if err != nil {
		return err
	}
	for word, subject := range map[string]string{"on": on, "off": off} {
		var a api.Action
		if err := c.REST.Get(ctx, fmt.Sprintf("/v1/nodes/%d/actions/maintenance_%s", nodeOut, word), &a); err != nil {
			return err
		}
		r.add(of, subject, wholeOf, seconds[word])
		r.add(of, subject, tookOf, seconds[word]/gigabytes(a.BytesMoved))
	}
	for subject, f := range map[string]load.Figures{quiet: before, during: clients, control: beside} {
		r.add(of, subject, longestOf, microseconds(f.Longest.Took)/1000)
		r.add(of, subject, p99Of, microseconds(f.P99)/1000)
	}
	r.add(of, during, lostOf, float64(clients.Lost+clients.Duplicated))
	r.add(of, during, errorsOf, float64(clients.Errors))
	return b.bareCopy(ctx, r, of, besides, func(copying func() error) error {
		_, _, err := b.writeDuring(ctx, c, untouched, "beside", copying)
		return err
	})
}

// touch has the machine own so much memory and gives it back. A virtual machine may
// get its memory only when it first uses it, at several times the price: the
// subject that comes first would pay for the others.
func touch(bytes int64) error {
	memory, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("touch %d MB: %w", bytes>>20, err)
	}
	return unix.Munmap(memory)
}

func gigabytes(bytes int64) float64 { return float64(bytes) / (1 << 30) }

// fill writes until the node carries so many bytes, as its engines count.
func (c *ourCluster) fill(ctx context.Context, value int, bytes int64) error {
	client := c.Client(c.database.Name)
	defer func() { _ = client.Close() }()
	var done atomic.Int64
	// Every byte is there twice, spread over the nodes.
	if err := load.Fill(ctx, client, value, bytes*e2e.Nodes/2, &done); err != nil {
		return err
	}
	return await(ctx, fmt.Sprintf("node %d carries %d MB", nodeOut, bytes>>20), 2*time.Minute, func(ctx context.Context) error {
		burden, err := c.Burden(ctx, nodeOut)
		if err == nil && burden.Bytes < bytes*9/10 {
			err = fmt.Errorf("it carries %v", burden)
		}
		return err
	})
}

// writeDuring runs f while the database and an untouched engine are written to
// at the same pace, and reads all back afterwards.
func (b *bench) writeDuring(ctx context.Context, c *ourCluster, untouched *server, name string, f func() error) (clients, beside load.Figures, err error) {
	ours, theirs := c.Client(c.database.Name), redis.NewClient(&redis.Options{Addr: untouched.address})
	defer func() { err = errors.Join(err, ours.Close(), theirs.Close()) }()
	config := load.Config{Name: name, Workers: writerCount, Rate: writesEach}
	w, o := load.New(ours, config), load.New(theirs, config)
	writing, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.Run(writing) })
	running.Go(func() { o.Run(writing) })
	err = f()
	stop()
	running.Wait()
	if err == nil {
		err = w.Verify(ctx)
	}
	return w.Figures(), o.Figures(), err
}

// alone runs a copy with nothing beside it.
func alone(copying func() error) error { return copying() }

// bareCopy times the full copy of as much from one engine to another, both with the
// options that agents give them, while what beside does goes on.
func (b *bench) bareCopy(ctx context.Context, r *report, of, subject string, beside func(copying func() error) error) error {
	spec, err := b.spec("copied")
	if err != nil {
		return err
	}
	source, err := b.agentsEngine(ctx, spec)
	if err != nil {
		return err
	}
	defer source.end()
	client := redis.NewClient(&redis.Options{Addr: source.address, Username: "proxy", Password: spec.Users.Proxy})
	defer func() { _ = client.Close() }()
	used, err := fillEngine(ctx, client, b.value, b.bytes)
	if err != nil {
		return err
	}
	spec.Dir, spec.Source = spec.Dir+"-copy", &engine.Source{Address: "127.0.0.1", Port: source.Port}
	if err := touch(2 * b.bytes); err != nil {
		return err
	}
	return beside(func() error {
		began := time.Now()
		target, err := b.agentsEngine(ctx, spec)
		if err != nil {
			return err
		}
		defer target.end()
		err = await(ctx, "the copy is complete", 10*time.Minute, func(ctx context.Context) error {
			if o := target.Observe(ctx); !o.LinkUp || o.Syncing {
				return errors.New("not linked")
			}
			return nil
		})
		took := time.Since(began).Seconds()
		r.add(of, subject, wholeOf, took)
		r.add(of, subject, tookOf, took/gigabytes(used))
		return err
	})
}

// reshard times how redis-cli moves as much to another node.
func (b *bench) reshard(ctx context.Context, r *report, of, subject string, options ...string) error {
	defer b.endServers()
	var nodes []*server
	for range 2 {
		n, err := b.clusterNode(ctx, 15_000)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	if err := formCluster(ctx, nodes[:1], nodes); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: nodes[0].address})
	defer func() { _ = client.Close() }()
	used, err := fillEngine(ctx, client, b.value, b.bytes)
	if err != nil {
		return err
	}
	var ids []string
	for _, n := range nodes {
		id, err := ask(ctx, n.address, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		ids = append(ids, id.Str)
	}
	if err := touch(2 * b.bytes); err != nil {
		return err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"--cluster", "reshard", nodes[0].address, "--cluster-from", ids[0], "--cluster-to", ids[1],
		"--cluster-slots", "16384", "--cluster-yes"}, options...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out[max(0, len(out)-500):])
	}
	took := time.Since(began).Seconds()
	r.add(of, subject, wholeOf, took)
	r.add(of, subject, tookOf, took/gigabytes(used))
	return nil
}

// fillEngine writes so many bytes and returns how many the engine says it uses.
func fillEngine(ctx context.Context, client *redis.Client, value int, bytes int64) (int64, error) {
	var done atomic.Int64
	if err := load.Fill(ctx, client, value, bytes, &done); err != nil {
		return 0, err
	}
	text, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	var used int64
	_, err = fmt.Sscan(infoField(text, "used_memory"), &used)
	return used, err
}
