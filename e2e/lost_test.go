package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
)

// lostWrites bounds what may be lost of acknowledged writes when a host dies:
// what asynchronous replication had not carried yet.
const lostWrites = writesPerSecond / 2

// A host dies with everything on it - an endpoint, masters, and once the leader -
// and clients write again without it.
func TestHostIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	for name, victim := range map[string]int{"a follower": 3, "the leader": 1} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			c, clients := underLoad(ctx, t, fmt.Sprintf("127.0.%d.", 2+victim))
			loseHost(ctx, t, c, clients, victim)
			rebuild(ctx, t, c, victim)
		})
	}
}

// A daemon stays dead and leaves its engines and proxy running: they may serve
// until the lease ends, then others take over, and nothing is lost. Back again,
// the daemon makes of them what the board says by then.
func TestDaemonStaysDead(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	const victim = 3
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, clients := underLoad(ctx, t, "127.0.6.")
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.KillDaemon(victim); err != nil {
		t.Fatal(err)
	}
	err := await(ctx, "others have taken over", readyDeadline, func(ctx context.Context) (bool, error) {
		b, err := c.Burden(ctx, victim)
		return b.Masters+b.Endpoints == 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx, victim); err != nil {
		t.Fatal(err)
	}
	err = await(ctx, "the node is back, with replicas alone", readyDeadline, func(ctx context.Context) (bool, error) {
		b, err := c.Burden(ctx, victim)
		return b.Replicas > 0 && b.Masters+b.Endpoints+b.Connections == 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("clients: %s", summary(f))
	if f.Acknowledged == 0 || f.Lost > 0 {
		t.Errorf("%d of %d acknowledged writes are lost", f.Lost, f.Acknowledged)
	}
}

func loseHost(ctx context.Context, t *testing.T, c *Cluster, clients *Clients, victim int) {
	t.Helper()
	if b, err := c.Burden(ctx, victim); err != nil || b.Endpoints == 0 || b.Masters == 0 || b.Unreplicated > 0 {
		t.Fatalf("node %d carries %v: the test would show nothing (%v)", victim, b, err)
	}
	var err error
	if c.REST, err = c.Hosts.REST(victim%Nodes+1, operator, c.Password); err != nil {
		t.Fatal(err)
	}
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Kill(victim); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"orders", "sessions"} {
		if err := c.writesAgain(ctx, name); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s writes again after %s", name, milliseconds(time.Since(began)))
	}
	err = await(ctx, "the board says that others serve", readyDeadline, func(ctx context.Context) (bool, error) {
		b, err := c.Burden(ctx, victim)
		return b.Endpoints+b.Masters == 0, err
	})
	if err != nil {
		t.Error(err)
	}
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("clients: %s", summary(f))
	if f.Acknowledged == 0 || f.Lost > lostWrites {
		t.Errorf("%d of %d acknowledged writes are lost", f.Lost, f.Acknowledged)
	}
}

// rebuild waits until the replicas of a host that stays away are elsewhere, and
// sees the host return to nothing.
func rebuild(ctx context.Context, t *testing.T, c *Cluster, victim int) {
	t.Helper()
	began := time.Now()
	other := victim%Nodes + 1
	if err := c.CLI(ctx, lines{t}, other, "tune", "cluster", "slave_ha_grace_period", "1"); err != nil {
		t.Fatal(err)
	}
	err := await(ctx, "all replicas are elsewhere", readyDeadline, func(ctx context.Context) (bool, error) {
		b, err := c.Burden(ctx, victim)
		return b.Replicas+b.Masters == 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("replicas rebuilt after %s", milliseconds(time.Since(began)))
	if err := c.Start(ctx, victim); err != nil {
		t.Fatal(err)
	}
	err = await(ctx, "the host is back and has ended what it was", readyDeadline, func(ctx context.Context) (bool, error) {
		var n api.NodeObject
		err := c.REST.Get(ctx, fmt.Sprintf("/v1/nodes/%d", victim), &n)
		shards, _ := os.ReadDir(filepath.Join(c.Data(victim), "shards"))
		return n.Status == "active" && len(shards) == 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// goOn waits until every database's clients have written for a while. After a
// host refused it, the library remembers that for a second.
func (all *Clients) goOn(ctx context.Context) error {
	for _, w := range all.writers {
		enough := w.Figures().Acknowledged + 2*writesPerSecond
		err := await(ctx, "the clients write on", readyDeadline, func(context.Context) (bool, error) {
			return w.Figures().Acknowledged > enough, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writesAgain waits until every part of the database takes a write, each over a
// connection that was made for it.
func (c *Cluster) writesAgain(ctx context.Context, database string) error {
	return await(ctx, database+" takes writes", readyDeadline, func(ctx context.Context) (bool, error) {
		client := c.Client(database)
		defer func() { _ = client.Close() }()
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return wrote(ctx, client) == nil, nil
	})
}

func wrote(ctx context.Context, client *redis.Client) error {
	for i := range 32 {
		if err := client.Set(ctx, fmt.Sprintf("again:%d", i), i, 0).Err(); err != nil {
			return err
		}
	}
	return nil
}
