package store

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestAliveValueTellsTheOffice(t *testing.T) {
	for value, want := range map[string]int64{
		aliveValue("127.0.0.1", 4711): 4711,
		"127.0.0.1":                   0, // of a daemon that does not say yet
		"":                            0,
		"127.0.0.1 x":                 0,
	} {
		if got := parseAlive([]byte(value)); got != want {
			t.Errorf("%q: %d", value, got)
		}
	}
}

// Whoever takes office is told by every living node within a lease; who does not tell
// it counts as gone then, though the quorum still counts, and had stopped serving.
func TestNewOfficeIsTold(t *testing.T) {
	f := newFleet(t)
	f.ttl = 4 * time.Second
	hosts := f.three(t)
	client := f.client4(t, 1)
	all := append(slices.Clone(hosts), client)
	for _, h := range all {
		h.serves(t)
	}
	told := func(leader *host) {
		t.Helper()
		eventually(t, "all living nodes tell the office", func() error {
			now := leader.mirror.state()
			for _, h := range all {
				if now.leader.Node != leader.cfg.NodeID || now.alive[h.cfg.NodeID] != now.leader.epoch {
					return fmt.Errorf("office %+v, told %v", now.leader, now.alive)
				}
			}
			return nil
		})
	}
	one, two := hosts[0], hosts[1]
	told(one)
	lead(t, two)
	if err := one.TransferLeadership(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	told(two)
	two.countOut(t.Context(), two.link.member, two.mirror.state().leader.epoch)
	if got := two.Alive(); len(got) != len(all) {
		t.Errorf("alive: %v", got)
	}
}

// Who has not told an office as old as a lease counts as gone, though the quorum's own
// count goes on; until it is seen to have told it.
func TestWhoDoesNotTellTheOfficeIsGone(t *testing.T) {
	f := newFleet(t)
	f.ttl = 3 * time.Second
	one := f.first(t)
	one.serves(t)
	c := one.link.member.client
	epoch := one.mirror.state().leader.epoch
	put := func(node int, value string) {
		t.Helper()
		if _, err := c.Put(t.Context(), aliveKey(node), value); err != nil {
			t.Fatal(err)
		}
		one.seesAlive(t, node, true)
	}
	put(7, aliveValue("127.0.0.7", epoch-1))
	put(8, aliveValue("127.0.0.8", epoch))
	put(9, "127.0.0.9") // of an older daemon
	one.countOut(t.Context(), one.link.member, epoch)
	one.seesAlive(t, 7, false)
	for _, node := range []int{1, 8, 9} {
		one.seesAlive(t, node, true)
	}
	put(7, aliveValue("127.0.0.7", epoch))
}
