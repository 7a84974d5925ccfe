package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func (h *host) seesAlive(t *testing.T, node int, want bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %d alive: %v", node, want), func() error {
		if h.Alive()[node] != want {
			return fmt.Errorf("alive: %v", h.Alive())
		}
		return nil
	})
}

func (h *host) serves(t *testing.T) int64 {
	t.Helper()
	eventually(t, "the right to serve", func() error {
		if h.ServeUntil() <= BootTime() {
			return errors.New("none")
		}
		return nil
	})
	return h.ServeUntil()
}

func TestNodesStopServingBeforeTheyCountAsGone(t *testing.T) {
	f := newFleet(t)
	f.ttl = 3 * time.Second
	one := f.first(t)
	two, _ := f.join(t, one, 2)
	client := f.client4(t, 1)
	for _, h := range []*host{two, client} {
		first := h.serves(t)
		eventually(t, "a renewal", func() error {
			if h.ServeUntil() <= first {
				return errors.New("the deadline stands still")
			}
			return nil
		})
		one.seesAlive(t, h.cfg.NodeID, true)
		if h == two {
			h.crash()
		} else {
			h.stop()
		}
		one.seesAlive(t, h.cfg.NodeID, false)
		if gap := time.Duration(BootTime() - h.ServeUntil()); gap < leaseMargin {
			t.Errorf("node %d counted as gone %v after its deadline, want at least %v", h.cfg.NodeID, gap, leaseMargin)
		}
	}
	one.seesAlive(t, 1, true)
}

func TestLostLeaseAndLostKeyAreReplaced(t *testing.T) {
	f := newFleet(t)
	f.ttl = 3 * time.Second
	one := f.first(t)
	one.serves(t)
	one.seesAlive(t, 1, true)
	l, err := one.connected()
	if err != nil {
		t.Fatal(err)
	}
	for name, take := range map[string]func(clientv3.LeaseID) error{
		"lease": func(id clientv3.LeaseID) error { _, err := l.client().Revoke(t.Context(), id); return err },
		"key":   func(clientv3.LeaseID) error { _, err := l.client().Delete(t.Context(), aliveKey(1)); return err },
	} {
		before, since := aliveKeyOf(t, l.client()), one.ServeSince()
		if err := take(clientv3.LeaseID(before.Lease)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a new key after the loss of the "+name, func() error {
			if now := aliveKeyOf(t, l.client()); now.ModRevision <= before.ModRevision {
				return fmt.Errorf("revision %d", now.ModRevision)
			}
			return nil
		})
		one.serves(t)
		if one.ServeSince() <= since {
			t.Errorf("after the loss of the %s it serves by the same lease", name)
		}
	}
}

// A node whose disk does not answer shows its rooms no newer board. It must not count as
// one that others wait for.
func TestNodeThatCanNotShowTheBoardLetsItsLeaseGo(t *testing.T) {
	f := newFleet(t)
	f.ttl = 3 * time.Second
	one := f.first(t)
	client := f.client4(t, 1)
	client.serves(t)
	since := client.ServeSince()
	client.mirror.writing.Lock()
	answer := sync.OnceFunc(client.mirror.writing.Unlock)
	defer answer()
	one.seesAlive(t, client.cfg.NodeID, false)
	if left := client.ServeUntil() - BootTime(); left > 0 {
		t.Errorf("it may serve for another %v", time.Duration(left))
	}
	answer()
	one.seesAlive(t, client.cfg.NodeID, true)
	eventually(t, "another lease", func() error {
		if client.serves(t); client.ServeSince() <= since {
			return errors.New("it serves by the same lease")
		}
		return nil
	})
}

func aliveKeyOf(t *testing.T, c *clientv3.Client) *mvccpb.KeyValue {
	t.Helper()
	answer, err := c.Get(t.Context(), aliveKey(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		return kv
	}
	return &mvccpb.KeyValue{}
}

func TestBootTimeGoesForward(t *testing.T) {
	a := BootTime()
	if b := BootTime(); b < a || a <= 0 {
		t.Errorf("boot time %d, then %d", a, b)
	}
}
