package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
)

// A live node is removed, and its daemon ends and says what to do, each time it
// is started; with an empty folder the host joins again. Then it dies, and is
// removed while it is away.
func TestNodeIsRemoved(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	const leaves = 3
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	hosts := &Hosts{Binary: build(t), Folder: shortTempDir(t), Network: "127.0.8."}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("node 1:\n%s\nnode %d:\n%s", hosts.LogTail(1, 30), leaves, hosts.LogTail(leaves, 30))
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

	said, err := c.Ask(ctx, 1, "node", fmt.Sprint(leaves), "remove")
	if err != nil || !strings.HasSuffix(said, "Performing remove action on node:3: 100%\nOK\n") {
		t.Fatalf("%s%v", said, err)
	}
	if err := c.ended(ctx, leaves); err != nil {
		t.Fatal(err)
	}
	told := "ERROR: this host was node:3 and has been removed from cluster demo; to use it again, start it with an empty data folder"
	if tail := c.LogTail(leaves, 5); !strings.Contains(tail, told) {
		t.Errorf("the daemon said\n%s", tail)
	}
	again := exec.CommandContext(ctx, c.Binary, "serve", "--data", c.Data(leaves), "--address", c.Address(leaves))
	out, err := again.CombinedOutput()
	if again.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), told) {
		t.Errorf("started again: %v\n%s", err, out)
	}

	if err := os.RemoveAll(c.Data(leaves)); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx, leaves); err != nil {
		t.Fatal(err)
	}
	token, err := c.token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CLI(ctx, lines{t}, leaves, "cluster", "join", "nodes", c.Address(1), "token", token); err != nil {
		t.Fatal(err)
	}
	if err := c.voters(ctx, Nodes); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(leaves); err != nil {
		t.Fatal(err)
	}
	if said, err = c.Ask(ctx, 1, "node", "4", "remove"); err != nil {
		t.Fatalf("%s%v", said, err)
	}
	if err := c.voters(ctx, Nodes-1); err != nil {
		t.Fatal(err)
	}
	if said, err = c.Ask(ctx, 1, "node", "1", "remove"); err == nil || !strings.Contains(err.Error(), "node:1 is the cluster master") {
		t.Errorf("%s%v", said, err)
	}
}

// ended waits until nothing runs on the host any more.
func (c *Cluster) ended(ctx context.Context, n int) error {
	return await(ctx, fmt.Sprintf("nothing runs on host %d", n), readyDeadline, func(context.Context) (bool, error) {
		left, err := c.Processes(n)
		return len(left) == 0, err
	})
}

// voters waits until that many nodes are there, and all of them vote.
func (c *Cluster) voters(ctx context.Context, count int) error {
	return await(ctx, fmt.Sprintf("%d nodes vote", count), joinDeadline, func(ctx context.Context) (bool, error) {
		var nodes []api.NodeObject
		if err := c.REST.Get(ctx, "/v1/nodes", &nodes); err != nil {
			return false, err
		}
		for _, n := range nodes {
			if n.Membership != "voter" {
				return false, nil
			}
		}
		return len(nodes) == count, nil
	})
}
