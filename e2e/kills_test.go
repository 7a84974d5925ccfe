package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/e2e/load"
)

// Whichever daemon dies while a node goes out or comes back - the leader's, the
// node's own, a target's - the action goes on from where it stood, and no client
// notices.
func TestDaemonsDieMeanwhile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, clients := underLoad(ctx, t, "127.0.2.")
	before, err := c.Placement(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for round, victim := range rand.Perm(Nodes) {
		node := round + 1
		for i, word := range []string{"on", "off"} {
			killMeanwhile(ctx, t, c, (victim+i)%Nodes+1, node, word)
		}
	}
	noticedNothing(ctx, t, clients)
	var after Placement
	if err := await(ctx, "the placement is answered", readyDeadline, func(ctx context.Context) (bool, error) {
		after, err = c.Placement(ctx)
		return err == nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := before.Differences(after); len(d) > 0 {
		t.Errorf("not as it was:\n%s", strings.Join(d, "\n"))
	}
}

// noticedNothing ends the clients and sees that they lost and doubled nothing and
// met no error.
func noticedNothing(ctx context.Context, t *testing.T, clients *Clients) load.Figures {
	t.Helper()
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("clients: %s", summary(f))
	if f.Acknowledged == 0 || f.Lost > 0 || f.Errors > 0 || f.Duplicated > 0 {
		t.Errorf("%d of %d acknowledged writes are lost, %d doubled, %d errors", f.Lost, f.Acknowledged, f.Duplicated, f.Errors)
	}
	return f
}

// underLoad returns a cluster on addresses of its own with clients that write.
func underLoad(ctx context.Context, t *testing.T, network string) (*Cluster, *Clients) {
	t.Helper()
	return underLoadOf(ctx, t, network, (*Cluster).Client)
}

// underLoadOf is underLoad by clients of another kind.
func underLoadOf(ctx context.Context, t *testing.T, network string, connect func(c *Cluster, database string) *redis.Client) (*Cluster, *Clients) {
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
	c := &Cluster{Hosts: hosts, Out: lines{t}}
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Fill(ctx, 16<<20); err != nil {
		t.Fatal(err)
	}
	clients, err := c.StartClients(ctx, 1000, func(database string) *redis.Client { return connect(c, database) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clients.Close)
	return c, clients
}

// killMeanwhile carries a maintenance action out, kills the victim's daemon once
// moves have begun, and starts it again.
func killMeanwhile(ctx context.Context, t *testing.T, c *Cluster, victim, node int, word string) {
	t.Helper()
	t.Logf("node %d %s, the daemon of node %d dies", node, word, victim)
	operator := victim%Nodes + 1
	ended := make(chan error, 1)
	go func() {
		ended <- c.CLI(ctx, lines{t}, operator, "node", fmt.Sprint(node), "maintenance_mode", word)
	}()
	began := func(ctx context.Context) (bool, error) {
		if len(ended) > 0 {
			return true, nil // too soon: its outcome says why
		}
		answer, err := c.Ask(ctx, operator, "--json", "cluster", "running_actions")
		return err == nil && strings.Contains(answer, `"running"`), nil
	}
	if err := await(ctx, "the action runs", readyDeadline, began); err != nil {
		t.Fatal(err)
	}
	if err := sleep(ctx, time.Duration(rand.IntN(800))*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := c.KillDaemon(victim); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx, victim); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("node %d maintenance_mode %s: %v", node, word, err)
	}
}
