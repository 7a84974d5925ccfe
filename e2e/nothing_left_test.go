package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/engine"
)

// What is lost comes back as an operator says: a cache that had one process begins
// empty, and a pair whose master can not load its files loads those of its replica.
func TestLostIsRecoveredByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := threeHosts(ctx, t, "127.0.23.")
	for _, d := range []api.CreateDatabase{
		{Name: "cache", MemorySize: 64 << 20, ShardsCount: 1, Eviction: "noeviction"},
		{Name: "pair", MemorySize: 64 << 20, ShardsCount: 1, Replication: true, Eviction: "noeviction", Persistence: "aof"},
	} {
		if _, err := c.CreateDatabase(ctx, d); err != nil {
			t.Fatal(err)
		}
		client := c.Client(d.Name)
		defer client.Close()
		if err := client.Set(ctx, "k", d.Name, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	err := await(ctx, "the replica's files have its data", readyDeadline, func(context.Context) (bool, error) {
		written := true
		for _, shard := range []int{2, 3} {
			// The mark of a copy goes when the agent has seen that it is written down.
			_, err := os.Stat(filepath.Join(c.folder(t, shard), "unsaved"))
			written = written && hasInFiles(c.folder(t, shard), "pair") && errors.Is(err, fs.ErrNotExist)
		}
		return written, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	shards := map[string][]int{"cache": {1}, "pair": {2, 3}}
	for name, wanted := range shards { // in any order
		var killed []string
		for _, shard := range wanted {
			dir := c.folder(t, shard)
			manifests, _ := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.manifest"))
			if shard == int(c.masterOf(ctx, t, name).UID) && len(manifests) == 1 {
				if err := os.WriteFile(manifests[0], []byte("what is this\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			killed = append(killed, dir)
		}
		for _, dir := range killed {
			p, running, err := engine.Adopt(dir)
			if err != nil || !running {
				t.Fatal(running, err)
			}
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			_ = p.Close()
		}
		c.says(ctx, t, name+" is lost", "recover list", " "+name+" ")
	}
	c.says(ctx, t, "files are left of one, nothing of the other", "recover list", "missing-data", "files of redis:")
	said, err := c.Ask(ctx, 2, "recover", "db", "cache", "-y")
	if err == nil || !strings.Contains(err.Error(), "nothing is left of slots 0-16383") {
		t.Errorf("%s%v", said, err)
	}
	for _, words := range []string{"recover db cache only_configuration -y", "recover db pair -y"} {
		if said, err := c.Ask(ctx, 2, strings.Fields(words)...); err != nil || !strings.Contains(said, "... ok, redis:") {
			t.Fatalf("%s: %s%v", words, said, err)
		}
	}
	c.reads(ctx, t, "pair")
	client := c.Client("cache")
	defer client.Close()
	err = await(ctx, "the cache begins empty", readyDeadline, func(ctx context.Context) (bool, error) {
		got, err := client.Get(ctx, "k").Result()
		if err == nil {
			return false, fmt.Errorf("it has %q", got)
		}
		return errors.Is(err, redis.Nil), nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := client.Set(ctx, "k", "cache", 0).Err(); err != nil {
		t.Error(err)
	}
	c.says(ctx, t, "all is as it was", "recover list", "Nothing is lost.")
	err = await(ctx, "nothing is amiss", readyDeadline, func(ctx context.Context) (bool, error) {
		said, err := c.Ask(ctx, 2, "status")
		return !strings.Contains(said, "TROUBLE") && !strings.Contains(said, "SYNCING"), err
	})
	if err != nil {
		t.Error(err)
	}
}

// hasInFiles reports whether a file that the manifest of append-only files names has the text.
func hasInFiles(dir, text string) bool {
	manifests, _ := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.manifest"))
	for _, manifest := range manifests {
		names, _ := os.ReadFile(manifest)
		files, _ := filepath.Glob(filepath.Join(filepath.Dir(manifest), "*.aof"))
		rdbs, _ := filepath.Glob(filepath.Join(filepath.Dir(manifest), "*.rdb"))
		for _, file := range append(files, rdbs...) {
			content, _ := os.ReadFile(file)
			if strings.Contains(string(names), filepath.Base(file)) && strings.Contains(string(content), text) {
				return true
			}
		}
	}
	return false
}

// folder is where the shard's only instance has its files.
func (c *Cluster) folder(t *testing.T, shard int) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(c.Folder, "node*", "shards", fmt.Sprintf("%d.*", shard)))
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	return dirs[0]
}

// says waits until a command says all of it.
func (c *Cluster) says(ctx context.Context, t *testing.T, what, words string, all ...string) {
	t.Helper()
	var said string
	err := await(ctx, what, readyDeadline, func(ctx context.Context) (bool, error) {
		var err error
		said, err = c.Ask(ctx, 2, strings.Fields(words)...)
		for _, part := range all {
			if !strings.Contains(said, part) {
				return false, err
			}
		}
		return true, err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}
