package e2e

import (
	"context"
	"strings"
	"testing"
	"time"
)

// An operator fails masters over, moves a shard and hands the lead on, while
// clients write: they see nothing of it.
func TestMastersMoveByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, clients := underLoad(ctx, t, "127.0.7.")
	for words, want := range map[string]string{
		"failover db orders shard 1 3": "Executing shard fail-over: OO.\nFinished successfully\n",
		"failover shard redis:5":       "Executing shard fail-over: O.\nFinished successfully\n",
		"cluster master set 3":         "Node 3 set to be the cluster master node\n",
	} {
		if said, err := c.Ask(ctx, 2, strings.Fields(words)...); err != nil || said != want {
			t.Errorf("%s: %q, %v", words, said, err)
		}
		if err := clients.goOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := c.Ask(ctx, 2, "migrate", "shard", "11", "target_node", "3"); err != nil || !strings.HasSuffix(said, "\ncompleted - migrate_shards\nDone\n") {
		t.Errorf("migrate: %q, %v", said, err)
	}
	if err := clients.goOn(ctx); err != nil {
		t.Fatal(err)
	}
	if said, err := c.Ask(ctx, 1, "status", "shards", "db", "orders", "sort", "ROLE", "ID"); err != nil || strings.Index(said, "redis:2 ") > strings.Index(said, "redis:1 ") {
		t.Errorf("redis:2 is to be master instead of redis:1: %v\n%s", err, said)
	}
	if said, err := c.Ask(ctx, 1, "cluster", "master"); err != nil || said != "Node 3 is the cluster master node\n" {
		t.Errorf("%q, %v", said, err)
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("clients: %s", summary(f))
	if f.Acknowledged == 0 || f.Lost > 0 || f.Errors > 0 {
		t.Errorf("%d of %d acknowledged writes are lost, %d errors", f.Lost, f.Acknowledged, f.Errors)
	}
}
