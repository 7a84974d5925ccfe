package chaos

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
	"github.com/haulout/haulout/e2e/lan"
)

// All daemons are restarted one after the other, then all hosts through
// maintenance mode, and clients with the library's defaults notice nothing.
func TestRollingRestart(t *testing.T) {
	binary, folder := lab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	network, err := lan.New(e2e.Nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	hosts := &e2e.Hosts{Binary: binary, Folder: folder, Network: lan.Network, LAN: network}
	t.Cleanup(func() {
		if err := hosts.Down(); err != nil {
			t.Error(err)
		}
	})
	w, err := newWorld(ctx, &e2e.Cluster{Hosts: hosts, Out: lines{t}})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := w.StartClients(ctx, 1000, w.Client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clients.Close)
	for _, restart := range []func(context.Context, *world, int) error{restartDaemon, restartHost} {
		for n := 1; n <= e2e.Nodes; n++ {
			w.operator = operatorFor(n)
			if err := restart(ctx, w, n); err != nil {
				t.Fatalf("node %d: %v\n%s", n, err, w.trace())
			}
		}
	}
	if err := w.converged(ctx); err != nil {
		t.Fatalf("%v\n%s", err, w.trace())
	}
	clients.Stop()
	if err := clients.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := clients.Figures()
	t.Logf("%+v", f)
	if f.Acknowledged == 0 || f.Errors+f.Lost+f.Duplicated > 0 {
		t.Errorf("%+v", f)
	}
}

// restartDaemon asks the daemon to stop, as a service manager does.
func restartDaemon(ctx context.Context, w *world, n int) error {
	if err := send(daemon, syscall.SIGTERM)(ctx, w, n); err != nil {
		return err
	}
	err := w.await(ctx, "the daemon stops", patience, func(context.Context) (bool, error) {
		left, err := w.pids(n, daemon)
		return len(left) == 0, err
	})
	if err != nil {
		return err
	}
	return w.startAndAwait(ctx, n)
}

// restartHost takes the node out, reboots it and takes it back.
func restartHost(ctx context.Context, w *world, n int) error {
	if err := w.typed(ctx, "node", fmt.Sprint(n), "maintenance_mode", "on"); err != nil {
		return err
	}
	if err := w.Kill(n); err != nil {
		return err
	}
	if err := w.startAndAwait(ctx, n); err != nil {
		return err
	}
	// A leader that is new says that not every node has reported yet.
	return w.await(ctx, "the node is taken back", patience, func(ctx context.Context) (bool, error) {
		err := w.typed(ctx, "node", fmt.Sprint(n), "maintenance_mode", "off")
		return err == nil, err
	})
}

func (w *world) startAndAwait(ctx context.Context, n int) error {
	if err := w.Start(ctx, n); err != nil {
		return err
	}
	return w.await(ctx, "the node is back", patience, func(ctx context.Context) (bool, error) {
		var o api.NodeObject
		err := w.get(ctx, fmt.Sprintf("/v1/nodes/%d", n), &o)
		return o.Status == "active", err
	})
}
