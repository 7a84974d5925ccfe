package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/lan"
)

// world is the cluster as this package sees it: through the eyes of an operator
// on one host, and of root on all of them.
type world struct {
	*e2e.Cluster
	operator int // the host at which is asked and typed
	rest     map[int]*e2e.REST
}

// newWorld creates the cluster.
func newWorld(ctx context.Context, c *e2e.Cluster) (*world, error) {
	if err := c.Create(ctx); err != nil {
		return nil, err
	}
	if _, err := c.CreateDatabase(ctx, api.CreateDatabase{Name: ledger, MemorySize: 256 << 20, ShardsCount: 1, Replication: true, MinReplicas: 1, Eviction: "noeviction"}); err != nil {
		return nil, err
	}
	w := &world{Cluster: c, operator: 1, rest: map[int]*e2e.REST{}}
	for n := 1; n <= e2e.Nodes; n++ {
		r, err := c.RESTOf(n)
		if err != nil {
			return nil, err
		}
		w.rest[n] = r
	}
	return w, nil
}

func (w *world) await(ctx context.Context, what string, within time.Duration, done func(ctx context.Context) (bool, error)) error {
	return e2e.Await(ctx, what, within, done)
}

func (w *world) get(ctx context.Context, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return w.rest[w.operator].Get(ctx, path, out)
}

func (w *world) nodes(ctx context.Context) (list []api.NodeObject, err error) {
	return list, w.get(ctx, "/v1/nodes", &list)
}

func (w *world) shards(ctx context.Context) (list []api.Shard, err error) {
	return list, w.get(ctx, "/v1/shards", &list)
}

func (w *world) databases(ctx context.Context) (list []api.Database, err error) {
	return list, w.get(ctx, "/v1/bdbs", &list)
}

// actions are those that are queued or running.
func (w *world) actions(ctx context.Context) ([]api.Action, error) {
	var all api.Actions
	err := w.get(ctx, "/v1/actions", &all)
	return slices.DeleteFunc(all.Actions, func(a api.Action) bool { return a.Status != "queued" && a.Status != "running" }), err
}

// leader is the cluster master's node, once there is one: the office may just be
// on its way.
func (w *world) leader(ctx context.Context) (n int, err error) {
	return n, w.await(ctx, "somebody leads the cluster", patience, func(ctx context.Context) (bool, error) {
		n, err = w.leads(ctx)
		return n != 0, err
	})
}

// leads is the node that leads the cluster now, or 0.
func (w *world) leads(ctx context.Context) (int, error) {
	var c api.Cluster
	err := w.get(ctx, "/v1/cluster", &c)
	return int(c.Master), err
}

// process is a kind of process on a host.
type process string

const (
	daemon     process = "serve"
	proxy      process = "proxy"
	everything process = ""
)

// pids are the host's processes of the kind.
func (w *world) pids(n int, kind process) ([]int, error) {
	all, err := w.Processes(n)
	var list []int
	for _, p := range all {
		if kind == everything || slices.Contains(p.Args, string(kind)) {
			list = append(list, p.PID)
		}
	}
	return list, err
}

// signal refuses the number 0, which is of no process: the kernel takes it for all of this program's group.
func signal(pids []int, s syscall.Signal) error {
	for _, pid := range pids {
		if pid <= 0 {
			return fmt.Errorf("signal %v to process %d", s, pid)
		}
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// record is what the agent wrote down of an engine it started.
type record struct {
	Name    string
	Address string
	Port    int
	PID     int
	Users   struct{ Agent string }
}

// records are the engines of the host that were started.
func (w *world) records(n int) ([]record, error) {
	files, err := filepath.Glob(filepath.Join(w.Data(n), "shards", "*", "instance.json"))
	if err != nil {
		return nil, err
	}
	var list []record
	for _, file := range files {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var r record
		if err := errors.Join(err, json.Unmarshal(b, &r)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if r.PID > 0 { // else it is about to be started
			list = append(list, r)
		}
	}
	return list, nil
}

// engineOf finds the engine of a shard.
func (w *world) engineOf(s api.Shard) (record, error) {
	list, err := w.records(int(s.Node))
	for _, r := range list {
		if r.Port == s.Info.Port {
			return r, nil
		}
	}
	return record{}, errors.Join(err, fmt.Errorf("redis:%d on node %d: no engine has port %d", s.UID, s.Node, s.Info.Port))
}

// agentOf is a client of the engine itself.
func (w *world) agentOf(r record) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: fmt.Sprintf("%s:%d", r.Address, r.Port), Username: "agent", Password: r.Users.Agent, Dialer: w.LAN.DialFrom(0),
		MaxRetries: -1, DialTimeout: 5 * time.Second,
	})
}

// paired asks the engine whether it has a partner that is linked: who strikes one that
// has none strikes the last copy, and nothing brings that back.
func (w *world) paired(ctx context.Context, r record) (bool, error) {
	client := w.agentOf(r)
	defer func() { _ = client.Close() }()
	replication, err := client.Info(ctx, "replication").Result()
	return strings.Contains(replication, "master_link_status:up") || strings.Contains(replication, "state=online"), err
}

// serves asks the engine itself whether it is a master that clients may use.
func (w *world) serves(ctx context.Context, r record) (bool, error) {
	client := w.agentOf(r)
	defer func() { _ = client.Close() }()
	replication, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return false, err
	}
	rights, err := client.Do(ctx, "ACL", "LIST").StringSlice()
	allowed := slices.ContainsFunc(rights, func(u string) bool { return strings.HasPrefix(u, "user proxy on ") })
	return allowed && strings.Contains(replication, "role:master"), err
}

// others are the hosts but this one.
func others(n int) []int {
	var list []int
	for o := 1; o <= e2e.Nodes; o++ {
		if o != n {
			list = append(list, o)
		}
	}
	return list
}

func links(from []int, to []int) []lan.Link {
	var list []lan.Link
	for _, a := range from {
		for _, b := range to {
			list = append(list, lan.Link{From: a, To: b})
		}
	}
	return list
}
